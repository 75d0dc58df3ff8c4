"""The verdict on a run: ship, ship with care, or do not ship, and why."""

from collections.abc import Iterator
from dataclasses import dataclass

from edgedistill.report.run_facts import RunFacts
from edgedistill.report.wording import counted, percent, span, told_apart

SHIP, WITH_CARE, DO_NOT_SHIP = "Ship", "Ship with care", "Do not ship"


@dataclass(frozen=True)
class Verdict:
    """`decision` is SHIP, WITH_CARE or DO_NOT_SHIP; `reasons` are whole sentences, in order."""

    decision: str
    reasons: tuple[str, ...]

    @property
    def text(self) -> str:
        """What a hurried reader reads."""
        return f"{self.decision}. {' '.join(self.reasons)}"


def verdict(facts: RunFacts) -> Verdict:
    """What gate.json decided; where it lets the model pass, the threshold's promise may warn."""
    gate = facts.gate
    if not gate["ship"]:
        return Verdict(DO_NOT_SHIP, (*gate["reasons"], _evidence(facts)))
    warnings = tuple(_warnings(facts))
    decision = WITH_CARE if warnings else SHIP
    return Verdict(decision, (*warnings, _evidence(facts), *_unasked(facts)))


def _warnings(facts: RunFacts) -> Iterator[str]:
    threshold = facts.threshold
    target, test = threshold["target_accept_accuracy"], threshold["test"]["recommended"]
    interval = test["accept_accuracy_interval"]
    if test["accept_accuracy"] is None:
        yield "The threshold lets the app answer none of the test photos."
    elif interval[1] < target:
        yield (
            f"The wanted {target:.1%} of right answers is missed on the test photos by more than "
            f"chance explains ({percent(test['accept_accuracy'])}, with "
            f"{threshold['confidence_level']:.0%} confidence {span(interval)})."
        )
    if threshold["selection_method"] == "utility_maximization":
        yield (
            f"No threshold reaches {target:.1%} right with {threshold['min_coverage']:.1%} "
            "answered; the recommended one is a compromise."
        )


def _evidence(facts: RunFacts) -> str:
    """How good the file is, and what the app gets."""
    metrics, threshold = facts.metrics, facts.threshold
    target = threshold["target_accept_accuracy"]
    top1_shown, _ = told_apart(metrics["top1"], target)
    first = (
        f"The int8 file is right on {top1_shown} of "
        f"{counted(metrics['n_test'], 'test photo')} that it had never seen."
    )
    test = threshold["test"]["recommended"]
    t, right = test["threshold"], test["accept_accuracy"]
    if right is None:
        return f"{first} At the threshold {t:.2f} it would answer none of them."
    meets = "meets" if right >= target else "is short of"
    right_shown, target_shown = told_apart(right, target)
    if t == 0:
        return (
            f"{first} At the threshold 0.00 the app answers every photo, never 'unknown', which "
            f"{meets} the wanted {target_shown}."
        )
    return (
        f"{first} Answering only from a confidence of {t:.2f} on, the app answers "
        f"{test['coverage']:.1%} of them and is right on {right_shown} of its answers, which "
        f"{meets} the wanted {target_shown}."
    )


def _unasked(facts: RunFacts) -> Iterator[str]:
    """What the verdict does not rest on."""
    if facts.gate["min_top1"] == 0 and facts.gate["baseline"] is None:
        yield (
            "No least accuracy was asked for (min_top1 is 0) and no earlier bundle given "
            "(baseline_uri): whether this is good enough is yours to say."
        )
