"""The threshold in words, for those who read no tables."""

from collections.abc import Mapping
from typing import Any

from edgedistill.core.guarantee import CONFIDENCE_LEVEL, Guarantee
from edgedistill.core.threshold import CONSTRAINT_FEASIBLE


def calibration_notes(document: Mapping[str, Any]) -> str:
    """What the threshold means and what it does, in two or three sentences.

    Args:
        document: threshold_recommendation.json, with or without its notes.
    """
    t, n_val = document["recommended_threshold"], document["n_val"]
    photos = f"{n_val:,} {document['chosen_on']} photos"
    wish = (
        f"{document['target_accept_accuracy']:.1%} right with at least "
        f"{document['min_coverage']:.1%} answered"
    )
    done = _done(document["achieved_coverage"], document["achieved_accept_accuracy"])
    if document["selection_method"] == CONSTRAINT_FEASIBLE:
        show = (
            f"Show the answer where its confidence is at least {t:.2f} and 'unknown' elsewhere"
            if t
            else "Show every answer, never 'unknown' (a threshold of 0.00)"
        )
        first = f"{show}: on {photos}, {done} (wanted: {wish})."
    else:
        first = (
            f"No threshold gives {wish} on {photos}; {t:.2f} is the most useful one where a wrong "
            f"answer costs {document['penalty_incorrect']:g} right ones: {done}."
        )
        if not t:
            first = f"{first} Every photo is answered then, none is 'unknown'."
    on_test = _done(document["test_coverage"], document["test_accept_accuracy"])
    return f"{first} On {document['n_test']:,} test photos, which had no part in it, {on_test}."


def guarantee_note(promise: Guarantee, target: float) -> str:
    """What can be promised of photos that nobody has counted, in one or two sentences.

    Args:
        promise: what was found on the photos that it is chosen on.
        target: accept accuracy to promise.
    """
    n, n_wrong = promise.n_accepted, promise.n_accepted - promise.n_correct
    wrong = f"{n_wrong:,}" if n_wrong else "none"
    if promise.threshold is not None:
        return (
            f"From {promise.threshold:.2f} on, at least {target:.1%} of the shown answers are "
            f"right on all photos of this kind, not only on those counted: there {n:,} were "
            f"shown and {wrong} of them wrong, which leaves at least {promise.lower_bound:.1%}. A "
            f"promise made so is false in {1 - CONFIDENCE_LEVEL:.0%} of all runs at most, as long "
            "as photos that are answered more surely are not less often right."
        )
    if promise.photos_missing is None:
        return "No number of photos can promise that every answer is right."
    return (
        f"These photos are too few, or too often wrong, to promise that {target:.1%} of the shown "
        f"answers are right: from {promise.stopped_at:.2f} on {n:,} were shown and {wrong} of them "
        f"wrong. It would take {promise.photos_missing:,} more that are accepted, all of them "
        "right."
    )


def _done(coverage: float, accept_accuracy: float | None) -> str:
    if accept_accuracy is None:
        return "none is answered"
    return f"{coverage:.1%} are answered and {accept_accuracy:.1%} of those are right"
