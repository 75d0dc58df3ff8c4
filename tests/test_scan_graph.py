"""The graph of a scan in shards: compiled, and run here against the graph of one scan."""

import io
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from kfp import dsl
from kfp.compiler import Compiler
from kfp.dsl import HTML, Dataset

from edgedistill.cluster_parameters import CLUSTER_VARIANTS
from edgedistill.components import split
from edgedistill.console import Console
from edgedistill.contract import Parameters, pipeline
from edgedistill.graph import build
from edgedistill.local_run import run_pipeline
from edgedistill.presets import resolve
from edgedistill.runs import FinishedRun
from edgedistill.scan_graph import scan_collection, scan_in_shards
from edgedistill.settings import all_settings
from tests.merge_shards.scanned import SIZES, files, rich_collection
from tests.test_compile import SPEC_CHECK, spec_check

N_SHARDS = 3


class Whole(NamedTuple):
    catalog: Dataset
    report: HTML
    train: Dataset
    test: Dataset


class Sharded(NamedTuple):
    shards: list[Dataset]
    catalog: Dataset
    report: HTML
    train: Dataset
    test: Dataset


def scanned_and_split(given: Parameters, scanned: Any) -> tuple[Any, ...]:
    catalog = scanned.outputs["catalog"]
    parts = split(catalog=catalog, **given.of("split")).outputs
    return catalog, scanned.outputs["report"], parts["train"], parts["test"]


def here(_step: str, task: Any) -> Any:
    return task


@pipeline(name="one-scan", display_name="One scan", parameters=all_settings())
def one_scan(given: Parameters) -> Whole:
    """Scans in one step, and splits."""
    return Whole(*scanned_and_split(given, scan_collection(given, here, 1)))


@pipeline(name="three-shards", display_name="Three shards", parameters=all_settings())
def three_shards(given: Parameters) -> Sharded:
    """Scans in three shards, and splits."""
    packing, merging = scan_in_shards(given, here, N_SHARDS)
    shards = dsl.Collected(packing.outputs["shard"])
    return Sharded(shards, *scanned_and_split(given, merging))


def run(graph: Any, data: Path, work: Path) -> tuple[FinishedRun, str]:
    shown = io.StringIO()
    settings = resolve({"data_dir": str(data), **SIZES})
    finished = run_pipeline(
        graph, settings, work_dir=work, console=Console(shown), step_keys={},
        without_effect={"log_level"},
    )  # fmt: skip
    return finished, shown.getvalue()


def test_three_shards_run_here_to_the_files_of_one_scan_and_of_its_split(tmp_path: Path) -> None:
    data = rich_collection(tmp_path)
    whole, _ = run(one_scan, data, tmp_path / "whole.work")
    sharded, shown = run(three_shards, data, tmp_path / "sharded.work")
    assert [step.name for step in sharded.steps] == [
        "scan_shard 1 of 3", "scan_shard 2 of 3", "scan_shard 3 of 3", "merge_shards", "split",
    ]  # fmt: skip
    assert "[4/5] merge_shards\n" in shown
    for name in ("catalog", "train", "test"):
        assert files(sharded.artifacts[name]) == files(whole.artifacts[name])
    assert sharded.artifacts["report"].read_bytes() == whole.artifacts["report"].read_bytes()
    again, _ = run(three_shards, data, tmp_path / "sharded.work")
    assert all(step.reused for step in again.steps)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compiled") / "three-shards.yaml"
    Compiler().compile(three_shards, str(path))
    return path


def test_every_parameter_is_fed_by_the_pipelines_but_for_the_shard_and_their_number(
    compiled: Path,
) -> None:
    document = yaml.safe_load(compiled.read_text(encoding="utf-8"))
    tasks = document["root"]["dag"]["tasks"]
    (loop,) = (name for name in tasks if name.startswith("for-loop"))
    assert tasks[loop]["parameterIterator"]["items"]["raw"] == "[0, 1, 2]"
    inner = document["components"][f"comp-{loop}"]["dag"]["tasks"]["scan-shard"]
    fed = inner["inputs"]["parameters"]
    assert fed.pop("scan_shards") == {"runtimeValue": {"constant": 3.0}}
    assert "loop-item" in fed.pop("shard_index")["componentInputParameter"]
    assert fed == {n: {"componentInputParameter": f"pipelinechannel--{n}"} for n in fed}
    passed = tasks[loop]["inputs"]["parameters"]
    assert passed == {f"pipelinechannel--{name}": {"componentInputParameter": name} for name in fed}
    merging = tasks["merge-shards"]
    assert merging["inputs"]["artifacts"]["shards"]["taskOutputArtifact"]["producerTask"] == loop
    assert inner["taskInfo"]["name"] == "Photos of a shard"
    assert merging["taskInfo"]["name"] == "Photos"


@pytest.mark.skipif(not SPEC_CHECK.is_file(), reason="the check of KFP's server is not at hand")
def test_the_server_would_accept_it(compiled: Path) -> None:
    assert list(spec_check().faults(str(compiled))) == []


@pytest.mark.parametrize("variant", CLUSTER_VARIANTS)
def test_on_a_cluster_each_shard_is_a_pod_as_scan_is_and_the_merging_reads_no_bucket(
    variant: str, tmp_path: Path
) -> None:
    places = [tmp_path / "one.yaml", tmp_path / "sharded.yaml"]
    for path, scan_shards in zip(places, (1, N_SHARDS), strict=True):
        Compiler().compile(build(variant, scan_shards=scan_shards), str(path))
    one, sharded = (list(yaml.safe_load_all(path.read_text(encoding="utf-8"))) for path in places)
    pods = [
        document[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        for document in (one, sharded)
    ]
    assert pods[1].keys() - pods[0].keys() == {"exec-scan-shard", "exec-merge-shards"}
    assert pods[0].keys() - pods[1].keys() == {"exec-scan"}
    packing, scanning = dict(pods[1]["exec-scan-shard"]), dict(pods[0]["exec-scan"])
    labels = packing.pop("podMetadata")["labels"]
    assert labels == {
        "app.kubernetes.io/part-of": "edgedistill", "app.kubernetes.io/component": "scan-shard",
    }  # fmt: skip
    del scanning["podMetadata"]
    # KFP hands a loop the parameters of its pipeline under names of its own.
    assert without_names(packing) == without_names(scanning)
    assert not {"pvcMount", "secretAsEnv", "secretAsVolume"} & pods[1]["exec-merge-shards"].keys()
    (shards,) = (
        task["inputs"]["artifacts"]["shards"]
        for component in sharded[0]["components"].values()
        for name, task in component.get("dag", {}).get("tasks", {}).items()
        if name == "merge-shards"
    )
    assert shards["taskOutputArtifact"]["producerTask"].startswith("for-loop")
    if SPEC_CHECK.is_file():
        assert list(spec_check().faults(str(places[1]))) == []


def without_names(pod: Any) -> Any:
    """The same without the names of the parameters that it is told by."""
    if isinstance(pod, dict):
        return {k: without_names(v) for k, v in pod.items() if k != "componentInputParameter"}
    return [without_names(v) for v in pod] if isinstance(pod, list) else pod
