"""What to do next, in sentences, the most telling first."""

from collections.abc import Iterator

from edgedistill.report.run_advice.models import about_epochs, about_quantisation, about_teacher
from edgedistill.report.run_advice.photos import about_labels, about_photos, about_robustness
from edgedistill.report.run_advice.threshold import about_threshold, about_unknown
from edgedistill.report.run_facts import RunFacts


def next_steps(facts: RunFacts) -> list[str]:
    """What to do next, the most telling first; never empty."""
    findings = [
        *about_quantisation(facts),
        *about_teacher(facts),
        *about_epochs(facts),
        *about_threshold(facts),
        *about_unknown(facts),
        *about_robustness(facts),
        *about_labels(facts),
        *about_photos(facts),
    ]
    if not findings:
        findings = ["Nothing stands out: try the file on photos that the phone itself took."]
    return [*_about_gate(facts), *findings, *_about_bundle(facts)]


def _about_gate(facts: RunFacts) -> Iterator[str]:
    if not facts.gate["ship"]:
        yield (
            "No bundle was made, for this model is not to ship. Mend what follows and run again; "
            "or, if this accuracy will do, change "
            f"min_top1 (now {facts.gate['min_top1']:g}) or max_regression (now "
            f"{facts.gate['max_regression']:g})."
        )


def _about_bundle(facts: RunFacts) -> Iterator[str]:
    if facts.gate["ship"]:
        yield (
            "Give bundle.zip to the app's team, and have them run its parity_check.py on what the "
            "app feeds the model: other pixels cost accuracy that no test here can see."
        )
