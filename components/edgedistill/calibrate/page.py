"""The threshold in words: the notes beside it, and the step's report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgedistill.artifacts import CONFIDENCE_PNG, RELIABILITY_PNG, THRESHOLD_PNG
from edgedistill.core.threshold import CONSTRAINT_FEASIBLE
from edgedistill.report.page import Headline, Picture, Section, render_page


def calibration_notes(document: Mapping[str, Any]) -> str:
    """What the threshold means and what it does, in two or three sentences.

    Args:
        document: threshold_recommendation.json, with or without its notes.
    """
    t, n_val = document["recommended_threshold"], document["n_val"]
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
        first = f"{show}: on {n_val:,} validation photos, {done} (wanted: {wish})."
    else:
        first = (
            f"No threshold gives {wish} on {n_val:,} validation photos; {t:.2f} is the most useful "
            f"one where a wrong answer costs {document['penalty_incorrect']:g} right ones: {done}."
        )
        if not t:
            first = f"{first} Every photo is answered then, none is 'unknown'."
    on_test = _done(document["test_coverage"], document["test_accept_accuracy"])
    return f"{first} On {document['n_test']:,} test photos, which had no part in it, {on_test}."


def render_calibration_page(bundle: Path, document: Mapping[str, Any]) -> str:
    """The step's report as one self-contained HTML page.

    Args:
        bundle: the folder with the pictures.
        document: threshold_recommendation.json.
    """
    pictures = [
        Picture((bundle / name).read_bytes(), alt)
        for name, alt in (
            (THRESHOLD_PNG, "Accuracy and coverage over the threshold"),
            (RELIABILITY_PNG, "Accuracy against confidence"),
            (CONFIDENCE_PNG, "Confidence of right and of wrong answers"),
        )
    ]
    headlines = [
        Headline(f"{document['recommended_threshold']:.2f}", "threshold"),
        Headline(f"{document['test_coverage']:.1%}", "answered", "of the test photos"),
        Headline(_share(document["test_accept_accuracy"]), "right", "of the answered test photos"),
    ]
    sections = [Section("Evidence", images=pictures)]
    return render_page("Threshold", document["calibration_notes"], sections, headlines)


def _done(coverage: float, accept_accuracy: float | None) -> str:
    if accept_accuracy is None:
        return "none is answered"
    return f"{coverage:.1%} are answered and {accept_accuracy:.1%} of those are right"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
