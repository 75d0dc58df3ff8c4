"""Figures that tell photos of the known classes from photos of none, all from the logits.

Each is the higher, the surer the network is that it knows the photo, and can be computed on the
phone from the same logits as the answer.
"""

import math

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from edgedistill.core.probabilities import softmax

MAX_PROBABILITY = "max_probability"
MAX_LOGIT = "max_logit"
ENERGY = "energy"


def max_probability(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """The largest probability, max_k softmax(x)_k, in (0, 1]: the confidence of the answer.

    Args:
        logits: shape (n, n_classes), finite.

    Returns:
        Shape (n,).

    Source: Hendrycks and Gimpel 2017, "A Baseline for Detecting Misclassified and
    Out-of-Distribution Examples in Neural Networks".
    """
    confidence: NDArray[np.float64] = softmax(logits).max(axis=1)
    return confidence


def max_logit(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """The largest logit, max_k x_k.

    Args:
        logits: shape (n, n_classes).

    Returns:
        Shape (n,).

    Source: Hendrycks et al. 2022, "Scaling Out-of-Distribution Detection for Real-World Settings".
    """
    largest: NDArray[np.float64] = np.asarray(logits, np.float64).max(axis=1)
    return largest


def energy(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """The negative free energy at temperature 1, log sum_k exp(x_k), in nats.

    Args:
        logits: shape (n, n_classes).

    Returns:
        Shape (n,).

    Source: Liu et al. 2020, "Energy-based Out-of-distribution Detection", eq. 4 with T = 1.
    """
    x = np.asarray(logits, np.float64)
    largest = x.max(axis=1, keepdims=True)  # the largest power becomes 1: no overflow
    total: NDArray[np.float64] = np.log(np.exp(x - largest).sum(axis=1)) + largest[:, 0]
    return total


SCORES = {MAX_PROBABILITY: max_probability, MAX_LOGIT: max_logit, ENERGY: energy}
"""By name; the first is what the recommended threshold looks at."""


def known_auroc(known: NDArray[np.floating], unknown: NDArray[np.floating]) -> float:
    """How often a known photo has a higher score than an unknown one, a tie counting half.

    Args:
        known: shape (n,), scores of photos of the classes, n at least 1.
        unknown: shape (m,), scores of photos of none, m at least 1.

    Returns:
        The area under the ROC curve, in [0, 1]; 0.5 is chance.

    Raises:
        ValueError: there are no photos of one kind.
    """
    if not (len(known) and len(unknown)):
        raise ValueError(f"both must have photos; got {len(known)} and {len(unknown)}")
    is_known = np.repeat([1, 0], [len(known), len(unknown)])
    return float(roc_auc_score(is_known, np.concatenate([known, unknown])))


def threshold_accepting(scores: NDArray[np.floating], share: float = 0.95) -> float:
    """The highest threshold at which at least that share of the photos is accepted.

    It lies halfway between the lowest score that is accepted and the highest that is not, so that
    a phone's single precision decides alike; where all are accepted, it is their lowest score.

    Args:
        scores: shape (n,), n at least 1; accepted are those of at least the threshold.
        share: in (0, 1].

    Raises:
        ValueError: there are no scores, or the share is out of its range.
    """
    if not (len(scores) and 0 < share <= 1):
        raise ValueError(f"share must be in (0, 1] of n > 0; got {share} of {len(scores)}")
    values = np.asarray(scores, np.float64)
    # 0.95 * 20 is 19 exactly; the guard keeps a product such as 0.07 * 100 from counting one more.
    n_accepted = math.ceil(share * len(values) - 1e-9)
    lowest = np.sort(values)[::-1][n_accepted - 1]
    rejected = values[values < lowest]
    return float((lowest + rejected.max()) / 2) if len(rejected) else float(lowest)
