"""The components by the rules of kubeflow/pipelines-components, and in other people's pipelines.

What that repository's checks want of a component's folder, and where it is held. "Ours" is the
folder below components/edgedistill/; "offered" is what `python pipeline.py community` writes into
a checkout of that repository; both are held by the tests below, each with an example that breaks.

| rule there | ours | offered |
| --- | --- | --- |
| names in snake_case, no keyword of Python; folder, function and metadata agree | yes | yes |
| metadata.yaml: fields, their order, kinds and version specifiers, no date to come | yes | yes |
| metadata.yaml verified within a year: a date alone would end our tests | no | yes |
| yamllint of metadata.yaml | yes | yes |
| OWNERS with an approver: who offers the components names himself with --approvers | no | yes |
| `__init__.py` exposes the component: a step's imports would then import kfp | no | yes |
| top level imports the standard library and kfp alone: defaults are declared once, so
  component.py imports its contract | no | yes |
| the module loads from its path alone and compiles; the decorator is `component` | yes | yes |
| base_image is a literal of an allowed registry, tag main: contract.py has it, once | no | yes |
| ruff format and check at 120 columns, docstrings of Google's form | no | yes |
| README: their generator's sections in their order, then `<!-- custom-content -->` | no | yes |
| Markdown lines of at most 120 columns: tables have none to break | no | but tables |
| tests/ beside the component: ours mirror the package | no | yes |

Not held: the README's generated part is theirs by sections, not byte by byte (`make readme` in the
checkout writes it anew); their workflow that builds the image and the list of packages in their
pyproject.toml are files of that checkout; approvers must be members of the Kubeflow community.
"""

import ast
import importlib.util
import itertools
import keyword
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from kfp import dsl, local
from kfp.compiler import Compiler
from kfp.components import load_component_from_file
from kfp.dsl import Dataset, Input
from markdown_it import MarkdownIt
from PIL import Image
from yamllint import linter
from yamllint.config import YamlLintConfig

from edgedistill.commands.community import command
from edgedistill.community import LINE_COLUMNS, SUBCATEGORY
from edgedistill.errors import SettingError

REPOSITORY = Path(__file__).parents[1]
OURS = REPOSITORY / "components" / "edgedistill"
NAMES = sorted(path.parent.name for path in OURS.glob("*/component.yaml"))
IMAGE = "registry.example/kubeflow/pipelines-components-edgedistill-train:main"

FIELDS = ["name", "stability", "dependencies", "lastVerified"]
OPTIONAL_FIELDS = {"tags": list, "ci": dict, "links": dict}
SEMANTIC_VERSION = re.compile(
    r"(==|>=|<=|~=)(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)([-+][\w.-]+)?"
)
# Of their own registry, for which an example stands here, or of Python.
ALLOWED_IMAGES = [r"registry\.example/kubeflow/.*", r"python:\d+\.\d+.*"]
SECTIONS = ["Overview 🧾", "Inputs 📥", "Outputs 📤", "Usage Examples 🧪", "Metadata 🗂️",
            "Additional Resources 📚"]  # fmt: skip
CUSTOM = "\n<!-- custom-content -->\n"
THEIR_RUFF = ["--isolated", "--line-length", "120", "--target-version", "py311"]
THEIR_RULES = [
    "--select", "E,W,F,I,D", "--ignore", "D100,D104,D415",
    "--config", "lint.pydocstyle.convention='google'",
]  # fmt: skip

Faults = Iterator[str]
Rule = Callable[[Path], Faults]


def files(folder: Path) -> Faults:
    needed = ("__init__.py", "component.py", "metadata.yaml", "README.md", "OWNERS", "tests")
    yield from (f"{name} is missing" for name in needed if not (folder / name).exists())


def name(folder: Path) -> Faults:
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", folder.name) or keyword.iskeyword(folder.name):
        yield f"{folder.name} is no name in snake_case"
    called = yaml.safe_load((folder / "metadata.yaml").read_text())["name"]
    if [called] != [f.name for f in decorated(folder)]:
        yield f"{called} is not what the function is called"


