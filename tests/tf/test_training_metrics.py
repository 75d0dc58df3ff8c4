"""The figures that all three trainings share, held against scikit-learn and arithmetic."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

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
