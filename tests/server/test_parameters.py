"""From words to values: each type, each refusal, and nothing left unsaid."""

from pathlib import Path
from typing import Any

import pytest

from edgedistill.cluster_parameters import CLUSTER_VARIANTS
from edgedistill.errors import SettingError
from edgedistill.server.compiled import CompiledPipeline
from edgedistill.server.parameters import every_parameter

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def small(compiled_file: Path) -> CompiledPipeline:
    return CompiledPipeline.read(compiled_file)


@pytest.fixture(scope="module")
def buckets() -> CompiledPipeline:
    return CompiledPipeline.read(REPOSITORY / "manifests" / "pipeline.yaml")


@pytest.fixture(scope="module")
def claims() -> CompiledPipeline:
    return CompiledPipeline.read(REPOSITORY / "manifests" / "pipeline-pvc.yaml")


def test_every_parameter_has_a_value_of_its_type(small: CompiledPipeline) -> None:
    values = every_parameter(small, {"data_dir": "gs://b/photos", "qat": "FALSE"}, ())
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
    name: str, text: str, value: Any, small: CompiledPipeline
) -> None:
    got = every_parameter(small, {"data_dir": "sample", name: text}, ())[name]
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
    name: str, text: str, says: str, small: CompiledPipeline
) -> None:
    with pytest.raises(SettingError) as refused:
        every_parameter(small, {"data_dir": "sample", name: text}, ("experiment",))
    assert says in str(refused.value)


@pytest.mark.parametrize("place", ["gs://b/p", "s3://b/p", "sample"])
def test_places_that_a_pod_can_reach_are_taken(place: str, small: CompiledPipeline) -> None:
    assert every_parameter(small, {"data_dir": place}, ())["data_dir"] == place


def test_what_has_no_default_must_be_given(small: CompiledPipeline) -> None:
    with pytest.raises(SettingError, match="data_dir must be given: add --data_dir VALUE"):
        every_parameter(small, {"seed": "1"}, ())


def test_a_path_is_taken_only_by_a_pipeline_that_mounts_volumes(
    buckets: CompiledPipeline, claims: CompiledPipeline
) -> None:
    assert every_parameter(claims, {"data_dir": "/data/a"}, ())["data_dir"] == "/data/a"
    for name in ("data_dir", "checkpoint_uri"):
        with pytest.raises(SettingError) as refused:
            every_parameter(buckets, {"data_dir": "gs://b/p", name: "/data/a"}, ())
        assert str(refused.value) == (
            f"{name} /data/a: this pipeline mounts no volume; take pipeline-pvc.yaml, or a place "
            "in a bucket (gs://, s3://)."
        )


# What Kubernetes' own documentation calls right and wrong: quantities, names, labels.
@pytest.mark.parametrize(
    ("name", "taken", "refused"),
    [("memory", ["16Gi", "1.5Gi", "500M", "64000000000"], ["16gigs", "16GB", "0", "-1Gi", ""]),
     ("cpu", ["4", "0.5", "500m"], ["lots", "0", "4 cores", "-1"]),
     ("gpu_type", ["nvidia.com/gpu", "nvidia.com/mig-1g.5gb"], ["nvidia gpu", "gpu", "a.b/"]),
     ("gpu_count", ["0", "1", "8"], ["auto", "01", "-1", "1.5", ""]),
     ("node_selector", ['{"disk": "ssd"}', '{"a": ""}', "{}"],
      ['{"a": 1}', '{"a": "b c"}', "[]", "ssd"]),
     ("tolerations", ["[]", '[{"key": "gpu"}]'], ["{}", "gpu"]),
     ("checkpoint_claim", ["foo-bar", "a.b"], ["Foo_Bar", "-a", "a.", ""]),
     ("data_claim", ["photos"], ["my photos"]),
     ("bucket_secret", ["s3-keys"], ["S3"]),
     ("pull_secret", ["registry"], ["registry/x"])],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_kubernetes_must_refuse_is_refused_before_it_is_sent(
    name: str, taken: list[str], refused: list[str], claims: CompiledPipeline
) -> None:
    for text in taken:
        every_parameter(claims, {name: text}, ())
    for text in refused:
        with pytest.raises(SettingError, match=f"^{name} must be "):
            every_parameter(claims, {name: text}, ())


def test_a_refusal_shows_what_would_be_right(claims: CompiledPipeline) -> None:
    for name, text, says in (
        ("tolerations", "gpu", """'[{"key": "nvidia.com/gpu", "operator": "Exists"}]'; got gpu."""),
        ("gpu_count", "auto", "gpu_count must be a whole number on a cluster; got auto."),
    ):
        with pytest.raises(SettingError) as refused:
            every_parameter(claims, {name: text}, ())
        assert says in str(refused.value)


def test_every_default_is_a_value_that_is_taken() -> None:
    for variant in CLUSTER_VARIANTS.values():
        for declared in variant.parameters().values():
            if declared.default is not None:
                declared.check(declared.default)


def test_settings_that_must_fit_each_other_are_checked_together(
    buckets: CompiledPipeline,
) -> None:
    with pytest.raises(SettingError, match="must add up to 1"):
        every_parameter(buckets, {"data_dir": "gs://b/p", "train_frac": "0.5"}, ())


def test_our_own_pipeline_gets_every_one_of_its_parameters(buckets: CompiledPipeline) -> None:
    values = every_parameter(buckets, {"data_dir": "gs://b/p"}, ())
    assert values.keys() == buckets.parameters.keys()
