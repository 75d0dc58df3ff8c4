"""Temperature scaling: one number that makes probabilities as sure as they are right."""

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.class_indices import Indices, check_indices

LEAST_TEMPERATURE, MOST_TEMPERATURE = 0.05, 20.0
"""Where photos are all right, ever lower temperatures fit ever better; and where logits say nothing
or the opposite of the truth, ever higher ones: the range ends there. Networks need 0.5 to 5."""

_TOLERANCE = 1e-9  # of 1 / T, relative
_MOST_STEPS = 100  # 5 to 10 are usual


def fit_temperature(logits: NDArray[np.floating], label_indices: Indices) -> float:
    """The T for which softmax(logits / T) gives the true classes the lowest cross entropy.

    The cross entropy is convex in 1 / T, so its slope changes sign once: Newton's method finds
    where, kept between two T on either side. No prediction changes, whatever T.

    Args:
        logits: shape (n, n_classes), finite, of photos that the network was not trained on.
        label_indices: shape (n,).

    Returns:
        T in [`LEAST_TEMPERATURE`, `MOST_TEMPERATURE`]; an end of it where the best T lies beyond,
        and 1 where all T are alike, for every photo's logits are equal.

    Raises:
        ValueError: shapes do not fit, n is 0, an index is out of range, or a logit is not finite.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2.
    """
    if logits.ndim != 2:
        raise ValueError(f"logits must be (n, n_classes); got {logits.shape}")
    check_indices(label_indices, label_indices, logits.shape[1])
    if logits.shape[:1] != label_indices.shape:
        raise ValueError(f"there must be a label for each of {len(logits)} rows of logits")
    if not np.isfinite(logits).all():
        raise ValueError("logits must be finite")
    x = np.asarray(logits, np.float64)
    if not np.ptp(x, axis=1).any():
        return 1.0
    x = x - x.max(axis=1, keepdims=True)  # exp overflows at no T
    own = float(x[np.arange(len(x)), label_indices].mean())
    low, high = 1 / MOST_TEMPERATURE, 1 / LEAST_TEMPERATURE
    if _mean_and_variance(x, high)[0] <= own:
        return LEAST_TEMPERATURE
    if _mean_and_variance(x, low)[0] >= own:
        return MOST_TEMPERATURE
    return 1 / _inverse_temperature(x, own, low, high)


def _inverse_temperature(logits: NDArray[np.float64], own: float, low: float, high: float) -> float:
    """1 / T in (low, high) at which the mean expected logit is `own`, the true classes' mean."""
    inverse = 1.0
    for _ in range(_MOST_STEPS):
        mean, variance = _mean_and_variance(logits, inverse)
        low, high = (low, inverse) if mean > own else (inverse, high)
        following = inverse - (mean - own) / variance if variance else 0.0
        if not low <= following <= high:
            following = (low * high) ** 0.5
        if abs(following - inverse) <= _TOLERANCE * inverse:
            break
        inverse = following
    return following


def _mean_and_variance(logits: NDArray[np.float64], inverse: float) -> tuple[float, float]:
    """Of the logit that softmax(logits * inverse) draws, the means over the photos.

    The first less the mean logit of the true classes is the slope of the cross entropy by
    `inverse`, the second the slope's own slope.
    """
    powers = np.exp(logits * inverse)
    total = powers.sum(axis=1)
    mean = np.einsum("ij,ij->i", powers, logits) / total
    square = np.einsum("ij,ij,ij->i", powers, logits, logits) / total
    return float(mean.mean()), float((square - mean**2).mean())
