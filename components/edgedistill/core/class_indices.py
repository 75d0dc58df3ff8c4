"""Indices of classes: the true one and the predicted one of each photo."""

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.integer]


def check_indices(label_indices: Indices, predicted_indices: Indices, n_classes: int) -> None:
    """Raises ValueError unless both have shape (n,), n > 0, and lie in [0, n_classes)."""
    if label_indices.shape != predicted_indices.shape or label_indices.ndim != 1:
        raise ValueError(
            f"shapes must be (n,) and equal; got {label_indices.shape}, {predicted_indices.shape}"
        )
    if len(label_indices) == 0:
        raise ValueError("there must be at least one photo")
    for indices in (label_indices, predicted_indices):
        if indices.min() < 0 or indices.max() >= n_classes:
            raise ValueError(
                f"classes must be in [0, {n_classes}); got {indices.min()} to {indices.max()}"
            )
