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
from edgedistill.cluster_parameters import CLUSTER_VARIANTS
from edgedistill.commands.compile import OBJECTS_FILE, compile_into
from edgedistill.settings import COMPONENT_SETTINGS, STEP_SETTINGS

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "components" / "edgedistill"
MANIFESTS = REPOSITORY / "manifests"
PIPELINES = {name: MANIFESTS / v.file_name for name, v in CLUSTER_VARIANTS.items()}
COMPONENTS = {name: PACKAGE / name / "component.yaml" for name in COMPONENT_SETTINGS}
OBJECTS = [MANIFESTS / "overlays" / v.overlay / OBJECTS_FILE for v in CLUSTER_VARIANTS.values()]
# What an exit task alone is given has no default: the dashboard cannot start it by itself.
STARTED_ALONE = [path for name, path in COMPONENTS.items() if name != "failure_report"]
SPEC_CHECK = REPOSITORY.parent / "shared" / "checks" / "kfp_spec.py"


def test_compiled_and_generated_files_are_as_committed(tmp_path: Path) -> None:
    documents = [REPOSITORY / "README.md", *REPOSITORY.glob("components/**/README.md")]
    for document in documents:
        copy = tmp_path / document.relative_to(REPOSITORY)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(document, copy)
    written = compile_into(tmp_path)
    assert len(written) == len(PIPELINES) + len(COMPONENTS) + len(OBJECTS) + len(documents)
    differing = [
        str(path.relative_to(tmp_path))
        for path in written
        if path.read_bytes() != (REPOSITORY / path.relative_to(tmp_path)).read_bytes()
    ]
    assert differing == [], "run: python pipeline.py compile"


@pytest.mark.skipif(not SPEC_CHECK.is_file(), reason="the check of KFP's server is not at hand")
@pytest.mark.parametrize(
    "path", [*PIPELINES.values(), *STARTED_ALONE], ids=lambda p: str(p.relative_to(REPOSITORY))
)
def test_the_server_would_accept_every_compiled_file(path: Path) -> None:
    assert list(spec_check().faults(str(path))) == []


def spec_check() -> ModuleType:
    found = importlib.util.spec_from_file_location("kfp_spec", SPEC_CHECK)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=PIPELINES)
def compiled(request: pytest.FixtureRequest) -> dict[str, Any]:
    text = PIPELINES[request.param].read_text(encoding="utf-8")
    document: dict[str, Any] = next(yaml.safe_load_all(text))
    return document


def steps_of(compiled: dict[str, Any]) -> dict[str, Any]:
    """The tasks of the seven steps, which lie in the exit handler's own graph."""
    (handler,) = (c for name, c in compiled["components"].items() if "exit-handler" in name)
    tasks: dict[str, Any] = handler["dag"]["tasks"]
    return tasks


def test_every_parameter_of_a_step_is_fed_by_the_pipelines_of_its_own_name(
    compiled: dict[str, Any],
) -> None:
    tasks = steps_of(compiled)
    assert {name.replace("-", "_") for name in tasks} == set(STEP_SETTINGS)
    handler = compiled["root"]["dag"]["tasks"]["exit-handler-1"]["inputs"]["parameters"]
    for name, source in handler.items():
        assert source == {"componentInputParameter": name.removeprefix("pipelinechannel--")}
    for task in tasks.values():
        declared = compiled["components"][task["componentRef"]["name"]]["inputDefinitions"]
        fed = {name: task["inputs"]["parameters"][name] for name in declared["parameters"]}
        assert fed == {n: {"componentInputParameter": f"pipelinechannel--{n}"} for n in fed}


def test_every_artifact_comes_from_the_step_that_design_says(compiled: dict[str, Any]) -> None:
    tasks = steps_of(compiled)
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
    names = [t["taskInfo"]["name"] for t in steps_of(compiled).values()]
    assert len(set(names)) == 7
    assert all(re.fullmatch(r"[A-Z][A-Za-z ]+", name) for name in names)


@pytest.mark.parametrize("step", COMPONENT_SETTINGS)
def test_component_yaml_loads_with_every_setting(step: str) -> None:
    loaded = load_component_from_file(str(PACKAGE / step / "component.yaml"))
    assert loaded.name == step.replace("_", "-")
    inputs = loaded.component_spec.inputs.items()
    parameters = {n for n, s in inputs if "system." not in s.type and "FinalStatus" not in s.type}
    assert parameters == set(COMPONENT_SETTINGS[step].__dataclass_fields__)