def decorated(folder: Path) -> list[ast.FunctionDef]:
    """The functions that their scripts take for components, by the decorator's last word."""
    tree = ast.parse((folder / "component.py").read_text())
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    calls = re.compile(r"(dsl\.|kfp\.dsl\.)?component\b")
    return [f for f in functions if any(calls.match(ast.unparse(d)) for d in f.decorator_list)]


def metadata(folder: Path) -> Faults:
    found = yaml.safe_load((folder / "metadata.yaml").read_text())
    if [field for field in found if field not in OPTIONAL_FIELDS] != FIELDS:
        yield f"fields are {list(found)}"
        return
    if found["stability"] not in ("alpha", "beta", "stable"):
        yield f"stability is {found['stability']}"
    for field, kind in OPTIONAL_FIELDS.items():
        if type(found.get(field, kind())) is not kind:
            yield f"{field} is no {kind.__name__}"
    if any(type(tag) is not str for tag in found.get("tags", [])):
        yield "a tag is no text"
    if not set(found.get("ci", ())) <= {"skip_dependency_probe"}:
        yield "ci has another key"
    yield from dependencies(found["dependencies"])
    day = found["lastVerified"]
    if not isinstance(day, datetime) or day.tzinfo is None:
        yield f"lastVerified is no time: {day}"
    elif day > datetime.now(UTC):
        yield f"lastVerified is to come: {day}"


def dependencies(found: Any) -> Faults:
    if not {"kubeflow"} <= set(found) <= {"kubeflow", "external_services"}:
        yield f"dependencies are {list(found)}"
        return
    if "Pipelines" not in [d.get("name") for d in found["kubeflow"]]:
        yield "Pipelines is no dependency"
    for entry in itertools.chain(*found.values()):
        # A bare version is semantic, but no specifier: their check of compilation refuses it.
        if not SEMANTIC_VERSION.fullmatch(str(entry.get("version"))):
            yield f"{entry} has no version specifier"


def verified_within_a_year(folder: Path) -> Faults:
    day = yaml.safe_load((folder / "metadata.yaml").read_text())["lastVerified"]
    if datetime.now(UTC) - day >= timedelta(days=365):
        yield f"verified on {day}"


def yaml_lint(folder: Path) -> Faults:
    rules = YamlLintConfig("{extends: default, rules: {line-length: {max: 120}}}")
    with (folder / "metadata.yaml").open(encoding="utf-8") as file:
        yield from map(str, linter.run(file, rules))


