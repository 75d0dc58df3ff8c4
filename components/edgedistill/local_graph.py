"""A pipeline's graph as it runs on this machine: which steps, in which order, and where they write.

What is read here is KFP's specification, of a pipeline that is built here or of a compiled file.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from kfp.local import graph_utils

from edgedistill.inner_inputs import declare_inner_inputs

_KEY_VARIABLE = "EDGEDISTILL_REUSE_KEY"
ROUND = "-iteration-"
"""How KFP names the folder of each round of a loop, with its number behind."""


class Source(NamedTuple):
    """Where an output of a pipeline comes from: a step, and what that calls it."""

    step: str
    output: str


def for_this_machine(spec: Any, step_keys: Mapping[str, str]) -> Any:
    """A copy of the pipeline in which each step's key is part of what KFP's cache compares.

    Retries are left out, as KFP obeys them here, waiting included, and so are exit tasks.
    """
    fitted = type(spec)()
    fitted.CopyFrom(spec)
    declare_inner_inputs(fitted)
    components = fitted.components
    for dag in (fitted.root.dag, *(c.dag for c in components.values() if c.HasField("dag"))):
        for name, task in list(dag.tasks.items()):
            task.ClearField("retry_policy")
            if any(p.HasField("task_final_status") for p in task.inputs.parameters.values()):
                del dag.tasks[name]
    for component in components.values():
        if component.HasField("dag"):
            continue
        container = fitted.deployment_spec["executors"][component.executor_label]["container"]
        step = _step_name(component.executor_label.removeprefix("exec-"))
        key = {"name": _KEY_VARIABLE, "value": step_keys.get(step, "")}
        container["env"] = [*(dict(v) for v in container.get_or_create_list("env")), key]
    return fitted


def planned_steps(
    spec: Any, tasks: Any, folder: str = "", suffix: str = ""
) -> Iterator[tuple[str, str]]:
    """Each step of a graph in the order of running: its place in a run's folder, and its name.

    Steps of a graph inside come in line. The rounds of a loop over a fixed list are steps of
    their own, told apart by their number.
    """
    for task_name in reversed(graph_utils.topological_sort_tasks(tasks)):
        task = tasks[task_name]
        component = spec.components[task.component_ref.name]
        if not component.HasField("dag"):
            place = f"{folder}{task.component_ref.name.removeprefix('comp-')}"
            yield place, f"{_step_name(task_name)}{suffix}"
        elif not task.HasField("parameter_iterator"):
            yield from planned_steps(spec, component.dag.tasks, folder, suffix)
        else:
            rounds = json.loads(task.parameter_iterator.items.raw)
            for number in range(len(rounds)):
                inner = f"{folder}{task_name}{ROUND}{number}/"
                told = f"{suffix} {number + 1} of {len(rounds)}"
                yield from planned_steps(spec, component.dag.tasks, inner, told)


def sources_of(spec: Any) -> dict[str, Source]:
    """Where the outputs of a pipeline come from, by name; not those of loops, which are lists."""
    found = {}
    for name, output in spec.root.dag.outputs.artifacts.items():
        (selector,) = output.artifact_selectors
        task = spec.root.dag.tasks[selector.producer_subtask]
        if not spec.components[task.component_ref.name].HasField("dag"):
            step = _step_name(selector.producer_subtask)
            found[name] = Source(step, selector.output_artifact_key)
    return found


def _step_name(task_name: str) -> str:
    return task_name.replace("-", "_")
