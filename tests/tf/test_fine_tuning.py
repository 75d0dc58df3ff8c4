"""Which layers a float network's training leaves as they are."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tf.tiny import N_CLASSES, SIZE_PX, colour_photos, packed

pytestmark = pytest.mark.slow


def test_later_layers_are_those_at_a_sixteenth_of_the_side() -> None:
    from edgedistill.tf.fine_tuning import freeze_early_layers
    from edgedistill.tf.networks import build

    network = build("efficientnet_lite1", 72, 3)
    freeze_early_layers(network)
    trained = {layer.name for layer in network.layers if layer.trainable and layer.weights}
    # Lite1's stages have 1, 3, 3, 4, ... blocks; the fourth, from block 7 on, halves the side for
    # the fourth time in its depthwise convolution: 72 px become 5 (36, 18, 9, 5).
    assert "block07_depthwise_conv" in trained
    assert "block07_expand_conv" not in trained
    assert not any(name.startswith(("stem", "block00", "block06")) for name in trained)
    assert {"block19_project_conv", "head_conv", "logits"} <= trained


def test_a_quantised_network_trains_the_later_layers_that_its_float_one_does(
    tmp_path: Path,
) -> None:
    from edgedistill.tf.fine_tuning import freeze_early_layers, freeze_normalisation
    from edgedistill.tf.networks import build
    from edgedistill.tf.qat import quantise_aware
    from edgedistill.tf.trained_variables import trained_variables

    network = build("efficientnet_lite1", 72, 3)
    freeze_normalisation(network)
    images = np.random.default_rng(0).integers(0, 256, (4, 72, 72, 3), np.uint8)
    quantised = quantise_aware(
        network, packed(tmp_path / "p", images), np.arange(4), full_input_range=True
    )
    for one in (network, quantised):
        freeze_early_layers(one)
    shapes = [v.shape.as_list() for v in trained_variables(network)]
    # A wrapper names the bias of a layer before its kernel.
    assert sorted(v.shape.as_list() for v in trained_variables(quantised)) == sorted(shapes)
    # Block 7's depthwise kernel is the first: the fourth stage has 3 x 3, over 6 times 40 channels.
    assert shapes[0] == [3, 3, 240, 1]


@pytest.mark.parametrize("arch", ["efficientnet_b3", "resnet101"])
def test_of_each_teacher_some_layers_are_later_ones(arch: str) -> None:
    from edgedistill.tf.fine_tuning import freeze_early_layers
    from edgedistill.tf.networks import build, release_networks

    network = build(arch, 64, 3)
    n_all = len(network.trainable_variables)
    freeze_early_layers(network)
    assert 0 < len(network.trainable_variables) < n_all
    assert network.layers[-1].trainable
    release_networks()


def test_frozen_statistics_are_used_and_kept() -> None:
    from edgedistill.tf.fine_tuning import freeze_normalisation
    from tests.tf.tiny import tiny_network

    network = tiny_network()
    network.get_layer("dropout").rate = 0.0
    freeze_normalisation(network)
    images = np.full((4, 16, 16, 3), 200, np.float32)
    trained = network(images, training=True).numpy()
    np.testing.assert_array_equal(trained, network(images, training=False).numpy())
    mean = network.get_layer("stem_bn").get_weights()[2]
    np.testing.assert_array_equal(mean, 0)


def test_a_start_from_random_weights_learns_without_a_head_stage(tmp_path: Path) -> None:
    from edgedistill.tf.batches import TrainingPhotos
    from edgedistill.tf.fine_tuning import fine_tune
    from edgedistill.tf.inference import Validation
    from edgedistill.tf.networks import build
    from edgedistill.tf.optimizers import Schedule
    from edgedistill.tf.runtime import seed_everything

    seed_everything(1)
    images, labels = colour_photos(96, seed=0)
    large = images.repeat(2, axis=1).repeat(2, axis=2)
    pixels, val_pixels = packed(tmp_path / "train", large), packed(tmp_path / "val", large[:30])
    network = build("efficientnet_lite1", 2 * SIZE_PX, N_CLASSES)
    history = fine_tune(
        network,
        TrainingPhotos(pixels, (), labels, np.ones(N_CLASSES, np.float32)),
        Validation(val_pixels, labels[:30]),
        Schedule(
            stage="network", epochs=12, batch_size=16, learning_rate=5e-3, weight_decay=0.0, seed=1
        ),
        pretrained=None,
    )
    assert [row["stage"] for row in history] == ["network"] * 12
    losses = [row["loss"] for row in history]
    assert np.isfinite([[row["loss"], row["val_loss"]] for row in history]).all()
    # Three colours: a network that guesses has a loss of log 3.
    assert losses[-1] < 0.5 * np.log(3) < losses[0]
    assert all(v.trainable for v in network.get_layer("stem_conv").variables)
    assert network.get_layer("stem_conv").trainable


def _tuned(folder: Path, **how: Any) -> tuple[Any, list[dict[str, Any]]]:
    """A tiny network after one epoch, as if its start were pretrained."""
    from edgedistill.tf.batches import TrainingPhotos
    from edgedistill.tf.fine_tuning import Pretrained, fine_tune
    from edgedistill.tf.inference import Validation
    from edgedistill.tf.optimizers import Schedule
    from edgedistill.tf.runtime import seed_everything
    from tests.tf.tiny import tiny_network

    seed_everything(1)
    images, labels = colour_photos(48, seed=0)
    network = tiny_network()
    history = fine_tune(
        network,
        TrainingPhotos(packed(folder / "t", images), (), labels, np.ones(N_CLASSES, np.float32)),
        Validation(packed(folder / "v", images[:12]), labels[:12]),
        Schedule(
            stage="network", epochs=1, batch_size=16, learning_rate=0.01, weight_decay=0.0, seed=1
        ),
        pretrained=Pretrained(**how),
    )
    return network, history


def test_the_head_is_fitted_before_its_layers_are_trained_unless_not_wished(
    tmp_path: Path,
) -> None:
    _, fitted = _tuned(tmp_path / "fitted")
    assert [row["stage"] for row in fitted] == ["head", "network"]
    _, at_random = _tuned(tmp_path / "random", head_first=False)
    assert [row["stage"] for row in at_random] == ["network"]
    # A fitted head knows the three colours before the first step: better than to guess, log 3.
    assert fitted[1]["loss"] < np.log(N_CLASSES) < at_random[0]["loss"]


def test_batch_normalisation_is_trained_along_where_that_is_wished(tmp_path: Path) -> None:
    from tests.tf.tiny import tiny_network

    start = tiny_network().get_layer("body_bn").get_weights()  # gamma, beta, mean, variance
    kept, _ = _tuned(tmp_path / "kept")
    trained, _ = _tuned(tmp_path / "trained", batch_norm=True, head_first=False)
    for before, after in zip(start, kept.get_layer("body_bn").get_weights(), strict=True):
        np.testing.assert_array_equal(after, before)
    for before, after in zip(start, trained.get_layer("body_bn").get_weights(), strict=True):
        assert not np.allclose(after, before)
