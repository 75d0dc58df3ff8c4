"""Photos whose label is probably wrong: another class is likelier than that class mostly is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.class_indices import Indices, check_indices


@dataclass(frozen=True)
class LabelSuspects:
    """Photos whose label is contradicted, the most contradicted first.

    `rows`: shape (n_suspects,), indices of photos. `suggested`: the same shape, the class that
    contradicts each label.
    """

    rows: NDArray[np.int64]
    suggested: NDArray[np.int64]


def label_suspects(probabilities: NDArray[np.floating], label_indices: Indices) -> LabelSuspects:
    """The photos whose label a network contradicts with high confidence.

    What is high is told by each class's own photos: the threshold of a class is the mean
    probability that they give it. A photo is suspect where the likeliest class is not its label,
    reaches the threshold of that class, and the label stays below its own. Ranked by the
    probability of the suggested class less that of the label; equals keep their order. A class
    without photos has no threshold and is never suggested.

    Args:
        probabilities: shape (n, n_classes), in [0, 1]. Best of a network that did not learn from
            these labels (cross-fitted): one that did has learnt the wrong ones too.
        label_indices: shape (n,).

    Raises:
        ValueError: shapes do not fit, n is 0, an index is out of range, or a probability lies
            outside [0, 1].

    Source: Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset
        Labels": thresholds of eq. 2, rank by normalized margin (section 3.2).
    """
    if probabilities.ndim != 2:
        raise ValueError(f"probabilities must be (n, n_classes); got {probabilities.shape}")
    n_photos, n_classes = probabilities.shape
    check_indices(label_indices, label_indices, n_classes)
    if len(label_indices) != n_photos:
        raise ValueError(f"there must be a label for each of {n_photos} rows of probabilities")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("probabilities must lie in [0, 1]")
    p = np.asarray(probabilities, np.float64)
    own = p[np.arange(n_photos), label_indices]
    threshold = _mean_by_class(own, label_indices, n_classes)
    likeliest = p.argmax(axis=1)
    most = p.max(axis=1)
    suspect = (
        (likeliest != label_indices)
        & (most >= threshold[likeliest])
        & (own < threshold[label_indices])
    )
    rows = np.flatnonzero(suspect)
    rows = rows[np.argsort(own[rows] - most[rows], kind="stable")]
    return LabelSuspects(rows, likeliest[rows].astype(np.int64))


def _mean_by_class(
    values: NDArray[np.float64], label_indices: Indices, n_classes: int
) -> NDArray[np.float64]:
    """Shape (n_classes,); infinite for a class without photos."""
    sums = np.bincount(label_indices, weights=values, minlength=n_classes)
    counts = np.bincount(label_indices, minlength=n_classes)
    means = np.full(n_classes, np.inf)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means
