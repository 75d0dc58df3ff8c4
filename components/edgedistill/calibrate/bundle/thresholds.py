"""What README.md and the model card say of the thresholds, from threshold_recommendation.json."""

from collections.abc import Iterator, Mapping
from typing import Any

from edgedistill.artifacts import THRESHOLD
from edgedistill.calibrate.bundle.markdown import escaped, paragraph, table
from edgedistill.core.unknown_scores import ENERGY, MAX_LOGIT, MAX_PROBABILITY

SCORE_WORDS = {
    MAX_PROBABILITY: "the largest confidence",
    MAX_LOGIT: "the largest score",
    ENERGY: "the energy (the logarithm of the sum of `exp(score)` over all classes)",
}


def other_thresholds(threshold: Mapping[str, Any]) -> str:
    """The part of README.md on what may take the recommended threshold's place.

    Args:
        threshold: content of threshold_recommendation.json.
    """
    items = [_promised(threshold), *_beside(threshold)]
    listed = "".join(paragraph(f"- {item}", indent=2) for item in items)
    return f"## Other thresholds, in `{THRESHOLD.name}`\n\n{listed}"


def threshold_card(threshold: Mapping[str, Any]) -> str:
    """The model card's section on the thresholds.

    Args:
        threshold: content of threshold_recommendation.json.
    """
    parts = [
        paragraph(threshold["calibration_notes"]),
        paragraph(f"{_lower_bound(threshold)} {threshold['guarantee']['note']}"),
        f"{_checks(threshold)}\n",
    ]
    if "temperature" in threshold:
        parts.append(paragraph(_temperature(threshold["temperature"])))
    if "unknown" in threshold:
        parts.append(_unknown(threshold["unknown"], threshold["recommended_threshold"]))
    if "per_class" in threshold:
        parts.append(_classes(threshold["per_class"]))
    return "## Threshold\n\n" + "\n".join(parts)


def _promised(threshold: Mapping[str, Any]) -> str:
    promised, guarantee = threshold["guaranteed_threshold"], threshold["guarantee"]
    target = f"{threshold['target_accept_accuracy']:.1%} of answers right"
    if promised is None:
        return f"**Promised**: none; the photos counted are too few to promise {target}."
    return (
        f"**Promised**: from **{promised:.2f}** on at least {target} on all photos like those "
        f"counted, with {threshold['confidence_level']:.0%} confidence; "
        f"{guarantee['coverage']:.1%} are answered."
    )


def _beside(threshold: Mapping[str, Any]) -> Iterator[str]:
    if "temperature" in threshold:
        yield (
            f"**Confidence as a chance**: scores divided by {threshold['temperature']['value']:.3f}"
            " before softmax come closer to it. No threshold here is for such confidences."
        )
    if unknown := threshold.get("unknown"):
        yield (
            f"**Photos of something else**: {unknown['accepted_share']:.1%} of "
            f"{unknown['n_photos']:,} are answered. What tells them best is "
            f"{SCORE_WORDS[unknown['best_score']]}, from {unknown['best_score_threshold']:.4g} on: "
            f"{unknown['best_score_unknown_accepted']:.1%}."
        )
    if "per_class" in threshold:
        yield "**For each class** by itself: `per_class`."


def _lower_bound(threshold: Mapping[str, Any]) -> str:
    bound = threshold["accept_accuracy_lower_bound"]
    if bound is None:
        return "None of those photos reaches the recommended threshold."
    return (
        f"Of the answers that the recommended threshold lets through at least {bound:.1%} are "
        f"right on all photos of this kind, with {threshold['confidence_level']:.0%} confidence: "
        "an exact binomial bound, corrected for the choice among 100 thresholds."
    )


def _checks(threshold: Mapping[str, Any]) -> str:
    rows = [(kind, *_check_cells(check)) for kind, check in threshold["test"].items() if check]
    head = ("threshold", "at", "test photos answered", "of those right", "target reached")
    return table(head, rows)


def _check_cells(check: Mapping[str, Any]) -> tuple[str, ...]:
    answered = f"{check['coverage']:.1%} ({_range(check['coverage_interval'])})"
    if check["accept_accuracy"] is None:
        return f"{check['threshold']:.2f}", answered, "–", "–"
    right = f"{check['accept_accuracy']:.1%} ({_range(check['accept_accuracy_interval'])})"
    return f"{check['threshold']:.2f}", answered, right, "yes" if check["kept"] else "no"


def _temperature(found: Mapping[str, float]) -> str:
    return (
        f"Dividing the scores by {found['value']:.3f} (temperature scaling) changes the expected "
        f"calibration error on the test photos from {found['ece_before']:.1%} to "
        f"{found['ece_after']:.1%} and no answer. The thresholds are for undivided scores."
    )


def _unknown(found: Mapping[str, Any], recommended: float) -> str:
    told = paragraph(
        f"Of {found['n_photos']:,} photos of none of the classes "
        f"{found['accepted_share']:.1%} ({_range(found['accepted_share_interval'])}) reach "
        f"{recommended:.2f} and are answered all the same. How well three figures tell them from "
        "photos of the classes (area under the ROC curve; 50% is chance):"
    )
    rows = [(SCORE_WORDS[name], f"{area:.1%}") for name, area in found["auroc"].items()]
    best = paragraph(
        f"The best is {SCORE_WORDS[found['best_score']]}: accepting what has at least "
        f"{found['best_score_threshold']:.4g} lets through "
        f"{found['best_score_known_accepted']:.1%} of the test photos and "
        f"{found['best_score_unknown_accepted']:.1%} "
        f"({_range(found['best_score_unknown_accepted_interval'])}) of the others."
    )
    return f"{told}\n{table(('figure', 'tells apart'), rows)}\n\n{best}"


def _classes(per_class: Mapping[str, Mapping[str, Any]]) -> str:
    told = paragraph(
        'The same target class by class, among the photos that were named so; "none" where no '
        "threshold reaches it. A figure on few photos says little:"
    )
    rows = [
        (escaped(name), "none", "–", "–", "0")
        if row["threshold"] is None
        else (
            escaped(name), f"{row['threshold']:.2f}", f"{row['coverage']:.1%}",
            f"{row['accept_accuracy']:.1%}", f"{row['n_accepted']:,}",
        )
        for name, row in per_class.items()
    ]  # fmt: skip
    head = ("class", "threshold", "answered", "of those right", "photos answered")
    return f"{told}\n{table(head, rows)}\n"


def _range(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{low:.1%} to {high:.1%}"