def lines_of(words: list[str]) -> list[str]:
    """What a program that found faults says, line by line; no line where it found none."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).splitlines() if done.returncode else []


def owners(folder: Path) -> Faults:
    text = (folder / "OWNERS").read_text() if (folder / "OWNERS").is_file() else ""
    if not re.search(r"^approvers:\n\s*- \S", text, flags=re.MULTILINE):
        yield "nobody approves"


def exposed(folder: Path) -> Faults:
    if f"from .component import {folder.name}" not in (folder / "__init__.py").read_text():
        yield "the package does not hand the component on"


def top_level_imports(folder: Path) -> Faults:
    """Imports outside functions and classes; relative ones are free there."""
    allowed = {*sys.stdlib_module_names, "kfp", "pytest"}
    for path in folder.rglob("*.py"):
        for node in top_level(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [str(node.module)]
            outside = {n.partition(".")[0] for n in names} - allowed
            yield from (f"{path.name} imports {module}" for module in sorted(outside))


def top_level(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield child
            yield from top_level(child)


def compiles(folder: Path) -> Faults:
    try:
        compiled(folder)
    except Exception as error:  # noqa: BLE001  # any of them is a fault
        yield f"{type(error).__name__}: {error}"


def compiled(folder: Path) -> Any:
    """What the component compiles to, its module loaded from its path, as their scripts do."""
    spec = importlib.util.spec_from_file_location(f"offered_{folder.name}", folder / "component.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # KFP looks the source up there
    try:
        spec.loader.exec_module(module)
        with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
            Compiler().compile(getattr(module, folder.name), file.name)
            return yaml.safe_load(Path(file.name).read_text(encoding="utf-8"))
    finally:
        del sys.modules[spec.name]


def image(folder: Path) -> Faults:
    (function,) = decorated(folder)
    (call,) = (d for d in function.decorator_list if isinstance(d, ast.Call))
    of_image = [k.value for k in call.keywords if k.arg == "base_image"]
    texts = [v.value for v in of_image if isinstance(v, ast.Constant)]
    if len(texts) != 1:
        yield "base_image is no literal"
    for text in map(str, texts):
        if not any(re.fullmatch(pattern, text) for pattern in ALLOWED_IMAGES):
            yield f"{text} is of no allowed registry"
        if "/pipelines-components-" in text and not text.endswith(":main"):
            yield f"{text} has another tag than main"


def lint(folder: Path) -> Faults:
    ruff = [sys.executable, "-m", "ruff"]
    yield from lines_of([*ruff, "format", "--check", *THEIR_RUFF, str(folder)])
    yield from lines_of([*ruff, "check", "-q", *THEIR_RUFF, *THEIR_RULES, str(folder)])


def readme(folder: Path) -> Faults:
    generated, marker, _ = (folder / "README.md").read_text().partition(CUSTOM)
    if not marker:
        yield "nothing is marked as custom"
    found = re.findall(r"^## (.*)$", generated, flags=re.MULTILINE)
    if found != [s for s in SECTIONS if s in found] or not {"Overview 🧾", "Inputs 📥"} <= {*found}:
        yield f"sections are {found}"


def markdown_lines(folder: Path) -> Faults:
    for number, line in enumerate((folder / "README.md").read_text().splitlines(), 1):
        # What has no blank to be broken at may be longer.
        if " " in line[LINE_COLUMNS:] and not line.startswith("|"):
            yield f"line {number} has {len(line)} columns"


OF_OURS: list[Rule] = [name, metadata, yaml_lint, compiles]
RULES: list[Rule] = [
    *OF_OURS, files, verified_within_a_year, owners, exposed, top_level_imports, image, lint,
    readme, markdown_lines,
]  # fmt: skip


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of that repository, as far as the command looks at it, with our components."""
    root = tmp_path_factory.mktemp("pipelines-components")
    (root / SUBCATEGORY.parent).mkdir(parents=True)
    words = ["--checkout", str(root), "--approvers", "octocat,hu-bot", "--image", IMAGE]
    assert command(words) == 0
    return root


@pytest.mark.parametrize("component", NAMES)
@pytest.mark.parametrize("rule", OF_OURS)
def test_our_folder_keeps_the_rules_that_it_can(rule: Rule, component: str) -> None:
    assert list(rule(OURS / component)) == []


@pytest.mark.parametrize("component", NAMES)
@pytest.mark.parametrize("rule", RULES)
def test_an_offered_folder_keeps_every_rule(rule: Rule, component: str, checkout: Path) -> None:
    assert list(rule(checkout / SUBCATEGORY / component)) == []


def test_every_component_is_offered(checkout: Path) -> None:
    assert sorted(p.parent.name for p in checkout.glob("*/*/*/*/component.py")) == NAMES
    assert list(owners(checkout / SUBCATEGORY)) == []


