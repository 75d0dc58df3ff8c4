"""Binds what KFP shows of a component, and of the pipeline, to the settings classes.

Defaults and help texts are declared in `settings.py`; here they are put where KFP reads them: on
the function object. This module defines components, so no step may import it at run time.
"""

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

from kfp import dsl

from edgedistill.declaration import DeclaredSetting, Settings, declared_settings
from edgedistill.settings import COMPONENT_SETTINGS

BASE_IMAGE = f"edgedistill-train:{version('edgedistill')}"
"""The image that every step runs in on a cluster. It holds this package, at this version."""


def component(settings: type[Settings]) -> Callable[[Callable[..., None]], Any]:
    """Makes a KFP component of a function whose keyword-only parameters are `settings`.

    Raises:
        TypeError: the parameters differ from the settings in name or type.
    """
    declared = declared_settings(settings)

    def bind(function: Callable[..., None]) -> Any:
        _refuse_other_parameters(function, declared)
        function.__kwdefaults__ = {d.name: d.default for d in declared if d.default is not None}
        function.__doc__ = describe(inspect.getdoc(function) or "", declared)
        return dsl.component(base_image=BASE_IMAGE, install_kfp_package=False)(function)

    return bind


class Parameters:
    """The pipeline's parameters inside its graph, by name."""

    def __init__(self, channels: Mapping[str, Any]):
        self._channels = channels

    def __getitem__(self, name: str) -> Any:
        return self._channels[name]

    def of(self, component: str) -> dict[str, Any]:
        """Those that a component takes, each under its own name.

        What is no parameter of a pipeline, such as the number of a shard, is left to the graph.
        """
        declared = declared_settings(COMPONENT_SETTINGS[component])
        return {d.name: self[d.name] for d in declared if d.name in self._channels}


def pipeline(
    *, name: str, display_name: str, parameters: Mapping[str, DeclaredSetting]
) -> Callable[[Callable[[Parameters], tuple[Any, ...] | None]], Any]:
    """Makes a KFP pipeline of a graph, with these parameters."""

    def bind(graph: Callable[[Parameters], tuple[Any, ...] | None]) -> Any:
        def wired(*channels: Any) -> tuple[Any, ...] | None:
            return graph(Parameters(dict(zip(parameters, channels, strict=True))))

        wired.__doc__ = describe(inspect.getdoc(graph) or "", list(parameters.values()))
        wired.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [_parameter(d) for d in parameters.values()],
            return_annotation=inspect.signature(graph).return_annotation,
        )
        return dsl.pipeline(name=name, display_name=display_name)(wired)

    return bind


def describe(docstring: str, declared: list[DeclaredSetting]) -> str:
    """The docstring with the settings in its section `Args:`, which it gets if it has none."""
    lines = "".join(f"    {d.name}: {d.help_text()}\n" for d in declared)
    head, returns, tail = docstring.partition("\n\nReturns:\n")
    if "\n\nArgs:\n" not in head:
        head += "\n\nArgs:"
    return f"{head}\n{lines}{returns and returns[1:]}{tail}"


def _parameter(declared: DeclaredSetting) -> inspect.Parameter:
    default = inspect.Parameter.empty if declared.default is None else declared.default
    return inspect.Parameter(
        declared.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=declared.type
    )


def _refuse_other_parameters(
    function: Callable[..., None], declared: list[DeclaredSetting]
) -> None:
    got = {
        p.name: p.annotation
        for p in inspect.signature(function).parameters.values()
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    }
    wanted = {d.name: d.type for d in declared}
    odd = [n for n in sorted({*got, *wanted}) if got.get(n) is not wanted.get(n)]
    if odd:
        raise TypeError(
            f"component {function.__name__} must have the keyword-only parameters of its settings;"
            f" these are missing, unknown or of another type: {', '.join(odd)}"
        )
