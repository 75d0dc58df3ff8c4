"""What threshold_recommendation.json tells besides: temperature, photos of no class, each class."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.calibrate.answers import Answers
from edgedistill.core.bounds import wilson_interval
from edgedistill.core.probabilities import cross_entropy
from edgedistill.core.reliability import expected_calibration_error
from edgedistill.core.temperature import LEAST_TEMPERATURE, MOST_TEMPERATURE, fit_temperature
from edgedistill.core.threshold import Recommendation, class_thresholds
from edgedistill.core.unknown_scores import (
    SCORES,
    known_auroc,
    max_probability,
    threshold_accepting,
)

KNOWN_SHARE = 0.95
"""Of the known photos, what the threshold of the best score accepts."""


def temperature_document(on_calib: Answers, on_test: Answers) -> dict[str, float] | None:
    """The temperature that makes confidence on `on_calib` fit best, and what it does elsewhere.

    Args:
        on_calib: the answers that it is fitted on.
        on_test: the answers that its effect is told on.

    Returns:
        None where the best one lies beyond the range that is searched, as where all are right.
    """
    value = fit_temperature(on_calib.logits, on_calib.label_indices)
    if value in (LEAST_TEMPERATURE, MOST_TEMPERATURE):
        return None
    scaled = Answers(np.asarray(on_test.logits, np.float64) / value, on_test.label_indices)
    return {
        "value": value,
        "ece_before": expected_calibration_error(on_test.confidence, on_test.correct),
        "ece_after": expected_calibration_error(scaled.confidence, scaled.correct),
        "nll_before": cross_entropy(on_test.logits, on_test.label_indices),
        "nll_after": cross_entropy(scaled.logits, scaled.label_indices),
    }


def unknown_document(
    calib_logits: NDArray[np.floating],
    test_logits: NDArray[np.floating],
    unknown_logits: NDArray[np.floating],
    recommended: float,
) -> dict[str, Any]:
    """How many photos of no class are answered all the same, and what would tell them better.

    Args:
        calib_logits: of the photos that thresholds are chosen on, shape (n, n_classes).
        test_logits: of the known photos that are held against the unknown, shape (m, n_classes).
        unknown_logits: shape (k, n_classes).
        recommended: the threshold on the confidence.
    """
    n_photos = len(unknown_logits)
    n_accepted = int((max_probability(unknown_logits) >= recommended).sum())
    auroc = {
        name: known_auroc(score(test_logits), score(unknown_logits))
        for name, score in SCORES.items()
    }
    best = max(auroc, key=lambda name: auroc[name])  # the first of equals: the simplest
    score = SCORES[best]
    threshold = threshold_accepting(score(calib_logits), KNOWN_SHARE)
    n_best = int((score(unknown_logits) >= threshold).sum())
    return {
        "n_photos": n_photos,
        "accepted_share": n_accepted / n_photos,
        "accepted_share_interval": list(wilson_interval(n_accepted, n_photos)),
        "auroc": auroc,
        "best_score": best,
        "best_score_threshold": threshold,
        "best_score_known_accepted": float((score(test_logits) >= threshold).mean()),
        "best_score_unknown_accepted": n_best / n_photos,
        "best_score_unknown_accepted_interval": list(wilson_interval(n_best, n_photos)),
    }


def per_class_document(
    on_calib: Answers, label_names: Sequence[str], target: float
) -> dict[str, dict[str, Any]]:
    """By class, the threshold of its own answers.

    Args:
        on_calib: the answers that thresholds are chosen on.
        label_names: in the order of the outputs.
        target: accept accuracy that each class should reach.
    """
    chosen = class_thresholds(
        on_calib.confidence,
        on_calib.correct,
        on_calib.predicted_indices,
        len(label_names),
        target=target,
    )
    return {
        name: _class_row(found, on_calib.confidence[on_calib.predicted_indices == index])
        for index, (name, found) in enumerate(zip(label_names, chosen, strict=True))
    }


def _class_row(found: Recommendation | None, confidence: NDArray[np.float64]) -> dict[str, Any]:
    """Of one class, whose answers have these confidences."""
    if found is None:
        return {"threshold": None, "coverage": None, "accept_accuracy": None, "n_accepted": 0}
    return {
        "threshold": found.threshold,
        "coverage": found.coverage,
        "accept_accuracy": found.accept_accuracy,
        "n_accepted": int((confidence >= found.threshold).sum()),
    }
