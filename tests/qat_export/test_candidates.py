"""What a fine-tuning may train, and where it can be done."""

from pathlib import Path

import pytest

from edgedistill.errors import ArtifactError, SettingError
from edgedistill.settings import QatExportSettings

pytestmark = pytest.mark.slow


def _begin(folder: Path, settings: QatExportSettings) -> None:
    """Begins the step where none of its inputs is there."""
    from edgedistill.qat_export.step import export_int8

    train, val, student, teacher, tflite, report = (
        str(folder / name) for name in ("train", "val", "student", "teacher", "tflite", "report")
    )
    export_int8(train, val, student, teacher, tflite, report, settings)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow names one; no more of it is asked for."""
    from edgedistill.tf.runtime import tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["a GPU"])
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda devices, kind: None)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind=None: ["a GPU"])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {})


@pytest.mark.usefixtures("gpu")
def test_fine_tuning_on_a_gpu_without_xla_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="xla must be auto or on for quantisation-aware"):
        _begin(tmp_path, QatExportSettings(xla="off"))


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(("xla", "qat"), [("auto", True), ("on", True), ("off", False)])
def test_on_a_gpu_xla_or_no_training_goes_on(tmp_path: Path, xla: str, qat: bool) -> None:
    with pytest.raises(ArtifactError, match="is missing"):  # the inputs, which come next
        _begin(tmp_path, QatExportSettings(xla=xla, qat=qat))


def test_without_a_gpu_xla_may_be_off(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="is missing"):
        _begin(tmp_path, QatExportSettings(xla="off"))


@pytest.mark.parametrize(
    ("start", "trained_layers", "trains_early"),
    [
        ("imagenet", "later", False),
        ("mine.h5", "later", False),
        ("none", "later", True),
        ("imagenet", "all", True),
        ("none", "all", True),
    ],
)
def test_early_layers_wait_where_the_students_own_training_left_them(
    start: str, trained_layers: str, trains_early: bool
) -> None:
    from edgedistill.qat_export.candidates import freeze_as_trained
    from tests.tf.tiny import tiny_network

    network = tiny_network(size_px=32)  # 16 px after its stem; later are those at 2
    freeze_as_trained(network, start, QatExportSettings(trained_layers=trained_layers))
    assert network.get_layer("stem_conv").trainable == trains_early
    assert network.get_layer("logits").trainable
