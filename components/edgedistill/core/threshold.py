"""From which confidence on an answer is shown: the curve over all thresholds, and the choice."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.reliability import check_confidence

GRID_STEP = 0.01
N_THRESHOLDS = 100
CONSTRAINT_FEASIBLE = "constraint_feasible"
UTILITY_MAXIMIZATION = "utility_maximization"


@dataclass(frozen=True)
class ThresholdCurve:
    """What becomes of `n_photos` photos at each threshold, arrays of shape (100,).

    A photo is accepted (answered, not "unknown") where its confidence is at least the threshold.
    """

    threshold: NDArray[np.float64]
    accepted: NDArray[np.int64]
    correct_accepted: NDArray[np.int64]
    n_photos: int

    @property
    def coverage(self) -> NDArray[np.float64]:
        """Share of photos that are accepted, in [0, 1]."""
        return self.accepted / self.n_photos

    @property
    def accept_accuracy(self) -> NDArray[np.float64]:
        """Share of correct among the accepted, in [0, 1]; nan where none is accepted."""
        with np.errstate(invalid="ignore"):
            return self.correct_accepted / self.accepted

    @property
    def correct_accepted_rate(self) -> NDArray[np.float64]:
        """Share of all photos that are accepted and correct, in [0, 1]."""
        return self.correct_accepted / self.n_photos

    @property
    def incorrect_accepted_rate(self) -> NDArray[np.float64]:
        """Share of all photos that are accepted and wrong, in [0, 1]."""
        return (self.accepted - self.correct_accepted) / self.n_photos


@dataclass(frozen=True)
class Recommendation:
    """A threshold, how it was found, and what it does on the photos of the curve.

    `accept_accuracy` is None where no photo is accepted.
    """

    threshold: float
    selection_method: str
    accept_accuracy: float | None
    coverage: float


def threshold_curve(confidence: NDArray[np.floating], correct: NDArray[np.bool_]) -> ThresholdCurve:
    """Counts the accepted photos, and the correct among them, for t = 0.00, 0.01, ..., 0.99.

    Args:
        confidence: shape (n,), top-1 probability of each photo, in [0, 1].
        correct: shape (n,), whether the top-1 class was the true one.

    Raises:
        ValueError: shapes differ, n is 0, or a confidence lies outside [0, 1].
    """
    check_confidence(confidence, correct)
    # k / 100 is the double next to the decimal; k * 0.01 is not for 35, 41, 47, 57, 69.
    threshold = np.arange(N_THRESHOLDS) / N_THRESHOLDS
    accepts = np.asarray(confidence, np.float64) >= threshold[:, np.newaxis]
    return ThresholdCurve(
        threshold=threshold,
        accepted=accepts.sum(axis=1),
        correct_accepted=(accepts & correct).sum(axis=1),
        n_photos=len(confidence),
    )


def recommend_threshold(
    curve: ThresholdCurve, *, target: float, min_coverage: float, penalty: float
) -> Recommendation:
    """The threshold that answers most photos within the wishes, or else the most useful one.

    Among the thresholds with accept accuracy >= `target` and coverage >= `min_coverage`, the one
    of largest coverage (`constraint_feasible`). If there is none, the one that maximises correct
    accepted rate - `penalty` * incorrect accepted rate (`utility_maximization`). The smallest
    threshold on a tie.

    Args:
        curve: of the validation photos.
        target: accuracy wanted among the accepted, in [0, 1].
        min_coverage: least share of accepted photos, in [0, 1].
        penalty: cost of a wrong answer in right answers, at least 0.

    Raises:
        ValueError: a wish is out of its range.
    """
    if not (0 <= target <= 1 and 0 <= min_coverage <= 1 and 0 <= penalty < float("inf")):
        raise ValueError(
            "target and min_coverage must be in [0, 1], penalty finite and at least 0; "
            f"got {target}, {min_coverage} and {penalty}"
        )
    # nan, of thresholds that accept nothing, compares as False. argmax takes the first of equals.
    feasible = (curve.accept_accuracy >= target) & (curve.coverage >= min_coverage)
    if feasible.any():
        best = int(np.where(feasible, curve.accepted, -1).argmax())
        return _recommendation(curve, best, CONSTRAINT_FEASIBLE)
    return _recommendation(curve, _most_useful(curve, penalty), UTILITY_MAXIMIZATION)


def class_thresholds(
    confidence: NDArray[np.floating],
    correct: NDArray[np.bool_],
    predicted_indices: NDArray[np.integer],
    n_classes: int,
    *,
    target: float,
) -> list[Recommendation | None]:
    """For each class the threshold that answers most within the target, by its own answers.

    Args:
        confidence: shape (n,), top-1 probability of each photo, in [0, 1].
        correct: shape (n,), whether the top-1 class was the true one.
        predicted_indices: shape (n,), the top-1 class.
        n_classes: number of classes.
        target: accuracy wanted among the accepted answers of a class, in [0, 1].

    Returns:
        By class; the coverage is the share of the photos that were named so. None where no photo
        was named so, or where no threshold reaches the target.

    Raises:
        ValueError: shapes differ, a confidence lies outside [0, 1], or the target does.
    """
    found: list[Recommendation | None] = []
    for index in range(n_classes):
        own = predicted_indices == index
        chosen = None
        if own.any():
            curve = threshold_curve(confidence[own], correct[own])
            chosen = recommend_threshold(curve, target=target, min_coverage=0.0, penalty=0.0)
        is_met = chosen is not None and chosen.selection_method == CONSTRAINT_FEASIBLE
        found.append(chosen if is_met else None)
    return found


def _most_useful(curve: ThresholdCurve, penalty: float) -> int:
    """Index of the largest utility, in exact arithmetic on counts: a tie must stay a tie.

    In doubles 6/10 - 3 * (1/10) is below 3/10 - 3 * 0.
    """
    cost = Fraction(repr(float(penalty)))
    counts = zip(curve.accepted.tolist(), curve.correct_accepted.tolist(), strict=True)
    utilities = [right - cost * (accepted - right) for accepted, right in counts]
    return utilities.index(max(utilities))


def _recommendation(curve: ThresholdCurve, index: int, method: str) -> Recommendation:
    accepts = curve.accepted[index] > 0
    return Recommendation(
        threshold=float(curve.threshold[index]),
        selection_method=method,
        accept_accuracy=float(curve.accept_accuracy[index]) if accepts else None,
        coverage=float(curve.coverage[index]),
    )
