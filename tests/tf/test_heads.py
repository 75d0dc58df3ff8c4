"""The head's row of history: its losses are those that epochs have."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_softmax

from tests.tf.tiny import colour_photos, packed, tiny_network

pytestmark = pytest.mark.slow


def test_the_heads_loss_is_weighted_and_smoothed_as_that_of_epochs(tmp_path: Path) -> None:
    from edgedistill.tf.batches import TrainingPhotos
    from edgedistill.tf.heads import train_head
    from edgedistill.tf.inference import Validation

    network = tiny_network()
    images, labels = colour_photos(24, seed=0)
    class_weights, smoothing = np.array([1, 2, 4]), 0.2
    photos = TrainingPhotos(
        packed(tmp_path / "train", images), (), labels, class_weights.astype(np.float32), smoothing
    )
    row = train_head(network, photos, Validation(photos.pixels, labels), seed=1)
    answers = log_softmax(network(images.astype(np.float32), training=False).numpy(), axis=1)
    # A fifth of each label is spread over three classes.
    targets = 0.8 * np.eye(3)[labels] + 0.2 / 3
    expected = np.mean(class_weights[labels] * -(targets * answers).sum(axis=1))
    assert row["hard_loss"] == row["loss"] == pytest.approx(expected, rel=1e-4)
    # The validation loss is neither weighted nor smoothed.
    plain = np.mean(-answers[np.arange(24), labels])
    assert row["val_loss"] == pytest.approx(plain, rel=1e-4)
