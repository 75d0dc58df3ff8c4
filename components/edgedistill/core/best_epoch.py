"""Which epoch of a training is kept, and when it is time to end."""

from collections.abc import Mapping, Sequence
from typing import Any


def best_epoch(history: Sequence[Mapping[str, Any]]) -> int:
    """The number of the row whose weights are kept: that of the lowest validation loss.

    The loss tells more than the accuracy, which on a few hundred photos is often the same twice.
    Of equal losses the higher accuracy is kept, then the earlier row.

    Args:
        history: one row an epoch, at least one, with val_loss and val_accuracy.
    """
    return max(range(len(history)), key=lambda n: (*_merit(history[n]), -n))


def epochs_without_gain(history: Sequence[Mapping[str, Any]]) -> int:
    """How many rows came after the best."""
    return len(history) - 1 - best_epoch(history)


def _merit(row: Mapping[str, Any]) -> tuple[float, float]:
    return -float(row["val_loss"]), float(row["val_accuracy"])
