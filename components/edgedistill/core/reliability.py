"""Does a confidence of 0.8 mean right 8 times in 10? The curve, and the error as one number."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ReliabilityCurve:
    """Per bin, arrays of shape (n_bins,); nan where a bin has no image.

    `edges` has shape (n_bins + 1,); bin i holds the confidences in (edges[i], edges[i + 1]].
    """

    edges: NDArray[np.float64]
    mean_confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    count: NDArray[np.int64]


def reliability_curve(
    confidence: NDArray[np.floating], correct: NDArray[np.bool_], *, n_bins: int = 15
) -> ReliabilityCurve:
    """Mean confidence, accuracy and number of images in equal-width bins of confidence.

    Args:
        confidence: shape (n,), top-1 probability of each image, in [0, 1].
        correct: shape (n,), whether the top-1 class was the true one.
        n_bins: number of bins (lo, hi] that [0, 1] is cut into; 0 itself is in the first.

    Raises:
        ValueError: shapes differ, n or n_bins is 0, or a confidence lies outside [0, 1].
    """
    check_confidence(confidence, correct)
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1; got {n_bins}")
    # k / n_bins rounds once, so that an edge equals the decimal that a reader would write.
    edges = np.arange(n_bins + 1) / n_bins
    values = np.asarray(confidence, np.float64)
    bins = np.maximum(np.searchsorted(edges, values, side="left") - 1, 0)
    count = np.bincount(bins, minlength=n_bins)
    with np.errstate(invalid="ignore"):  # 0 / 0 is the nan of an empty bin
        return ReliabilityCurve(
            edges=edges,
            mean_confidence=np.bincount(bins, weights=values, minlength=n_bins) / count,
            accuracy=np.bincount(bins, weights=correct, minlength=n_bins) / count,
            count=count,
        )


def expected_calibration_error(
    confidence: NDArray[np.floating], correct: NDArray[np.bool_], *, n_bins: int = 15
) -> float:
    """Mean gap between confidence and accuracy over equal-width bins.

    Args:
        confidence: shape (n,), top-1 probability of each image, in [0, 1].
        correct: shape (n,), whether the top-1 class was the true one.
        n_bins: number of bins (lo, hi] that [0, 1] is cut into; 0 itself is in the first.

    Returns:
        The error in [0, 1]; 0 is perfect. Bins without images add nothing.

    Raises:
        ValueError: shapes differ, n or n_bins is 0, or a confidence lies outside [0, 1].

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", eq. 3.
    """
    curve = reliability_curve(confidence, correct, n_bins=n_bins)
    gap = np.nan_to_num(np.abs(curve.mean_confidence - curve.accuracy))
    return float((curve.count * gap).sum() / curve.count.sum())


def check_confidence(confidence: NDArray[np.floating], correct: NDArray[np.bool_]) -> None:
    """Raises ValueError unless both have shape (n,), n > 0, and confidence is in [0, 1]."""
    if confidence.shape != correct.shape or confidence.ndim != 1 or len(confidence) == 0:
        raise ValueError(
            f"shapes must be (n,) and equal, n > 0; got {confidence.shape} and {correct.shape}"
        )
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError("confidence must lie in [0, 1]")
