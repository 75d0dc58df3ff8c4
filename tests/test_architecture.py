"""Who may import what, and how large things may grow: rules of the layout, read off the code."""

import ast
import io
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgedistill.settings import COMPONENT_SETTINGS

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "components" / "edgedistill"
STEPS = tuple(COMPONENT_SETTINGS)
# Not ours to run: files that go into the bundle as they are, for the app's team.
HANDED_ON = PACKAGE / "calibrate" / "bundle" / "files"
MODULES = [
    *(p for p in sorted(PACKAGE.rglob("*.py")) if not p.is_relative_to(HANDED_ON)),
    REPOSITORY / "pipeline.py",
]

KFP_MODULES = {
    "component.py", "contract.py", "components.py", "local_run.py", "compile.py", "graph.py",
    "on_cluster.py", "scan_graph.py", "docker_run.py", "local_graph.py",
}  # fmt: skip
# The only module that asks KFP's server.
KFP_CLIENT = PACKAGE / "server" / "connection.py"
TENSORFLOW = {
    "tensorflow", "tf_keras", "keras", "tensorflow_model_optimization", "ai_edge_litert",
    "flatbuffers",
}  # fmt: skip
CLOUD = {"boto3", "botocore", "google", "gcsfs", "s3fs", "fsspec", "cloudpathlib"}
# What every part may use: names of files, errors and settings, and packed pixels.
SHARED = {
    "artifacts",
    "folders",
    "json_file",
    "datasets",
    "pixel_writing",
    "pixels",
    "file_sums",
    "errors",
    "settings",
    "declaration",
    "machine",
    "progress",
    "training_identity",
    "weights_file",
}
MAY_IMPORT = {
    "core": {"core"},
    "storage": {"storage", "errors"},
    "tf": {
        "core",
        "tf",
        "artifacts",
        "datasets",
        "pixel_writing",
        "pixels",
        "errors",
        "machine",
        "interruption",
        "progress",
    },
    "report": {"core", "report", "artifacts"},
    "server": {
        "server",
        "arguments",
        "cluster_parameters",
        "console",
        "declaration",
        "errors",
        "presets",
        "quiet_kfp",
        "settings",
    },
    **{step: {step, "core", "tf", "report", "storage", "logs", *SHARED} for step in STEPS},
}
# A step never imports another. These two are no others: they are scan, parted into the packing of a
# run of its files and the judging of them all; what they share with it lies in its folder.
for parted in ("scan_shard", "merge_shards"):
    MAY_IMPORT[parted] |= {"scan"}
CORE_LIBRARIES = {
    "numpy",
    "PIL",
    "pillow_heif",
    "sklearn",
    "threadpoolctl",
    *sys.stdlib_module_names,
}
# core draws nothing from outside: no clock, no chance without a seed, no log, no process.
NOT_IN_CORE = {"time", "datetime", "logging", "subprocess", "socket", "pathlib", "os", "shutil"}

MODULE_LINES = 250
FUNCTION_STATEMENTS = 30
COMPONENT_LINES = 80
LINE_COLUMNS = 100


def place(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def imports(path: Path) -> Iterator[str]:
    """The full name of every module that the file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{place(path)}: imports are absolute"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def roots(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)}


def own_parts(path: Path) -> set[str]:
    """What the file imports of this package: the first name below it."""
    names = {name.split(".")[1] for name in imports(path) if name.startswith("edgedistill.")}
    return names - {""}


def part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0] if path.is_relative_to(PACKAGE) else ""


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_libraries_stay_in_their_part(path: Path) -> None:
    used = roots(path)
    if path.name not in KFP_MODULES and path not in (REPOSITORY / "pipeline.py", KFP_CLIENT):
        assert "kfp" not in used
    if path != KFP_CLIENT:
        assert "kfp_server_api" not in used
    if part(path) != "tf":
        assert not used & TENSORFLOW
    if part(path) != "report":
        assert "matplotlib" not in used
    if part(path) != "storage":
        assert not used & CLOUD
    if path != PACKAGE / "failure_report" / "pods.py":
        assert "kubernetes" not in used


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_keras_is_always_the_one_that_can_be_quantised(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not [n for n in imports(path) if n.startswith(("tensorflow.keras", "keras"))]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) not in {("tf", "keras"), ("tensorflow", "keras")}
        if isinstance(node, ast.Import):
            assert all(a.asname == "keras" for a in node.names if a.name == "tf_keras")


@pytest.mark.parametrize(
    "path", [p for p in MODULES if part(p) in MAY_IMPORT and p.name != "component.py"], ids=place
)
def test_each_part_imports_only_what_it_may(path: Path) -> None:
    assert own_parts(path) <= MAY_IMPORT[part(path)]


@pytest.mark.parametrize("step", STEPS)
def test_a_component_imports_its_contract_and_in_its_body_its_step(step: str) -> None:
    path = PACKAGE / step / "component.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    above = {n.module for n in tree.body if isinstance(n, ast.ImportFrom)}
    assert above == {"kfp.dsl", "edgedistill.contract", "edgedistill.settings"}
    assert own_parts(path) - {"artifacts"} == {"contract", "settings", "logs", step}
    assert len(path.read_text(encoding="utf-8").splitlines()) <= COMPONENT_LINES


@pytest.mark.parametrize("path", [p for p in MODULES if part(p) == "core"], ids=place)
def test_core_needs_no_more_than_numpy_pillow_and_scikit_learn(path: Path) -> None:
    used = roots(path) - {"edgedistill"}
    assert used <= CORE_LIBRARIES
    assert not used & NOT_IN_CORE
    calls = [n.func for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
    assert "open" not in {f.id for f in calls if isinstance(f, ast.Name)}


def test_package_files_are_empty() -> None:
    assert [p for p in MODULES if p.name == "__init__.py" and p.read_bytes()] == []


def code_lines(source: str) -> int:
    """Lines that hold code: neither blank, nor comment, nor docstring."""
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skipped and token.type != tokenize.ENDMARKER:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def statements(function: ast.AST) -> int:
    """Statements of a function, without those of the functions and classes inside it."""
    inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    children = list(ast.iter_child_nodes(function))
    own = sum(isinstance(n, ast.stmt) for n in children)
    return own + sum(statements(n) for n in children if not isinstance(n, inner))


def test_statements_are_counted_as_one_would_by_hand() -> None:
    source = "def f(x):\n    if x:\n        y = 1\n    def g():\n        return 2\n    return y\n"
    # if, y = 1, def g, return y; not the return of g.
    assert statements(ast.parse(source).body[0]) == 4
    assert code_lines('"""Doc."""\n\n# why\nx = 1\ny = (\n    2\n)\n') == 4


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_a_module_is_one_subject_and_a_function_one_thought(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert code_lines(source) <= MODULE_LINES
    assert max(map(len, source.splitlines()), default=0) <= LINE_COLUMNS
    functions = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef)]
    too_long = {f.name: statements(f) for f in functions if statements(f) > FUNCTION_STATEMENTS}
    assert too_long == {}


@pytest.mark.parametrize(
    "module",
    [
        "scan.step",
        "scan_shard.step",
        "merge_shards.step",
        "split.step",
        "calibrate.step",
        "logs",
        "outputs",
    ],
)
def test_a_light_import_stays_light(module: str) -> None:
    code = f"import edgedistill.{module}, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"tensorflow", "tf_keras", "keras", "tensorflow_model_optimization", "kfp"}


def test_help_and_refusals_do_not_wait_for_kfp() -> None:
    code = "import pipeline, sys; pipeline.main(['run', '--help']); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert not loaded & {"kfp", "numpy", "tensorflow"}
