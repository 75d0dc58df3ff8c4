"""Weights of classes: what lets each count alike in the loss, however few photos it has."""

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.class_indices import Indices, check_indices


def class_weights(label_indices: Indices, n_classes: int) -> NDArray[np.float64]:
    """Weights that let each class count alike: n / (n_classes * photos of the class).

    Args:
        label_indices: shape (n,), the classes of the photos to train on.
        n_classes: number of classes, each with at least one photo.

    Returns:
        Shape (n_classes,); the mean over the photos is 1, so that the loss keeps its size.

    Raises:
        ValueError: a class has no photo, or an index is not in [0, n_classes).
    """
    check_indices(label_indices, label_indices, n_classes)
    counts = np.bincount(label_indices, minlength=n_classes)
    if (counts == 0).any():
        raise ValueError(f"class {int(counts.argmin())} has no photo")
    weights: NDArray[np.float64] = len(label_indices) / (n_classes * counts)
    return weights
