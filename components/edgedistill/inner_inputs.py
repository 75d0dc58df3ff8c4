"""Mends what KFP's compiler leaves out of graphs inside a pipeline, such as an exit handler's.

A task's resources that are parameters of the pipeline become inputs of the task; the graph that the
task lies in is not told of them (kfp 2.17.0), and so no runner finds their values.
"""

from typing import Any


def declare_inner_inputs(spec: Any) -> None:
    """Makes every parameter that a task takes from its graph an input of that graph.

    Args:
        spec: a pipeline's `PipelineSpec`, changed in place.

    Raises:
        ValueError: the pipeline itself has no such parameter.
    """
    for name, task in spec.root.dag.tasks.items():
        _declare(spec, spec.root, name, task)


def _declare(spec: Any, outer: Any, name: str, task: Any) -> None:
    graph = spec.components[task.component_ref.name]
    if not graph.HasField("dag"):
        return
    for inner_name, inner in graph.dag.tasks.items():
        _declare(spec, graph, inner_name, inner)
    for inner in graph.dag.tasks.values():
        for taken in inner.inputs.parameters.values():
            channel = taken.component_input_parameter
            if channel and channel not in graph.input_definitions.parameters:
                source = _source(outer, channel, name)
                declared = outer.input_definitions.parameters[source]
                graph.input_definitions.parameters[channel].parameter_type = declared.parameter_type
                task.inputs.parameters[channel].component_input_parameter = source


def _source(outer: Any, channel: str, name: str) -> str:
    """What the graph around calls a channel: by its own name, the pipeline without a prefix."""
    known = outer.input_definitions.parameters
    for source in (channel, channel.removeprefix("pipelinechannel--")):
        if source in known:
            return source
    raise ValueError(f"nothing gives {channel} to {name}")
