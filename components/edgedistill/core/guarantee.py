"""A threshold whose accuracy is promised: of all photos of this kind, not only of those counted.

The procedure is fixed-sequence testing, one of those of Learn then Test. Thresholds are tested
from 0.99 down, each by the exact binomial test at level 1 - confidence on the photos that it
accepts; the first that fails ends it, and the last that passed is promised. Passed over, and no
failures, are thresholds that accept too few photos to pass even without an error, and those that
accept less than a quarter of all: one unlucky error among the first sixty photos would end it
there (a network whose confidences gather near 0.9 was promised a threshold in 66 % of draws of
2,000 photos without that quarter, in 100 % with it).

Why the promise holds. Let A(t) be the true accuracy among the photos that t accepts, and call t
bad where A(t) is below the target. A bad threshold can be promised only if the first bad one that
is tested passes. If nothing is passed over, that is a threshold t1 fixed beforehand, its right
answers are binomial with the share A(t1), and it passes with a probability of at most
1 - confidence: more need not be assumed. If t1 accepts too few, a lower t is tested in its place,
and which one depends on the counts of photos. Here it is assumed that A does not rise as the
threshold falls. Then each step below t1 adds photos of which less than the target are right, for
else A would have risen; those above t1 are A(t1) right; and so, whatever the counts, the right
answers at t are stochastically below the binomial of the target, and the bound holds again.

Where A rises somewhere as the threshold falls (a cluster of photos that are surely mistaken), the
second part may fail by a little; tests/benchmarks/threshold_promise.py shows such a case.

Source: Angelopoulos, Bates, Candès, Jordan and Lei 2021, "Learn then Test: Calibrating Predictive
Algorithms to Achieve Risk Control".
"""

import math
from dataclasses import dataclass

import numpy as np

from edgedistill.core.bounds import binomial_upper_tail, exact_lower_bound
from edgedistill.core.threshold import N_THRESHOLDS, ThresholdCurve

PROCEDURE = "fixed-sequence testing"
CONFIDENCE_LEVEL = 0.95
START_SHARE = 0.25
"""Testing begins where that share of the photos is accepted; see the module's text."""


@dataclass(frozen=True)
class Guarantee:
    """The promised threshold and what it does on the photos that it was found on.

    Attributes:
        threshold: None where no threshold can be promised.
        lower_bound: what the true accept accuracy is at least; None without a threshold.
        n_accepted, n_correct: photos at the threshold; without one, at `stopped_at`.
        stopped_at: the threshold whose test failed at once, or where none accepts enough photos
            to be tested, the one that lacks fewest; None where a threshold is promised.
        photos_missing: accepted photos, all right, that `stopped_at` lacks to pass; None where a
            threshold is promised, or where no number of photos would do (a target of 1).
    """

    threshold: float | None
    lower_bound: float | None
    n_accepted: int
    n_correct: int
    stopped_at: float | None
    photos_missing: int | None


def photos_needed(n_errors: int, target: float, confidence: float = CONFIDENCE_LEVEL) -> int:
    """The fewest photos, `n_errors` of them wrong, whose lower bound reaches the target.

    59, 93 and 124 for 0, 1 and 2 errors at a target of 0.95 and a confidence of 0.95.

    Args:
        n_errors: at least 0.
        target: accuracy to reach, in [0, 1).
        confidence: of the one-sided exact bound, in [0.5, 1).

    Raises:
        ValueError: an argument is out of its range.
    """
    if n_errors < 0 or not 0 <= target < 1:
        raise ValueError(
            f"n_errors must be at least 0 and target in [0, 1); got {n_errors} and {target}"
        )

    def is_enough(n_photos: int) -> bool:
        right = n_photos - n_errors
        return _passes(right, n_photos, target, confidence)

    too_few, enough = n_errors, n_errors + 1
    while not is_enough(enough):
        too_few, enough = enough, 2 * enough
    while enough - too_few > 1:  # one right photo more always raises the bound
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if is_enough(middle) else (middle, enough)
    return enough


def selected_lower_bound(
    n_correct: int, n_accepted: int, *, confidence: float = CONFIDENCE_LEVEL
) -> float:
    """What the true accept accuracy is at least, however the threshold was chosen among the 100.

    Bonferroni: each of the 100 bounds fails with (1 - confidence) / 100, so that all hold
    together with `confidence`, and with them that of the one that was chosen.

    Args:
        n_correct: right ones among the accepted photos.
        n_accepted: accepted photos, at least 1.
        confidence: how often, at least, the bound holds, in [0.5, 1).

    Returns:
        A share in [0, 1].
    """
    corrected = 1 - (1 - confidence) / N_THRESHOLDS
    return exact_lower_bound(n_correct, n_accepted, confidence=corrected)


def guaranteed_threshold(
    curve: ThresholdCurve,
    *,
    target: float,
    confidence: float = CONFIDENCE_LEVEL,
    start_share: float = START_SHARE,
) -> Guarantee:
    """The lowest threshold whose accept accuracy is promised to reach the target.

    Args:
        curve: of photos that were drawn like those that the promise is about.
        target: accuracy to promise, in (0, 1]; 1 cannot be promised by any number of photos.
        confidence: how often, at least, no false promise is made, in [0.5, 1).
        start_share: least share of the photos that a threshold accepts to be tested, in [0, 1].

    Raises:
        ValueError: an argument is out of its range.
    """
    if not 0 < target <= 1:
        raise ValueError(f"target must be in (0, 1]; got {target}")
    if target == 1:
        return _without(curve, 0, None)
    least = max(photos_needed(0, target, confidence), math.ceil(start_share * curve.n_photos))
    promised = None
    for i in np.flatnonzero(curve.accepted >= least)[::-1].tolist():
        right, accepted = int(curve.correct_accepted[i]), int(curve.accepted[i])
        if not _passes(right, accepted, target, confidence):
            if promised is None:
                return _without(curve, i, _photos_missing(curve, i, target, confidence))
            break
        promised = i
    if promised is None:
        return _nearest(curve, target, confidence)
    right, accepted = int(curve.correct_accepted[promised]), int(curve.accepted[promised])
    bound = exact_lower_bound(right, accepted, confidence=confidence)
    return Guarantee(float(curve.threshold[promised]), bound, accepted, right, None, None)


def _passes(n_correct: int, n_accepted: int, target: float, confidence: float) -> bool:
    """The exact test: whether the one-sided lower bound reaches the target, by one tail alone."""
    return binomial_upper_tail(n_correct, n_accepted, target) <= 1 - confidence


def _nearest(curve: ThresholdCurve, target: float, confidence: float) -> Guarantee:
    """Where no threshold accepts enough photos to be tested: the one that lacks fewest."""
    missing = [
        _photos_missing(curve, i, target, confidence)
        for i in np.flatnonzero(curve.accepted).tolist()
    ]
    fewest = min(missing)
    return _without(curve, missing.index(fewest), fewest)


def _photos_missing(curve: ThresholdCurve, index: int, target: float, confidence: float) -> int:
    accepted = int(curve.accepted[index])
    n_errors = accepted - int(curve.correct_accepted[index])
    return photos_needed(n_errors, target, confidence) - accepted


def _without(curve: ThresholdCurve, index: int, photos_missing: int | None) -> Guarantee:
    """No threshold is promised; what is told is of the one at `index`."""
    return Guarantee(
        threshold=None,
        lower_bound=None,
        n_accepted=int(curve.accepted[index]),
        n_correct=int(curve.correct_accepted[index]),
        stopped_at=float(curve.threshold[index]),
        photos_missing=photos_missing,
    )