def test_a_loaded_component_works_in_a_pipeline_of_ones_own(tmp_path: Path) -> None:
    scan = load_component_from_file(str(PACKAGE / "scan" / "component.yaml"))
    split = load_component_from_file(str(PACKAGE / "split" / "component.yaml"))

    @dsl.pipeline(name="mine")
    def mine(photos: str = "sample") -> None:
        split(catalog=scan(data_dir=photos).outputs["catalog"], seed=3)

    Compiler().compile(mine, str(tmp_path / "mine.yaml"))
    tasks = yaml.safe_load((tmp_path / "mine.yaml").read_text())["root"]["dag"]["tasks"]
    assert tasks["split"]["inputs"]["parameters"]["seed"] == {"runtimeValue": {"constant": 3}}


@pytest.mark.parametrize("step", COMPONENT_SETTINGS)
def test_the_example_of_each_component_compiles(step: str, tmp_path: Path) -> None:
    text = (PACKAGE / step / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, f"{step}/README.md", "exec"), names)
    (found,) = (v for v in names.values() if type(v).__name__ == "GraphComponent")
    Compiler().compile(found, str(tmp_path / "example.yaml"))
    used = yaml.safe_load((tmp_path / "example.yaml").read_text())["components"]
    assert f"comp-{step.replace('_', '-')}" in used


def test_a_pipeline_of_ones_own_names_ones_own_image_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = "registry.example/team/edgedistill-train:0.1.0-gpu"
    words = ["--variant", "pvc", "--image", image, "--namespace", "photos"]
    assert pipeline.main(["compile", *words, "--output_folder", str(tmp_path / "own")]) == 0
    files = [tmp_path / "own" / name for name in ("pipeline-pvc.yaml", "pipeline-pvc-objects.yaml")]
    assert capsys.readouterr().out.splitlines() == [str(path) for path in files]
    to_upload = next(yaml.safe_load_all(files[0].read_text(encoding="utf-8")))
    first, second = yaml.safe_load_all(files[1].read_text(encoding="utf-8"))
    for spec in (to_upload, second["spec"]["pipelineSpec"]):
        executors = spec["deploymentSpec"]["executors"].values()
        assert {executor["container"]["image"] for executor in executors} == {image}
    assert first["metadata"] == {"name": "edgedistill-pvc", "namespace": "photos"}
    assert second["metadata"]["namespace"] == "photos"


def test_another_content_is_another_version_which_kubernetes_cannot_change(tmp_path: Path) -> None:
    names = set()
    for tag in ("1", "2", "1"):
        folder = tmp_path / tag
        words = ["--image", f"x:{tag}", "--output_folder", str(folder)]
        assert pipeline.main(["compile", *words]) == 0
        _, made = yaml.safe_load_all((folder / "pipeline-objects.yaml").read_text(encoding="utf-8"))
        assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", made["metadata"]["name"])
        names.add(made["metadata"]["name"])
    assert len(names) == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--image", "x:1"], "output_folder must be given with any other flag of compile"),
        *(
            (["--image", image, "--output_folder", "o"], "image must be REGISTRY/NAME:VERSION")
            for image in (
                "x",
                "r.example:5000/x",
                "x:latest",
                "http://r.example/e:1",
                "r.example/E:1",
                "r.example/e t:1",
                "r.example/e@sha256:abc",
            )
        ),
        (["--namespace", "Bad_NS", "--output_folder", "o"], "namespace must be 1 to 63"),
        (["--variant", "nfs", "--output_folder", "o"], "variant must be one of buckets, pvc"),
        (["--scan_shards", "0", "--output_folder", "o"], "scan_shards must be a whole number"),
        (["--output_folder", "{file}/o"], "{file}/o cannot be written: Not a directory."),
    ],
)
def test_compile_refuses_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    file = tmp_path / "file"
    file.touch()
    assert pipeline.main(["compile", *(word.format(file=file) for word in words)]) == 2
    told = capsys.readouterr().err
    assert sentence.format(file=file) in told
    assert len(told.splitlines()) == 1
