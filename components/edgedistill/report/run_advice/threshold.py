"""What the threshold promises, whether it is kept, and what would make it sure."""

from collections.abc import Iterator

from edgedistill.report.run_facts import RunFacts
from edgedistill.report.wording import counted, percent, span, told_apart

_MANY_ACCEPTED = 0.1
"""Share of photos of no class on which an app should not name a class."""


def about_threshold(facts: RunFacts) -> Iterator[str]:
    """A target that no threshold reaches, one missed on the test photos, a missing guarantee."""
    threshold = facts.threshold
    target, test = threshold["target_accept_accuracy"], threshold["test"]["recommended"]
    right = test["accept_accuracy"]
    if threshold["selection_method"] == "utility_maximization":
        yield (
            f"No threshold reaches {target:.1%} right with {threshold['min_coverage']:.1%} "
            "answered; the recommended one is a compromise (utility_maximization). Train a better "
            "model, or lower threshold_target_accept_accuracy or threshold_min_coverage."
        )
    elif right is not None and right < target:
        low, high = test["accept_accuracy_interval"]
        chance = "within" if low <= target <= high else "beyond"
        target_shown, right_shown = told_apart(target, right)
        yield (
            f"The threshold's {target_shown} on {threshold['chosen_on']} photos became "
            f"{right_shown} on test photos, {chance} what chance explains ({span((low, high))}): "
            "for a margin, use the guaranteed threshold or raise threshold_target_accept_accuracy."
        )
    missing = threshold["guarantee"]["photos_missing"]
    if missing is not None:
        yield (
            f"No threshold is guaranteed: that would take {counted(missing, 'more photo')} that "
            "the app answers, without a further error. Add photos, or raise calib_frac (now "
            f"{facts.config['settings']['calib_frac']:g})."
        )


def about_unknown(facts: RunFacts) -> Iterator[str]:
    """Photos of no class that the app would name, or that nobody gave."""
    unknown = facts.threshold.get("unknown")
    if unknown is None:
        yield (
            "Give photos that show none of the classes (a folder _unknown, or unknown_uri): only "
            "they can say how often the app will name a class where there is none."
        )
    elif unknown["accepted_share"] > _MANY_ACCEPTED:
        share, best = unknown["accepted_share"], unknown["best_score_unknown_accepted"]
        use_it = (
            f"answer by {unknown['best_score']}, which lets in {percent(best)}, "
            if best < share
            else ""
        )
        yield (
            f"The app would name a class on {percent(share)} of the photos that show none: "
            f"{use_it}raise the threshold, or add a class of such photos."
        )
