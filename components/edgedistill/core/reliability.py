"""Does a confidence of 0.8 mean right 8 times in 10? The curve, and the error as one number."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.bounds import wilson_interval
from edgedistill.core.class_indices import Indices, check_indices


@dataclass(frozen=True)
class ReliabilityCurve:
    """Per bin, arrays of shape (n_bins,); nan where a bin has no image.

    `edges` has shape (n_bins + 1,); bin i holds the confidences in (edges[i], edges[i + 1]].
    """

    edges: NDArray[np.float64]
    mean_confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    count: NDArray[np.int64]

    def accuracy_intervals(self, *, confidence: float = 0.95) -> NDArray[np.float64]:
        """Wilson's interval of each bin's accuracy: shape (n_bins, 2); nan where it is empty."""
        intervals = np.full((len(self.count), 2), np.nan)
        for k in np.flatnonzero(self.count):
            n_photos = int(self.count[k])
            n_right = round(float(self.accuracy[k]) * n_photos)
            intervals[k] = wilson_interval(n_right, n_photos, confidence=confidence)
        return intervals


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
    values = np.asarray(confidence, np.float64)
    return _curve(values, correct, equal_width_bins(values, n_bins), _equal_width_edges(n_bins))


def equal_mass_curve(
    confidence: NDArray[np.floating], correct: NDArray[np.bool_], *, n_bins: int = 15
) -> ReliabilityCurve:
    """The same in bins of about as many images each: none is empty, and all are as well known.

    Bin k ends at the confidence of rank ceil(k * n / n_bins); equal confidences stay together, so
    that the order of the images does not matter.

    Args:
        confidence: shape (n,), top-1 probability of each image, in [0, 1].
        correct: shape (n,), whether the top-1 class was the true one.
        n_bins: most bins; there are fewer where equal confidences, or few images, leave no more.

    Raises:
        ValueError: shapes differ, n or n_bins is 0, or a confidence lies outside [0, 1].

    Source: Nguyen and O'Connor 2015, "Posterior calibration and exploratory analysis for natural
        language processing models", section 3.2.
    """
    check_confidence(confidence, correct)
    _check_bins(n_bins)
    values = np.asarray(confidence, np.float64)
    ranks = -(-np.arange(1, n_bins + 1) * len(values) // n_bins) - 1
    upper = np.unique(np.sort(values)[ranks])
    bins = np.searchsorted(upper, values, side="left")
    # From 0 to 1, as those of equal width: the outer edges are of no image.
    return _curve(values, correct, bins, np.concatenate([[0.0], upper[:-1], [1.0]]))


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
    return _mean_gap(reliability_curve(confidence, correct, n_bins=n_bins))


def equal_mass_error(
    confidence: NDArray[np.floating], correct: NDArray[np.bool_], *, n_bins: int = 15
) -> float:
    """Mean gap between confidence and accuracy over the bins of `equal_mass_curve`.

    Args, range of the result and errors as for `expected_calibration_error`, which puts most images
    of a good model into its last bin or two, where gaps within a bin go unseen.

    Source: Nixon et al. 2019, "Measuring Calibration in Deep Learning", section 3 (adaptive bins;
        theirs is of all classes, this of the top class).
    """
    return _mean_gap(equal_mass_curve(confidence, correct, n_bins=n_bins))


def brier_score(probabilities: NDArray[np.floating], label_indices: Indices) -> float:
    """Mean over photos of sum over classes of (p - 1 if it is the true class, else p) ** 2.

    This is the original score, of all classes, in [0, 2]; 0 is perfect. Of two classes it is twice
    that of scikit-learn's binary `brier_score_loss`.

    Args:
        probabilities: shape (n, n_classes), in [0, 1].
        label_indices: shape (n,), the true classes.

    Raises:
        ValueError: shapes do not fit, n is 0, an index is out of range, or a probability lies
            outside [0, 1].

    Source: Brier 1950, "Verification of forecasts expressed in terms of probability".
    """
    if probabilities.ndim != 2 or probabilities.shape[:1] != label_indices.shape:
        raise ValueError(
            "shapes must be (n, n_classes) and (n,); "
            f"got {probabilities.shape} and {label_indices.shape}"
        )
    check_indices(label_indices, label_indices, probabilities.shape[1])
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("probabilities must lie in [0, 1]")
    gap = np.array(probabilities, np.float64)
    gap[np.arange(len(gap)), label_indices] -= 1
    return float((gap**2).sum(axis=1).mean())


def equal_width_bins(confidence: NDArray[np.float64], n_bins: int) -> NDArray[np.int64]:
    """The bin of each confidence, shape (n,): k is that of (k / n_bins, (k + 1) / n_bins]."""
    _check_bins(n_bins)
    bins = np.searchsorted(_equal_width_edges(n_bins), confidence, side="left") - 1
    return np.maximum(bins, 0)  # 0 itself is in the first


def check_confidence(confidence: NDArray[np.floating], correct: NDArray[np.bool_]) -> None:
    """Raises ValueError unless both have shape (n,), n > 0, and confidence is in [0, 1]."""
    if confidence.shape != correct.shape or confidence.ndim != 1 or len(confidence) == 0:
        raise ValueError(
            f"shapes must be (n,) and equal, n > 0; got {confidence.shape} and {correct.shape}"
        )
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError("confidence must lie in [0, 1]")


def _check_bins(n_bins: int) -> None:
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1; got {n_bins}")


def _equal_width_edges(n_bins: int) -> NDArray[np.float64]:
    # k / n_bins rounds once, so that an edge equals the decimal that a reader would write.
    return np.arange(n_bins + 1) / n_bins


def _curve(
    confidence: NDArray[np.float64],
    correct: NDArray[np.bool_],
    bins: NDArray[np.int64],
    edges: NDArray[np.float64],
) -> ReliabilityCurve:
    n_bins = len(edges) - 1
    count = np.bincount(bins, minlength=n_bins)
    with np.errstate(invalid="ignore"):  # 0 / 0 is the nan of an empty bin
        return ReliabilityCurve(
            edges=edges,
            mean_confidence=np.bincount(bins, weights=confidence, minlength=n_bins) / count,
            accuracy=np.bincount(bins, weights=correct, minlength=n_bins) / count,
            count=count,
        )


def _mean_gap(curve: ReliabilityCurve) -> float:
    gap = np.nan_to_num(np.abs(curve.mean_confidence - curve.accuracy))
    return float((curve.count * gap).sum() / curve.count.sum())
