"""The components in the layout of kubeflow/pipelines-components, for whoever offers them there.

That repository wants of a component.py what this one must not have: imports of the standard
library and kfp alone, with every default and help text spelt out, and an `__init__.py` that
imports it. Here each default is declared once, and what a step imports must not import kfp. So
the folders are written from the components, and lose nothing on the way: they compile to what
component.yaml holds, but for the image.
"""

import ast
import inspect
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from edgedistill.documents import catalogue_table, table

SUBCATEGORY = Path("components") / "training" / "edgedistill"
"""Where a checkout of that repository holds the suite: one subcategory, with one set of owners."""

LINE_COLUMNS = 120
"""That repository's line, for Python and for Markdown outside tables."""

_LIST_ITEM = re.compile(r" *([-+*] |\d+[.)] )")
_LOOKS_LIKE_AN_ITEM = re.compile(r"(?<=\S) (?=[-+*] |\d+[.)] )")

_PACKAGE = Path(__file__).parent
_CATALOGUE = _PACKAGE.parent / "README.md"


def write_components(
    checkout: Path,
    components: Mapping[str, Any],
    *,
    approvers: Sequence[str],
    image: str,
    verified: date,
) -> list[Path]:
    """Writes a folder a component, and what their subcategory needs; gives the files.

    Args:
        checkout: the root of that repository's tree.
        components: by name, what `@component` makes.
        approvers: GitHub names of who answers for them there.
        image: the image that holds this package, as that repository's allowlist admits it.
        verified: when they were last seen to work.
    """
    specs = {name: component.component_spec for name, component in components.items()}
    owners = "approvers:\n" + "".join(f"  - {name}\n" for name in approvers)
    texts = {
        Path("__init__.py"): _exports("Photos to an int8 classifier for phones", *components),
        Path("OWNERS"): owners,
        Path("README.md"): _subcategory_readme(specs),
    }
    for name, component in components.items():
        metadata = _metadata(name, verified)
        defined = _definition(component, image)
        texts |= {
            Path(name) / "__init__.py": _exports(f"Component {name}", name, of=".component"),
            Path(name) / "component.py": _module(name, defined),
            Path(name) / "metadata.yaml": metadata,
            Path(name) / "OWNERS": owners,
            Path(name) / "README.md": _readme(name, specs[name], defined, metadata, approvers),
            Path(name) / "tests" / "__init__.py": f'"""Tests of {name}."""\n',
            Path(name) / "tests" / "test_component_unit.py": _unit_test(name, specs[name]),
        }
    folder = checkout / SUBCATEGORY
    for place, text in texts.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(text, encoding="utf-8")
    _format(folder)
    return [folder / place for place in texts]


def _format(folder: Path) -> None:
    """Formats the Python files as that repository does."""
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--quiet"]
    subprocess.run([*command, "--line-length", str(LINE_COLUMNS), str(folder)], check=True)


def _exports(title: str, *names: str, of: str = "") -> str:
    """An `__init__.py` that hands on components, each from the package of its name or from `of`."""
    lines = [f"from {of or f'.{name}'} import {name}" for name in sorted(names)]
    return "\n".join([f'"""{title}."""\n', *lines, f"\n__all__ = {json.dumps(sorted(names))}\n"])


def _metadata(name: str, verified: date) -> str:
    text = (_PACKAGE / name / "metadata.yaml").read_text(encoding="utf-8")
    return re.sub(r"(?m)^lastVerified: .*$", f"lastVerified: {verified}T00:00:00Z", text)


def _definition(component: Any, image: str) -> ast.FunctionDef:
    """The component's function with nothing bound from outside: defaults, help texts, image."""
    function = component.python_func
    (defined,) = (n for n in _tree(function.__name__).body if isinstance(n, ast.FunctionDef))
    defaults = function.__kwdefaults__ or {}
    defined.args.kw_defaults = [
        ast.Constant(defaults[a.arg]) if a.arg in defaults else None
        for a in defined.args.kwonlyargs
    ]
    made = f"dsl.component(base_image={image!r}, install_kfp_package=False)"
    defined.decorator_list = [ast.parse(made, mode="eval").body]
    # That repository's generator would make a table of outputs with one row, "None", of it.
    defined.returns = None
    defined.body[0] = ast.Expr(ast.Constant(_docstring(component)))
    return defined


def _module(name: str, defined: ast.FunctionDef) -> str:
    """component.py around the function."""
    of_kfp = [
        ast.unparse(n)
        for n in _tree(name).body
        if isinstance(n, ast.ImportFrom) and str(n.module).startswith("kfp.")
    ]
    head = [f'"""KFP interface of {name}, of the suite edgedistill."""\n', "from kfp import dsl"]
    return "\n".join([*head, *of_kfp, "\n", ast.unparse(defined), ""])


def _tree(name: str) -> ast.Module:
    return ast.parse((_PACKAGE / name / "component.py").read_text(encoding="utf-8"))


def _docstring(component: Any) -> str:
    """The docstring with every parameter among its arguments, output artifacts too."""
    lines: list[str] = []
    for line in (inspect.getdoc(component.python_func) or "").splitlines():
        if line == "Returns:":
            outputs = component.component_spec.outputs.items()
            lines[-1:-1] = [f"    {n}: {_one_line(s.description)}" for n, s in outputs]
        lines.append(line)
    return "\n    ".join([*_wrapped(lines, LINE_COLUMNS - 4, "    "), ""])


