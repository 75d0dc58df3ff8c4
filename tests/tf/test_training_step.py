"""A step of training: its loss, and that parts of a batch do what the batch does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax

from tests.tf.tiny import N_CLASSES, colour_photos, packed, tiny_network

pytestmark = pytest.mark.slow


def _stepped(folder: Path, n_parts: int, *, frozen: bool = True) -> tuple[Any, Any, Any]:
    """A network after a step of 12 photos; the network before, in weights; what the step gave."""
    from edgedistill.tf.batches import EpochBatches, TrainingPhotos
    from edgedistill.tf.fine_tuning import freeze_normalisation
    from edgedistill.tf.optimizers import Optimizers, Schedule
    from edgedistill.tf.runtime import seed_everything
    from edgedistill.tf.training_step import TrainingStep

    seed_everything(3)
    network = tiny_network()
    network.get_layer("dropout").rate = 0.0  # drawn a part at a time
    if frozen:
        freeze_normalisation(network)
    before = network.get_weights()
    images, labels = colour_photos(12, seed=0)
    photos = TrainingPhotos(packed(folder, images), (), labels, np.array([1, 2, 4], np.float32))
    schedule = Schedule(
        stage="network", epochs=1, batch_size=12, learning_rate=0.01, weight_decay=0.0, seed=3
    )
    step = TrainingStep(network, Optimizers(network, schedule, 1))
    (batch,) = EpochBatches(photos, 12, seed=3, epoch=1)
    return network, before, step(batch, 1, n_parts)


def test_what_a_step_gives_is_the_loss_and_the_right_answers_of_the_network_before_it(
    tmp_path: Path,
) -> None:
    network, before, sums = _stepped(tmp_path / "p", 1)
    network.set_weights(before)
    images, labels = colour_photos(12, seed=0)
    logits = network(images.astype(np.float32), training=False).numpy()
    each = -log_softmax(logits.astype(float), axis=1)[np.arange(12), labels]
    weights = np.array([1, 2, 4])[labels]
    loss, hard, distilled, n_right = sums
    assert loss == pytest.approx((weights * each).sum(), rel=1e-4)
    assert (hard, distilled) == (loss, 0)
    assert n_right == (logits.argmax(axis=1) == labels).sum()


@pytest.mark.parametrize("n_parts", [2, 5])
def test_parts_of_a_batch_change_the_weights_as_the_batch_does(
    tmp_path: Path, n_parts: int
) -> None:
    whole, before, sums = _stepped(tmp_path / "whole", 1)
    parts, _, sums_of_parts = _stepped(tmp_path / "parts", n_parts)
    np.testing.assert_allclose(sums_of_parts, sums, rtol=1e-4)
    moved = np.concatenate(
        [(a - b).ravel() for a, b in zip(whole.get_weights(), before, strict=True)]
    )
    apart = np.concatenate(
        [(a - b).ravel() for a, b in zip(whole.get_weights(), parts.get_weights(), strict=True)]
    )
    # Adam's first step is as long as the rate for every weight, whatever its gradient: a wrong
    # factor shows in the signs of the smallest ones alone, a missing part in many.
    assert np.mean(np.abs(apart) > 0.1 * np.abs(moved).max()) < 0.01


def test_the_gradient_of_parts_is_that_of_their_mean(tmp_path: Path) -> None:
    from edgedistill.tf.batches import EpochBatches, TrainingPhotos
    from edgedistill.tf.fine_tuning import freeze_normalisation
    from edgedistill.tf.runtime import keras, seed_everything
    from edgedistill.tf.training_step import TrainingStep

    class PlainDescent:
        """Weights less their gradient: shows the gradient itself."""

        def __init__(self, network: Any):
            self._variables = {v.ref(): v for v in network.trainable_variables}

        def apply(self, gradient_of: dict[Any, Any]) -> None:
            for reference, gradient in gradient_of.items():
                self._variables[reference].assign_sub(gradient)

    ends = []
    for n_parts in (1, 5):
        seed_everything(3)
        network = tiny_network()
        network.get_layer("dropout").rate = 0.0
        freeze_normalisation(network)
        images, labels = colour_photos(12, seed=0)
        pixels = packed(tmp_path / str(n_parts), images)
        photos = TrainingPhotos(pixels, (), labels, np.ones(N_CLASSES, np.float32))
        step = TrainingStep(network, PlainDescent(network))  # type: ignore[arg-type]
        (batch,) = EpochBatches(photos, 12, seed=3, epoch=1)
        before = [v.numpy() for v in network.trainable_variables]
        step(batch, 1, n_parts)
        after = [v.numpy() for v in network.trainable_variables]
        ends.append(np.concatenate([(a - b).ravel() for a, b in zip(after, before, strict=True)]))
        keras.backend.clear_session()
    assert np.abs(ends[0]).max() > 1e-3
    np.testing.assert_allclose(ends[1], ends[0], rtol=2e-3, atol=1e-5 * np.abs(ends[0]).max())
