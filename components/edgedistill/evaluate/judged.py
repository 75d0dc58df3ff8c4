"""The answers of one model to the test photos, and what they are worth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.bootstrap import ece_interval, macro_f1_interval
from edgedistill.core.bounds import wilson_interval
from edgedistill.core.metrics import Scores, classification_scores
from edgedistill.core.paired import compare_paired
from edgedistill.core.probabilities import cross_entropy, softmax
from edgedistill.core.reliability import (
    brier_score,
    equal_mass_error,
    expected_calibration_error,
)

CONFIDENCE_LEVEL = 0.95
"""Of every interval: how often such an interval holds the true value."""

TEACHER = "teacher"
STUDENT_WITHOUT_TEACHER = "student_without_teacher"
STUDENT = "student"
POST_TRAINING = "post_training"
QUANTISATION_AWARE = "quantisation_aware"
FILE = "file"

TITLES = {
    TEACHER: "teacher",
    STUDENT_WITHOUT_TEACHER: "student without teacher",
    STUDENT: "float student",
    POST_TRAINING: "post-training quantisation",
    QUANTISATION_AWARE: "quantisation-aware training",
    FILE: "shipped file",
}
"""Every model that may be judged, in the order in which one comes from the other."""


_ASKED_FOR = ((TEACHER, STUDENT), (STUDENT, FILE))


@dataclass(frozen=True, eq=False)
class Judged:
    """A model's answers to n photos and the figures that metrics.json and evaluation.json tell.

    `probabilities` has shape (n, n_classes); `predicted`, `confidence` and `right` have shape
    (n,). `intervals` holds top1, macro_f1 and ece.
    """

    name: str
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float64]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    right: NDArray[np.bool_]
    scores: Scores
    ece: float
    ece_equal_mass: float
    brier: float
    nll: float
    intervals: Mapping[str, list[float]]

    @classmethod
    def of(
        cls,
        name: str,
        logits: NDArray[np.float32],
        label_indices: NDArray[np.int64],
        *,
        seed: int,
    ) -> Self:
        """Judges logits, or what serves as such, of shape (n, n_classes).

        Args:
            name: one of `TITLES`.
            logits: finite; n at least 1.
            label_indices: shape (n,), the true classes.
            seed: of the resampling that some intervals come from.
        """
        n_classes = logits.shape[1]
        probabilities = softmax(logits)
        predicted = probabilities.argmax(axis=1)
        confidence = probabilities.max(axis=1)
        right = predicted == label_indices
        return cls(
            name,
            logits,
            probabilities,
            predicted,
            confidence,
            right,
            classification_scores(label_indices, predicted, n_classes),
            ece=expected_calibration_error(confidence, right),
            ece_equal_mass=equal_mass_error(confidence, right),
            brier=brier_score(probabilities, label_indices),
            nll=cross_entropy(logits, label_indices),
            intervals={
                "top1": list(
                    wilson_interval(int(right.sum()), len(right), confidence=CONFIDENCE_LEVEL)
                ),
                "macro_f1": list(
                    macro_f1_interval(
                        label_indices,
                        predicted,
                        n_classes,
                        seed=seed,
                        confidence=CONFIDENCE_LEVEL,
                    )
                ),
                "ece": list(
                    ece_interval(confidence, right, seed=seed, confidence=CONFIDENCE_LEVEL)
                ),
            },
        )

    @property
    def title(self) -> str:
        """What the model is called where people read."""
        return TITLES[self.name]

    @property
    def suffix(self) -> str:
        """What stands behind the names of its metrics: nothing for the shipped file."""
        return "" if self.name == FILE else f"_{self.name}"

    @property
    def headline(self) -> dict[str, float]:
        """The figures that every model has: top1, macro_f1, ece."""
        return {"top1": self.scores.top1, "macro_f1": self.scores.macro_f1, "ece": self.ece}

    def document(self) -> dict[str, Any]:
        """Its entry in `models` of evaluation.json."""
        return {
            "name": self.name,
            "title": self.title,
            **self.headline,
            **{f"{figure}_interval": ends for figure, ends in self.intervals.items()},
            "ece_equal_mass": self.ece_equal_mass,
            "brier": self.brier,
            "nll": self.nll,
        }


def comparisons(models: Sequence[Judged]) -> list[dict[str, Any]]:
    """Pairs of models on the same photos: `comparisons` of evaluation.json.

    Each with the one before it; then, where others stand between, the student with the teacher and
    the file with the student, which are what one asks for first.

    Args:
        models: in the order of `TITLES`.
    """
    pairs = list(pairwise(models))
    by_name = {model.name: model for model in models}
    for names in _ASKED_FOR:
        pair = tuple(by_name[name] for name in names if name in by_name)
        if len(pair) == 2 and pair not in pairs:
            pairs.append(pair)
    return [_compared(earlier, later) for earlier, later in pairs]


def _compared(earlier: Judged, later: Judged) -> dict[str, Any]:
    paired = compare_paired(earlier.right, later.right, confidence=CONFIDENCE_LEVEL)
    return {
        "from": earlier.name,
        "to": later.name,
        "difference": paired.difference,
        "difference_interval": list(paired.difference_interval),
        "only_from_right": paired.only_first_right,
        "only_to_right": paired.only_second_right,
        "p_value": paired.p_value,
    }
