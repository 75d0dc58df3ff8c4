"""A component's signature is its settings class; KFP sees defaults and help texts from there."""

from dataclasses import dataclass
from typing import Any

import pytest
from kfp.dsl import Dataset, Input, Output

from edgedistill import components
from edgedistill.contract import component, describe
from edgedistill.declaration import declared_settings, setting
from edgedistill.settings import COMPONENT_SETTINGS, StepSettings


@dataclass(frozen=True, kw_only=True)
class BakeSettings(StepSettings):
    oven: int = setting(180, "How hot it is.", unit="°C", ge=50, le=300)


def test_kfp_sees_default_help_unit_and_range() -> None:
    @component(BakeSettings)
    def bake(dough: Input[Dataset], bread: Output[Dataset], *, log_level: str, oven: int) -> None:
        """Bakes.

        Args:
            dough: What was kneaded.

        Returns:
            bread: What came out.
        """

    spec = bake.component_spec
    assert spec.description == "Bakes."
    assert spec.inputs["oven"].default == 180
    assert spec.inputs["oven"].description == "How hot it is. (°C, at least 50 and at most 300)"
    assert spec.inputs["dough"].description == "What was kneaded."
    assert spec.outputs["bread"].description == "What came out."


def test_a_missing_parameter_is_refused() -> None:
    with pytest.raises(TypeError, match=r"component bake .* another type: oven$"):

        @component(BakeSettings)
        def bake(*, log_level: str) -> None: ...


def test_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(TypeError, match=r"component bake .* another type: yeast$"):

        @component(BakeSettings)
        def bake(*, log_level: str, oven: int, yeast: bool) -> None: ...


def test_a_parameter_of_another_type_is_refused() -> None:
    with pytest.raises(TypeError, match=r"component bake .* another type: oven$"):

        @component(BakeSettings)
        def bake(*, log_level: str, oven: float) -> None: ...


def test_a_docstring_without_sections_gets_one() -> None:
    docstring = describe("Bakes.", declared_settings(BakeSettings)[1:])
    assert docstring == (
        "Bakes.\n\nArgs:\n    oven: How hot it is. (°C, at least 50 and at most 300)\n"
    )


@pytest.mark.parametrize("step", COMPONENT_SETTINGS)
def test_every_component_has_the_defaults_of_its_settings(step: str) -> None:
    spec = getattr(components, step).component_spec
    wanted: dict[str, Any] = {
        d.name: d.default for d in declared_settings(COMPONENT_SETTINGS[step])
    }
    given_by_kfp = ("system.", "PipelineTaskFinalStatus")
    parameters = {n: s for n, s in spec.inputs.items() if not s.type.startswith(given_by_kfp)}
    assert {name: s.default for name, s in parameters.items()} == wanted
    assert [name for name, s in parameters.items() if s.default is None] == (
        ["data_dir"] if step in ("scan", "scan_shard") else []
    )


@pytest.mark.parametrize("step", COMPONENT_SETTINGS)
def test_every_input_and_output_is_described(step: str) -> None:
    spec = getattr(components, step).component_spec
    sockets = {**spec.inputs, **spec.outputs}
    assert [name for name, s in sockets.items() if not s.description] == []
    assert spec.description
