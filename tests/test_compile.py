"""Compiled files: as committed, as KFP's server wants them, and wired name by name."""

import importlib.util
import re
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from kfp import dsl
from kfp.compiler import Compiler
from kfp.components import load_component_from_file

import pipeline
from edgedistill.settings import STEP_SETTINGS, all_settings

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "components" / "edgedistill"
COMPILED = [REPOSITORY / "manifests" / "pipeline.yaml"] + [
    PACKAGE / step / "component.yaml" for step in STEP_SETTINGS
]
SPEC_CHECK = REPOSITORY.parent / "shared" / "checks" / "kfp_spec.py"


def test_compiled_and_generated_files_are_as_committed(tmp_path: Path) -> None:
    documents = [REPOSITORY / "README.md", *REPOSITORY.glob("components/**/README.md")]
    for document in documents:
        copy = tmp_path / document.relative_to(REPOSITORY)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(document, copy)
    written = pipeline.compile_into(tmp_path)
    assert len(written) == len(COMPILED) + len(documents)
    differing = [
        str(path.relative_to(tmp_path))
        for path in written
        if path.read_bytes() != (REPOSITORY / path.relative_to(tmp_path)).read_bytes()
    ]
    assert differing == [], "run: python pipeline.py compile"


@pytest.mark.skipif(not SPEC_CHECK.is_file(), reason="the check of KFP's server is not at hand")
@pytest.mark.parametrize("path", COMPILED, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_the_server_would_accept_every_compiled_file(path: Path) -> None:
    assert list(spec_check().faults(str(path))) == []


def spec_check() -> ModuleType:
    found = importlib.util.spec_from_file_location("kfp_spec", SPEC_CHECK)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def compiled() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(COMPILED[0].read_text(encoding="utf-8"))
    return document


def test_the_pipeline_has_the_defaults_of_the_settings(compiled: dict[str, Any]) -> None:
    parameters = compiled["root"]["inputDefinitions"]["parameters"]
    defaults = {name: p.get("defaultValue") for name, p in parameters.items()}
    assert defaults == {name: d.default for name, d in all_settings().items()}
    assert [name for name, default in defaults.items() if default is None] == ["data_dir"]


def test_every_parameter_of_a_step_is_fed_by_the_pipelines_of_its_own_name(
    compiled: dict[str, Any],
) -> None:
    tasks = compiled["root"]["dag"]["tasks"]
    assert {name.replace("-", "_") for name in tasks} == set(STEP_SETTINGS)
    for task in tasks.values():
        fed = task["inputs"]["parameters"]
        assert fed == {name: {"componentInputParameter": name} for name in fed}
        declared = compiled["components"][task["componentRef"]["name"]]["inputDefinitions"]
        assert set(fed) == set(declared["parameters"])


def test_every_artifact_comes_from_the_step_that_design_says(compiled: dict[str, Any]) -> None:
    tasks = compiled["root"]["dag"]["tasks"]
    keys = ("producerTask", "outputArtifactKey")
    wired = {
        f"{task}.{name}": ".".join(source["taskOutputArtifact"][key] for key in keys)
        for task, spec in tasks.items()
        for name, source in spec["inputs"].get("artifacts", {}).items()
    }
    splits = {name: f"split.{name}" for name in ("train", "val", "test", "calib")}
    models = {
        "teacher": "teacher.model",
        "student": "distiller.model",
        "tflite": "qat-export.tflite",
    }
    sources = {
        **splits,
        **models,
        "catalog": "scan.catalog",
        "predictions": "evaluate.predictions",
    }
    assert wired == {socket: sources[socket.partition(".")[2]] for socket in wired}
    assert len(wired) == 1 + 2 + 3 + 4 + 4 + 3


def test_steps_have_names_that_read_well(compiled: dict[str, Any]) -> None:
    names = [t["taskInfo"]["name"] for t in compiled["root"]["dag"]["tasks"].values()]
    assert len(set(names)) == 7
    assert all(re.fullmatch(r"[A-Z][A-Za-z ]+", name) for name in names)


@pytest.mark.parametrize("step", STEP_SETTINGS)
def test_component_yaml_loads_with_every_setting(step: str) -> None:
    loaded = load_component_from_file(str(PACKAGE / step / "component.yaml"))
    assert loaded.name == step.replace("_", "-")
    parameters = {n for n, s in loaded.component_spec.inputs.items() if "system." not in s.type}
    assert parameters == set(STEP_SETTINGS[step].__dataclass_fields__)


def test_a_loaded_component_works_in_a_pipeline_of_ones_own(tmp_path: Path) -> None:
    scan = load_component_from_file(str(PACKAGE / "scan" / "component.yaml"))
    split = load_component_from_file(str(PACKAGE / "split" / "component.yaml"))

    @dsl.pipeline(name="mine")
    def mine(photos: str = "sample") -> None:
        split(catalog=scan(data_dir=photos).outputs["catalog"], seed=3)

    Compiler().compile(mine, str(tmp_path / "mine.yaml"))
    tasks = yaml.safe_load((tmp_path / "mine.yaml").read_text())["root"]["dag"]["tasks"]
    assert tasks["split"]["inputs"]["parameters"]["seed"] == {"runtimeValue": {"constant": 3}}


@pytest.mark.parametrize("step", STEP_SETTINGS)
def test_the_example_of_each_component_compiles(step: str, tmp_path: Path) -> None:
    text = (PACKAGE / step / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, f"{step}/README.md", "exec"), names)
    (found,) = (v for v in names.values() if type(v).__name__ == "GraphComponent")
    Compiler().compile(found, str(tmp_path / "example.yaml"))
    tasks = yaml.safe_load((tmp_path / "example.yaml").read_text())["root"]["dag"]["tasks"]
    assert step.replace("_", "-") in tasks