YEAR_OLD = f"lastVerified: {datetime.now(UTC).date() - timedelta(days=366)}T00:00:00Z"
TO_COME = f"lastVerified: {datetime.now(UTC).date() + timedelta(days=2)}T00:00:00Z"
BREAKS: list[tuple[Rule, str, str, str, str]] = [
    (name, "metadata.yaml", "name: scan", "name: scanner", "scanner is not what"),
    (name, "component.py", "@dsl.component", "@dsl.pipeline", "scan is not what"),
    (metadata, "metadata.yaml", "stability: alpha\n", "", "fields are"),
    (metadata, "metadata.yaml", "alpha\n", "alpha\ntier: core\n", "fields are"),
    (metadata, "metadata.yaml", "name: scan\nstability: alpha", "stability: alpha\nname: scan",
     "fields are"),
    (metadata, "metadata.yaml", "alpha", "ready", "stability is ready"),
    (metadata, "metadata.yaml", "'>=2.17.0'", "'2.17.0'", "no version specifier"),
    (metadata, "metadata.yaml", "'>=2.17.0'", "'>=2.17'", "no version specifier"),
    (metadata, "metadata.yaml", "kubeflow:", "kubernetes:", "dependencies are"),
    (metadata, "metadata.yaml", "name: Pipelines", "name: Trainer", "Pipelines is no dependency"),
    (metadata, "metadata.yaml", "  - vision", "  - 3", "a tag is no text"),
    (metadata, "metadata.yaml", "skip_dependency_probe", "compile_check", "another key"),
    (metadata, "metadata.yaml", "T00:00:00Z", "", "lastVerified is no time"),
    (metadata, "metadata.yaml", r"lastVerified: \S+", TO_COME, "lastVerified is to come"),
    (verified_within_a_year, "metadata.yaml", r"lastVerified: \S+", YEAR_OLD, "verified on"),
    (yaml_lint, "metadata.yaml", "name: scan", "name:  scan ", "trailing spaces"),
    (files, "OWNERS", "", "gone", "OWNERS is missing"),
    (owners, "OWNERS", "approvers:", "reviewers:", "nobody approves"),
    (owners, "OWNERS", r"(\n  - \S+)+", "", "nobody approves"),
    (exposed, "__init__.py", "import scan", "import split", "does not hand"),
    (top_level_imports, "component.py", "from kfp import dsl",
     "from kfp import dsl\nfrom edgedistill.contract import component", "imports edgedistill"),
    (top_level_imports, "__init__.py", "from .component",
     "try:\n    import numpy\nfinally:\n    pass\nfrom .component", "imports numpy"),
    (compiles, "component.py", r"data_dir: str\b", "data_dir: 'str | None'", "Error"),
    (compiles, "component.py", "from kfp import dsl", "from .contract import dsl", "ImportError"),
    (image, "component.py", f'"{IMAGE}"', "IMAGE", "no literal"),
    (image, "component.py", IMAGE, "elsewhere.example/someone/train:main", "no allowed registry"),
    (image, "component.py", ":main", ":0.1.0", "another tag"),
    (lint, "component.py", '"INFO"', "'INFO'", "would be reformatted"),
    (lint, "component.py", "        log_level: .*\n", "", "D417"),
    (lint, "component.py", "from kfp import dsl", "import sys\n\nfrom kfp import dsl", "F401"),
    (readme, "README.md", "<!-- custom-content -->", "", "nothing is marked"),
    (readme, "README.md", "## Inputs 📥", "## Parameters", "sections are"),
    (readme, "README.md", "## Overview 🧾", "## Metadata 🗂️", "sections are"),
    (markdown_lines, "README.md", r"\Z", "word " * 25, "columns"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "file", "old", "new", "fault"), BREAKS)
def test_a_rule_sees_what_breaks_it(
    rule: Rule, file: str, old: str, new: str, fault: str, checkout: Path
) -> None:
    path = checkout / SUBCATEGORY / "scan" / file
    before = path.read_text(encoding="utf-8")
    try:
        if new == "gone":
            path.unlink()
        else:
            broken = re.sub(old, new.replace("\\", "\\\\"), before, count=1)
            assert broken != before
            path.write_text(broken, encoding="utf-8")
        assert fault in "\n".join(rule(path.parent))
    finally:
        path.write_text(before, encoding="utf-8")


def test_every_rule_has_an_example_that_breaks_it() -> None:
    assert {rule for rule, *_ in BREAKS} == set(RULES)


@pytest.mark.parametrize("component", NAMES)
def test_what_is_offered_is_the_component_but_for_its_image(component: str, checkout: Path) -> None:
    offered = compiled(checkout / SUBCATEGORY / component)
    ours = yaml.safe_load((OURS / component / "component.yaml").read_text(encoding="utf-8"))
    (our_container,), (container,) = containers(ours), containers(offered)
    assert container.pop("image") == IMAGE
    del our_container["image"]
    assert body(container["command"].pop()) == body(our_container["command"].pop())
    # Long descriptions are broken into lines there.
    assert in_one_line(offered) == in_one_line(ours)


def containers(document: Any) -> list[dict[str, Any]]:
    return [e["container"] for e in document["deploymentSpec"]["executors"].values()]


def body(source: str) -> list[str]:
    """The statements of the component's function without its docstring."""
    (function,) = (n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef))
    return [ast.unparse(n) for n in function.body[1:]]


def in_one_line(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: in_one_line(value) for key, value in node.items()}
    if isinstance(node, list):
        return [in_one_line(value) for value in node]
    return " ".join(node.split()) if isinstance(node, str) else node


