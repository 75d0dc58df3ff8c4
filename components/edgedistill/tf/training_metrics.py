"""What a training's history says in a few figures."""

from collections.abc import Sequence

import numpy as np

from edgedistill.core.best_epoch import best_epoch
from edgedistill.machine import peak_memory_bytes
from edgedistill.tf.networks import HistoryRow


def training_metrics(history: Sequence[HistoryRow]) -> dict[str, float]:
    """Figures for KFP's metrics.

    Returns:
        val_accuracy and val_loss of the kept epoch; best_epoch, its number (0: the head alone);
        images_per_s and seconds_per_epoch, means over the epochs, and photos_at_once, where there
        was one; peak_memory_gb of this process so far.
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
        figures["photos_at_once"] = float(epochs[-1]["photos_at_once"])
    return figures
