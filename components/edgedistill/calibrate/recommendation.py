"""The content of threshold_recommendation.json: what is recommended, promised, and kept."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.calibrate.answers import Answers
from edgedistill.calibrate.beside import (
    per_class_document,
    temperature_document,
    unknown_document,
)
from edgedistill.calibrate.notes import calibration_notes, guarantee_note
from edgedistill.core.bounds import wilson_interval
from edgedistill.core.guarantee import (
    CONFIDENCE_LEVEL,
    PROCEDURE,
    Guarantee,
    guaranteed_threshold,
    selected_lower_bound,
)
from edgedistill.core.threshold import (
    GRID_STEP,
    Recommendation,
    ThresholdCurve,
    recommend_threshold,
    threshold_curve,
)
from edgedistill.settings import CalibrateSettings

VALIDATION = "validation"
CALIBRATION = "calibration"


@dataclass(frozen=True)
class Evidence:
    """What the file answers.

    Attributes:
        on_calib: to the photos that thresholds are chosen on.
        on_test: to the photos that they are only told for.
        unknown_logits: to photos of no class, shape (n, n_classes); None where there are none.
        label_names: the classes, in the order of the outputs.
        chosen_on: `VALIDATION`, or `CALIBRATION` where photos were set aside for this alone.
    """

    on_calib: Answers
    on_test: Answers
    unknown_logits: NDArray[np.floating] | None
    label_names: tuple[str, ...]
    chosen_on: str

    @cached_property
    def curve(self) -> ThresholdCurve:
        """Of the photos that thresholds are chosen on."""
        return threshold_curve(self.on_calib.confidence, self.on_calib.correct)


def recommendation_document(evidence: Evidence, settings: CalibrateSettings) -> dict[str, Any]:
    """The content of threshold_recommendation.json.

    Args:
        evidence: the file's answers.
        settings: the wishes.
    """
    curve, on_test = evidence.curve, evidence.on_test
    target = settings.threshold_target_accept_accuracy
    chosen = recommend_threshold(
        curve,
        target=target,
        min_coverage=settings.threshold_min_coverage,
        penalty=settings.threshold_penalty_incorrect,
    )
    promise = guaranteed_threshold(curve, target=target)
    recommended = test_check(chosen.threshold, on_test, target)
    document: dict[str, Any] = {
        "recommended_threshold": chosen.threshold,
        "target_accept_accuracy": target,
        "min_coverage": settings.threshold_min_coverage,
        "penalty_incorrect": settings.threshold_penalty_incorrect,
        "achieved_accept_accuracy": chosen.accept_accuracy,
        "achieved_coverage": chosen.coverage,
        "accept_accuracy_lower_bound": _lower_bound(chosen, curve),
        "confidence_level": CONFIDENCE_LEVEL,
        "guaranteed_threshold": promise.threshold,
        "guarantee": _guarantee_document(promise, curve.n_photos, target),
        "selection_method": chosen.selection_method,
        "grid_step": GRID_STEP,
        "chosen_on": evidence.chosen_on,
        "n_val": curve.n_photos,
        "test": {
            "recommended": recommended,
            "guaranteed": None
            if promise.threshold is None
            else test_check(promise.threshold, on_test, target),
        },
        "test_accept_accuracy": recommended["accept_accuracy"],
        "test_coverage": recommended["coverage"],
        "n_test": len(on_test.correct),
    }
    document |= _beside(evidence, chosen.threshold, settings)
    return {**document, "calibration_notes": calibration_notes(document)}


def _beside(evidence: Evidence, recommended: float, settings: CalibrateSettings) -> dict[str, Any]:
    """The keys that are not in every document."""
    found: dict[str, Any] = {}
    if temperature := temperature_document(evidence.on_calib, evidence.on_test):
        found["temperature"] = temperature
    if evidence.unknown_logits is not None:
        found["unknown"] = unknown_document(
            evidence.on_calib.logits,
            evidence.on_test.logits,
            evidence.unknown_logits,
            recommended,
        )
    if settings.threshold_per_class:
        found["per_class"] = per_class_document(
            evidence.on_calib, evidence.label_names, settings.threshold_target_accept_accuracy
        )
    return found


def test_check(threshold: float, on_test: Answers, target: float) -> dict[str, Any]:
    """What a threshold does on photos that had no part in choosing it.

    Args:
        threshold: on the confidence.
        on_test: the answers to those photos.
        target: the accept accuracy that it should reach.
    """
    accepts = on_test.confidence >= threshold
    n_photos, n_accepted = len(accepts), int(accepts.sum())
    n_correct = int(on_test.correct[accepts].sum())
    accuracy = n_correct / n_accepted if n_accepted else None
    return {
        "threshold": threshold,
        "n_accepted": n_accepted,
        "n_correct": n_correct,
        "accept_accuracy": accuracy,
        "accept_accuracy_interval": _interval(n_correct, n_accepted) if n_accepted else None,
        "coverage": n_accepted / n_photos,
        "coverage_interval": _interval(n_accepted, n_photos),
        "kept": None if accuracy is None else accuracy >= target,
    }


def _interval(n: int, n_photos: int) -> list[float]:
    return list(wilson_interval(n, n_photos, confidence=CONFIDENCE_LEVEL))


def _lower_bound(chosen: Recommendation, curve: ThresholdCurve) -> float | None:
    """Of the true accept accuracy at the recommended threshold; None where none is accepted."""
    index = curve.threshold.tolist().index(chosen.threshold)
    n_accepted, n_correct = int(curve.accepted[index]), int(curve.correct_accepted[index])
    return selected_lower_bound(n_correct, n_accepted) if n_accepted else None


def _guarantee_document(promise: Guarantee, n_photos: int, target: float) -> dict[str, Any]:
    is_made = promise.threshold is not None
    return {
        "procedure": PROCEDURE,
        "lower_bound": promise.lower_bound,
        "accept_accuracy": promise.n_correct / promise.n_accepted if is_made else None,
        "coverage": promise.n_accepted / n_photos if is_made else None,
        "n_accepted": promise.n_accepted if is_made else None,
        "photos_missing": promise.photos_missing,
        "note": guarantee_note(promise, target),
    }
