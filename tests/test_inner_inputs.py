"""Graphs inside a pipeline, as KFP compiles them, run and cut down for this machine."""

import io
import time
from pathlib import Path
from typing import Any

import pytest
from kfp import components, dsl
from kfp.compiler import Compiler
from kfp.dsl import Dataset, Output, PipelineTaskFinalStatus

from edgedistill.console import Console
from edgedistill.inner_inputs import declare_inner_inputs
from edgedistill.local_graph import Source, for_this_machine
from edgedistill.local_run import run_pipeline
from edgedistill.runs import FinishedRun
from edgedistill.steps import StepFailedError
from tests.toy_pipeline import finish, make, misbehave


@dsl.component(base_image="toy:1", install_kfp_package=False)
def tell(status: PipelineTaskFinalStatus, told: Output[Dataset]) -> None:
    raise RuntimeError("an exit task asks a cluster, and must not run here")


@dsl.pipeline(name="inside")
def inside(text: str, how: str = "well", cpu: str = "2") -> None:
    with dsl.ExitHandler(tell()):
        first = make(text=text).set_cpu_limit(cpu)
        second = misbehave(made=first.outputs["made"], how=how)
        second.set_retry(3, backoff_duration="60s").set_cpu_limit(cpu).set_env_variable("A", "1")
        finish(kept=second.outputs["kept"])


SOURCES = {"made": Source("make", "made"), "done": Source("finish", "done")}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("compiled") / "inside.yaml"
    Compiler().compile(inside, str(path))
    return components.load_component_from_file(str(path))


def run(compiled: Any, work: Path, how: str = "well") -> tuple[FinishedRun, str]:
    shown = io.StringIO()
    finished = run_pipeline(
        compiled, {"text": "photo", "how": how}, work_dir=work, console=Console(shown),
        step_keys={}, sources=SOURCES,
    )  # fmt: skip
    return finished, shown.getvalue()


def test_steps_inside_an_exit_handler_run_in_order_and_its_exit_task_does_not(
    compiled: Any, tmp_path: Path
) -> None:
    finished, shown = run(compiled, tmp_path / "work")
    assert [line for line in shown.splitlines() if line.startswith("[")] == [
        "[1/3] make", "[2/3] misbehave", "[3/3] finish",
    ]  # fmt: skip
    assert finished.artifacts["done"].read_text() == "PHOTO"
    assert (finished.artifacts["made"] / "text.txt").read_text() == "photo"
    again, _ = run(compiled, tmp_path / "work")
    assert [step.reused for step in again.steps] == [True, True, True]
    assert again.artifacts == finished.artifacts


def test_a_retry_of_a_cluster_is_no_wait_here(compiled: Any, tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(StepFailedError, match=r"^misbehave failed: class 'cup' has 2 images"):
        run(compiled, tmp_path / "work", how="refuse")
    assert time.monotonic() - start < 55  # the first retry would wait for 60 s


def test_no_retry_is_left_in_what_runs_here(compiled: Any) -> None:
    def retries(spec: Any) -> int:
        tasks = spec.components["comp-exit-handler-1"].dag.tasks
        return int(tasks["misbehave"].retry_policy.max_retry_count)

    assert retries(compiled.pipeline_spec) == 3
    assert retries(for_this_machine(compiled.pipeline_spec, {})) == 0


def test_a_variable_of_the_compiled_file_stays_beside_the_key(compiled: Any) -> None:
    fitted = for_this_machine(compiled.pipeline_spec, {"misbehave": "key"})
    container = fitted.deployment_spec["executors"]["exec-misbehave"]["container"]
    assert [dict(v) for v in container["env"]] == [
        {"name": "A", "value": "1"},
        {"name": "EDGEDISTILL_REUSE_KEY", "value": "key"},
    ]


def test_kfp_leaves_out_what_is_mended_and_only_that(compiled: Any) -> None:
    spec = type(compiled.pipeline_spec)()
    spec.CopyFrom(compiled.pipeline_spec)
    handler, task = spec.components["comp-exit-handler-1"], spec.root.dag.tasks["exit-handler-1"]
    before = set(handler.input_definitions.parameters)
    assert before == {"pipelinechannel--text", "pipelinechannel--how"}
    declare_inner_inputs(spec)
    added = set(handler.input_definitions.parameters) - before
    assert added == {"pipelinechannel--cpu"}
    assert task.inputs.parameters["pipelinechannel--cpu"].component_input_parameter == "cpu"
    # STRING is 3 in KFP's enumeration of types.
    assert handler.input_definitions.parameters["pipelinechannel--cpu"].parameter_type == 3
    once = spec.SerializeToString(deterministic=True)
    declare_inner_inputs(spec)
    assert spec.SerializeToString(deterministic=True) == once


def test_a_parameter_that_nobody_gives_is_named(compiled: Any) -> None:
    spec = type(compiled.pipeline_spec)()
    spec.CopyFrom(compiled.pipeline_spec)
    del spec.root.input_definitions.parameters["cpu"]
    with pytest.raises(ValueError, match="nothing gives pipelinechannel--cpu to exit-handler-1"):
        declare_inner_inputs(spec)


@pytest.mark.parametrize("variant", ["buckets", "pvc"])
def test_every_parameter_of_a_task_of_ours_is_one_of_its_graph(variant: str) -> None:
    from edgedistill.graph import build

    spec = build(variant).pipeline_spec
    handler = spec.components["comp-exit-handler-1"]
    taken = {
        p.component_input_parameter
        for task in handler.dag.tasks.values()
        for p in task.inputs.parameters.values()
    }
    assert {"pipelinechannel--cpu", "pipelinechannel--gpu_count"} <= taken
    assert taken - {""} <= set(handler.input_definitions.parameters)
    assert set(handler.input_definitions.parameters) == set(
        spec.root.dag.tasks["exit-handler-1"].inputs.parameters
    )
