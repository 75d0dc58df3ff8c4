"""The figures that all three trainings share, held against scikit-learn and arithmetic."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

if TYPE_CHECKING:
    from edgedistill.tf.networks import HistoryRow

pytestmark = pytest.mark.slow


def test_validation_metrics_are_those_of_scikit_learn_and_of_arithmetic() -> None:
    from edgedistill.tf.training_metrics import validation_metrics

    # Confidence 0.8 everywhere, right on three of five: |0.8 - 0.6| = 0.2 in one bin.
    predicted, labels = np.array([0, 0, 1, 1, 2]), np.array([0, 0, 1, 2, 1])
    probabilities = np.where(np.eye(3)[predicted] == 1, 0.8, 0.1)
    found = validation_metrics(np.log(probabilities).astype(np.float32), labels)
    assert found == pytest.approx(
        {
            "val_accuracy": accuracy_score(labels, predicted),
            "val_macro_f1": f1_score(labels, predicted, average="macro"),
            "val_ece": 0.2,
            "val_loss": log_loss(labels, probabilities),
        },
        rel=1e-5,
    )


def _row(epoch: int, accuracy: float, loss: float, seconds: float, at_once: int) -> "HistoryRow":
    return {
        "stage": "network" if epoch else "head",
        "epoch": epoch,
        "val_accuracy": accuracy,
        "val_loss": loss,
        "images_per_s": 60 / seconds,
        "seconds": seconds,
        "photos_at_once": at_once,
    }


def test_training_metrics_are_of_the_kept_epoch_and_of_the_speed_of_all_but_the_head() -> None:
    from edgedistill.tf.training_metrics import training_metrics

    rows = [_row(0, 0.7, 0.9, 1.0, 60), _row(1, 0.9, 0.3, 2.0, 16), _row(2, 0.8, 0.4, 4.0, 8)]
    found = training_metrics(rows)
    peak_gb = found.pop("peak_memory_gb")
    assert 0.1 < peak_gb < 24  # TensorFlow alone takes some tenths
    assert found == {
        "val_accuracy": 0.9,
        "val_loss": 0.3,
        "best_epoch": 1,
        "images_per_s": 22.5,  # of 30 and 15
        "seconds_per_epoch": 3,
        "photos_at_once": 8,
    }


def test_a_head_alone_has_no_speed_of_epochs() -> None:
    from edgedistill.tf.training_metrics import training_metrics

    found = training_metrics([_row(0, 0.7, 0.9, 1.0, 60)])
    assert sorted(found) == ["best_epoch", "peak_memory_gb", "val_accuracy", "val_loss"]
    assert found["best_epoch"] == 0
