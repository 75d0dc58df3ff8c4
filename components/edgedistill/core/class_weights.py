"""Weights of classes: what lets a rare one count for more in the loss than its share of photos."""

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.class_indices import Indices, check_indices


def class_weights(label_indices: Indices, n_classes: int) -> NDArray[np.float64]:
    """Weights that count rare classes up, by the root of how rare they are.

    A class with a quarter of another's photos has twice its weight, so that it counts half as much
    as a whole and not a quarter. With the whole of how rare it is, four times the weight, all would
    count alike; but then networks name rare classes too often, and a class of few photos throws a
    training off its course.

    Source: Mahajan et al. 2018, "Exploring the Limits of Weakly Supervised Pretraining", which
    shows photos as often as these are weighted.

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
    raw = 1 / np.sqrt(counts)
    weights: NDArray[np.float64] = raw * (len(label_indices) / (counts @ raw))
    return weights
