"""What a fine-tuning may train."""

import pytest

from edgedistill.settings import QatExportSettings

pytestmark = pytest.mark.slow


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
