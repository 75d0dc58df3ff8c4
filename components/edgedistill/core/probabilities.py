"""From logits to probabilities, and how well those foretell the true classes."""

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.class_indices import Indices


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Probabilities, exp(x_i) / sum_j exp(x_j), in double precision.

    Args:
        logits: shape (..., n_classes), finite.

    Returns:
        The same shape; the last axis sums to 1.

    Raises:
        ValueError: a logit is not finite.
    """
    if not np.isfinite(logits).all():
        raise ValueError("logits must be finite")
    x = np.asarray(logits, np.float64)
    powers = np.exp(x - x.max(axis=-1, keepdims=True))  # the largest becomes 1: no overflow
    probabilities: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def cross_entropy(logits: NDArray[np.floating], label_indices: Indices) -> float:
    """Mean of -log(softmax(logits)) at the true classes, in nats.

    Args:
        logits: shape (n, n_classes), finite, n at least 1.
        label_indices: shape (n,).
    """
    x = np.asarray(logits, np.float64)
    shifted = x - x.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_probabilities[np.arange(len(x)), label_indices].mean())