def _wrapped(lines: Sequence[str], columns: int, hanging: str) -> list[str]:
    """The lines, those that are too long broken; what follows hangs below their beginning."""
    broken: list[str] = []
    for line in lines:
        indent = line[: len(line) - len(line.lstrip())]
        broken += textwrap.wrap(
            line, columns, subsequent_indent=indent + hanging, break_long_words=False,
            break_on_hyphens=False,
        ) or [""]  # fmt: skip
    return broken


def _readme(
    name: str, spec: Any, defined: ast.FunctionDef, metadata: str, approvers: Sequence[str]
) -> str:
    """The sections of that repository in its order, then ours behind its marker.

    Its generator (`make readme`) writes those above the marker anew, and keeps those below.
    """
    fields = yaml.safe_load(metadata)
    kubeflow = [f"    - Name: {d['name']}, Version: {d['version']}"
                for d in fields["dependencies"]["kubeflow"]]  # fmt: skip
    links = [f"- **{title.title()}**: [{place}]({place})"
             for title, place in fields["links"].items()]  # fmt: skip
    return "\n".join([
        f"# {_title(name)} ✨\n",
        f"> ⚠️ **Stability: {fields['stability']}** — "
        "This asset is not yet stable and may change.\n",
        "## Overview 🧾\n",
        f"{textwrap.fill(_one_line(spec.description), LINE_COLUMNS)}\n",
        "## Inputs 📥\n",
        f"{_inputs_table(spec, defined)}\n",
        "## Metadata 🗂️\n",
        f"- **Name**: {name}",
        f"- **Stability**: {fields['stability']}",
        "- **Dependencies**:",
        "  - Kubeflow:",
        *kubeflow,
        "- **Tags**:",
        *(f"  - {tag}" for tag in fields["tags"]),
        f"- **Last Verified**: {fields['lastVerified']}",
        "- **Owners**:",
        "  - Approvers:",
        *(f"    - {approver}" for approver in approvers),
        "\n## Additional Resources 📚\n",
        *links,
        "\n<!-- custom-content -->\n",
        _own_sections(name),
    ])  # fmt: skip


def _title(name: str) -> str:
    return " ".join(word.capitalize() for word in name.split("_"))


def _inputs_table(spec: Any, defined: ast.FunctionDef) -> str:
    """Every parameter of the function, artifacts that it writes among them."""
    described = {n: _one_line(s.description) for n, s in {**spec.inputs, **spec.outputs}.items()}
    defaults: list[ast.expr | None] = [None] * len(defined.args.args)
    rows = [
        [
            f"`{argument.arg}`",
            f"`{ast.unparse(argument.annotation)}`" if argument.annotation else "",
            f"`{default.value!s}`" if isinstance(default, ast.Constant) else "Required",
            described[argument.arg],
        ]
        for argument, default in zip(
            [*defined.args.args, *defined.args.kwonlyargs],
            [*defaults, *defined.args.kw_defaults],
            strict=True,
        )
    ]
    return table(["Parameter", "Type", "Default", "Description"], rows)


def _own_sections(name: str) -> str:
    """Our README without title and generated tables, its lines broken where they are too long."""
    text = (_PACKAGE / name / "README.md").read_text(encoding="utf-8").partition("\n\n")[2]
    text = re.sub(r"<!-- parameters:.*?<!-- end of parameters -->\n\n", "", text, flags=re.DOTALL)
    text = text.replace(
        "from edgedistill.components import",
        f"from kfp_components.{'.'.join(SUBCATEGORY.parts)} import",
    )
    return _wrapped_markdown(text)


def _wrapped_markdown(text: str) -> str:
    """The text with prose broken at the line's end; code, tables and headings stay as they are."""
    lines: list[str] = []
    paragraph: list[str] = []

    def end_paragraph() -> None:
        if paragraph:
            marker = _LIST_ITEM.match(paragraph[0])
            # A line must not begin with what would make it another item: "k + 1".
            words = _LOOKS_LIKE_AN_ITEM.sub("\0", " ".join(paragraph))
            broken = _wrapped([words], LINE_COLUMNS, " " * len(marker[1]) if marker else "")
            lines.extend(line.replace("\0", " ") for line in broken)
            paragraph.clear()

    in_code = False
    for line in text.split("\n"):
        begins_code = line.startswith("```")
        if in_code or begins_code or not line or line[0] in "|#":
            end_paragraph()
            lines.append(line)
            in_code ^= begins_code
            continue
        if _LIST_ITEM.match(line):
            end_paragraph()
        paragraph.append(line.strip() if paragraph else line)
    end_paragraph()
    return "\n".join(lines)


def _subcategory_readme(specs: Mapping[str, Any]) -> str:
    """What the suite is, and a row a component."""
    rows = catalogue_table(specs).replace("(edgedistill/", "(")
    return "\n\n".join([
        "# Edgedistill", "## Overview", "Folders of photos to an int8 TFLite image classifier.",
        "## Components", f"{rows}\n",
    ])  # fmt: skip


def _unit_test(name: str, spec: Any) -> str:
    """A test for that repository: what others' pipelines rely on."""
    return f'''"""What others' pipelines rely on; the work is tested where it is developed."""

from ..component import {name}


def test_inputs_and_outputs():
    """They are those that it had when it was offered."""
    spec = {name}.component_spec
    assert sorted(spec.inputs or ()) == {json.dumps(sorted(spec.inputs or ()))}
    assert sorted(spec.outputs or ()) == {json.dumps(sorted(spec.outputs or ()))}
'''


def _one_line(text: str) -> str:
    return " ".join((text or "").split())
