"""Temperature scaling: one number that makes probabilities as sure as they are right."""

import math

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.class_indices import Indices, check_indices
from edgedistill.core.probabilities import softmax

LEAST_TEMPERATURE, MOST_TEMPERATURE = 0.05, 20.0
"""Where photos are all right, ever lower temperatures fit ever better; and where logits say nothing
or the opposite of the truth, ever higher ones: the range ends there. Networks need 0.5 to 5."""

_HALVINGS = 40  # of log(20 / 0.05) = 6: to 5e-12 of the temperature


def fit_temperature(logits: NDArray[np.floating], label_indices: Indices) -> float:
    """The T for which softmax(logits / T) gives the true classes the lowest cross entropy.

    The cross entropy is convex in 1 / T, so its slope changes sign once; that place is bisected.
    The order of the classes, and so every prediction, stays.

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
    x = np.asarray(logits, np.float64)
    if not np.ptp(x, axis=1).any():
        return 1.0
    low, high = math.log(LEAST_TEMPERATURE), math.log(MOST_TEMPERATURE)
    if _slope(x, label_indices, LEAST_TEMPERATURE) <= 0:
        return LEAST_TEMPERATURE
    if _slope(x, label_indices, MOST_TEMPERATURE) >= 0:
        return MOST_TEMPERATURE
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _slope(x, label_indices, math.exp(middle)) > 0:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)


def _slope(logits: NDArray[np.float64], label_indices: Indices, temperature: float) -> float:
    """Derivative of the mean cross entropy by 1 / T: expected logit less the true class's."""
    expected = (softmax(logits / temperature) * logits).sum(axis=1)
    return float((expected - logits[np.arange(len(logits)), label_indices]).mean())