@pytest.mark.parametrize("component", NAMES)
def test_broken_lines_of_a_readme_say_the_same(component: str, checkout: Path) -> None:
    ours = (OURS / component / "README.md").read_text(encoding="utf-8")
    _, intro, rest = re.split(r"\n\n", ours, maxsplit=2)
    own = f"{intro}\n\n{rest}"
    own = re.sub(r"<!-- parameters.*end of parameters -->\n\n", "", own, flags=re.DOTALL)
    text = (checkout / SUBCATEGORY / component / "README.md").read_text(encoding="utf-8")
    offered = text.partition(CUSTOM)[2].replace(
        "from kfp_components.components.training.edgedistill import",
        "from edgedistill.components import",
    )
    assert rendered(offered) == rendered(own)


def rendered(text: str) -> str:
    return " ".join(str(MarkdownIt("commonmark").enable("table").render(text)).split())


def test_the_tests_that_are_offered_pass(checkout: Path) -> None:
    words = [sys.executable, "-m", "pytest", "--import-mode=importlib", "-p", "no:cacheprovider",
             "--rootdir", str(checkout), str(checkout / SUBCATEGORY)]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=checkout)
    assert f"{len(NAMES)} passed" in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"--approvers": ""}, "approvers must be given: add --approvers VALUE."),
        ({"--approvers": "octocat,"}, "approvers must be GitHub names; got ''."),
        ({"--approvers": "TODO: me"}, "approvers must be GitHub names; got 'TODO: me'."),
        ({"--image": ""}, "image must be given: add --image VALUE."),
        (
            {"--image": "x:latest"},
            "image must be REGISTRY/NAME:VERSION or ...@sha256:DIGEST, in lower case and without "
            "http://; not :latest, as KFP tells by it whether a step can be reused; got x:latest.",
        ),
        ({"--checkout": "{tmp}"}, "checkout must be one of pipelines-components; got {tmp}."),
        ({"--branch": "x"}, "--branch is not a setting; --help lists them all."),
    ],
)
def test_a_slip_is_one_sentence_and_writes_nothing(
    changed: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    root = tmp_path / "checkout"
    (root / SUBCATEGORY.parent).mkdir(parents=True)
    given = {"--checkout": str(root), "--approvers": "octocat", "--image": IMAGE}
    given |= {flag: text.format(tmp=tmp_path) for flag, text in changed.items()}
    with pytest.raises(SettingError) as refused:
        command([word for pair in given.items() for word in pair])
    assert str(refused.value) == sentence.format(tmp=tmp_path)
    assert not (root / SUBCATEGORY).exists()


@dsl.component(base_image="someone/else:1", install_kfp_package=False)
def largest_class(photos: Input[Dataset], at_least: int) -> str:
    """A stranger's component: reads the table with the standard library alone."""
    import collections
    import csv
    from pathlib import Path

    with (Path(photos.path) / "photos.csv").open(encoding="utf-8", newline="") as file:
        counts = collections.Counter(row["label_name"] for row in csv.DictReader(file))
    name, count = counts.most_common()[0]
    if count < at_least:
        raise ValueError(f"{count} photos")
    return f"{name} {count} of {counts.total()}"


def test_a_loaded_component_runs_beside_a_strangers(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for label, count in {"cup": 12, "fork": 8, "mug": 8}.items():
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(count):
            pixels = random.integers(0, 256, (40, 48, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{i}.png")
    scan = load_component_from_file(str(OURS / "scan" / "component.yaml"))
    split = load_component_from_file(str(OURS / "split" / "component.yaml"))

    @dsl.pipeline(name="strangers")
    def strangers(photos: str) -> str:
        catalog = scan(
            data_dir=photos, student_img_size=32, teacher_img_size="32", group_near_duplicates=False
        )
        parts = split(
            catalog=catalog.outputs["catalog"], train_frac=0.5, val_frac=0.25, test_frac=0.25
        )
        largest: str = largest_class(photos=parts.outputs["train"], at_least=2).output
        return largest

    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "runs"))
    # Half of 12, 8 and 8 photos, all of them alone.
    assert strangers(photos=str(tmp_path / "photos")).output == "cup 6 of 14"
