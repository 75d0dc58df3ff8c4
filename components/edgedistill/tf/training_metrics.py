"""What a training's history and its network's answers say in a few figures."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.best_epoch import best_epoch
from edgedistill.core.probabilities import softmax
from edgedistill.core.reliability import expected_calibration_error
from edgedistill.machine import peak_memory_bytes
from edgedistill.tf.inference import judge
from edgedistill.tf.networks import HistoryRow


def validation_metrics(
    logits: NDArray[np.floating], label_indices: NDArray[np.int64]
) -> dict[str, float]:
    """What answers to the validation photos are worth, under the names that all trainings share.

    Args:
        logits: shape (n, n_classes).
        label_indices: shape (n,).

    Returns:
        val_accuracy, val_macro_f1 and val_ece, in [0, 1]; val_loss, the mean cross entropy.
    """
    # At the end of a training, where it delays nothing: it takes sklearn.metrics along.
    from edgedistill.core.metrics import classification_scores

    predicted = logits.argmax(axis=1)
    scores = classification_scores(label_indices, predicted, logits.shape[1])
    confidence = softmax(logits).max(axis=1)
    return {
        **judge(logits, label_indices),
        "val_macro_f1": scores.macro_f1,
        "val_ece": expected_calibration_error(confidence, predicted == label_indices),
    }


def training_metrics(history: Sequence[HistoryRow]) -> dict[str, float]:
    """Figures for KFP's metrics.

    Returns:
        val_accuracy and val_loss of the kept epoch; best_epoch, its number (0: the head alone);
        images_per_s and seconds_per_epoch, means over the epochs, and photos_at_once, the fewest
        that memory held in one, where there was one; peak_memory_gb of this process so far.
    """
    best = history[best_epoch(history)]
    figures = {
        "val_accuracy": float(best["val_accuracy"]),
        "val_loss": float(best["val_loss"]),
        "best_epoch": 0.0 if best["stage"] == "head" else float(best["epoch"]),
    }
    return {**figures, **training_speed(history)}


def training_speed(history: Sequence[HistoryRow]) -> dict[str, float]:
    """The figures of `training_metrics` that say nothing of what was learned."""
    figures = {"peak_memory_gb": peak_memory_bytes() / 1e9}
    epochs = [row for row in history if row["stage"] != "head"]
    if epochs:
        figures["images_per_s"] = float(np.mean([row["images_per_s"] for row in epochs]))
        figures["seconds_per_epoch"] = float(np.mean([row["seconds"] for row in epochs]))
        figures["photos_at_once"] = float(min(row["photos_at_once"] for row in epochs))
    return figures
