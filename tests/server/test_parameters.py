"""From words to values: each type, each refusal, and nothing left unsaid."""

from pathlib import Path
from typing import Any

import pytest

from edgedistill.errors import SettingError
from edgedistill.server.compiled import CompiledPipeline, Parameter
from edgedistill.server.parameters import every_parameter

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def declared(compiled_file: Path) -> dict[str, Parameter]:
    return CompiledPipeline.read(compiled_file).parameters


def test_every_parameter_has_a_value_of_its_type(declared: dict[str, Parameter]) -> None:
    values = every_parameter(declared, {"data_dir": "gs://b/photos", "qat": "FALSE"}, ())
    assert values == {
        "affinity": {}, "cpu": "4", "data_dir": "gs://b/photos", "lr_qat": 0.0001, "qat": False,
        "seed": 42, "tolerations": [],
    }  # fmt: skip
    # YAML has 42.0, which a reader of a run would take for another seed.
    assert type(values["seed"]) is int
    assert type(values["lr_qat"]) is float


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("seed", "7", 7), ("lr_qat", "1", 1.0), ("lr_qat", "1e-5", 1e-5), ("qat", "true", True),
     ("cpu", "8", "8"), ("affinity", '{"nodeAffinity": {}}', {"nodeAffinity": {}}),
     ("tolerations", '[{"key": "gpu"}]', [{"key": "gpu"}]), ("steps_free", "3", 3)],
)  # fmt: skip
def test_texts_become_values_of_the_declared_type(
    name: str, text: str, value: Any, declared: dict[str, Parameter]
) -> None:
    got = every_parameter(declared, {"data_dir": "sample", name: text}, ())[name]
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [("seed", "7.5", "seed must be a whole number"),
     ("seed", "-1", "seed must be a whole number at least 0 and at most 2147483647; got -1."),
     ("lr_qat", "2", "lr_qat must be a number greater than 0 and at most 1; got 2.0."),
     ("lr_qat", "nan", "lr_qat must be"),
     ("qat", "yes", "qat must be true or false; got yes."),
     ("affinity", "[]", "affinity must be a JSON object"),
     ("affinity", "gpu", "affinity must be a JSON object"),
     ("tolerations", "{}", "tolerations must be a JSON list"),
     ("steps_free", "many", "steps_free must be a whole number; got many."),
     ("steps_free", "1.5", "steps_free must be a whole number; got 1.5."),
     ("steps_free", "NaN", "steps_free must be a whole number; got NaN."),
     ("data_dir", "photos", "data_dir must be in a bucket"),
     ("data_dir", "./photos", "data_dir must be in a bucket"),
     ("data_dirr", "x", "--data_dirr is not a setting; did you mean --data_dir?"),
     ("experimentt", "x", "--experimentt is not a setting; did you mean --experiment?"),
     ("epochs_qat", "1", "--epochs_qat is not a setting")],
)  # fmt: skip
def test_what_is_no_value_is_refused_by_name(
    name: str, text: str, says: str, declared: dict[str, Parameter]
) -> None:
    with pytest.raises(SettingError) as refused:
        every_parameter(declared, {"data_dir": "sample", name: text}, ("experiment",))
    assert says in str(refused.value)


@pytest.mark.parametrize("place", ["gs://b/p", "s3://b/p", "/data/photos", "sample"])
def test_places_that_a_pod_can_reach_are_taken(place: str, declared: dict[str, Parameter]) -> None:
    assert every_parameter(declared, {"data_dir": place}, ())["data_dir"] == place


def test_what_has_no_default_must_be_given(declared: dict[str, Parameter]) -> None:
    with pytest.raises(SettingError, match="data_dir must be given: add --data_dir VALUE"):
        every_parameter(declared, {"seed": "1"}, ())


def test_settings_that_must_fit_each_other_are_checked_together() -> None:
    declared = CompiledPipeline.read(REPOSITORY / "manifests" / "pipeline.yaml").parameters
    with pytest.raises(SettingError, match="must add up to 1"):
        every_parameter(declared, {"data_dir": "gs://b/p", "train_frac": "0.5"}, ())


def test_our_own_pipeline_gets_every_one_of_its_parameters() -> None:
    declared = CompiledPipeline.read(REPOSITORY / "manifests" / "pipeline.yaml").parameters
    values = every_parameter(declared, {"data_dir": "gs://b/p"}, ())
    assert values.keys() == declared.keys()
