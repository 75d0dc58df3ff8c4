"""The four numbers that stand large at the top, each with its interval."""

from collections.abc import Mapping, Sequence
from typing import Any

from edgedistill.report.page import Headline
from edgedistill.report.run_facts import RunFacts
from edgedistill.report.wording import percent, span


def headlines(facts: RunFacts) -> list[Headline]:
    """Accuracy, macro-F1, and what the app gets at the recommended threshold; all on test."""
    file, test = facts.file, facts.threshold["test"]["recommended"]
    level = facts.evaluation["confidence_level"]
    at = f"at the threshold {test['threshold']:.2f}"

    def headline(value: float | None, interval: Sequence[float] | None, label: str) -> Headline:
        remark = f"{span(interval)}, {level:.0%} confidence" if interval else "nothing answered"
        return Headline(percent(value), label, remark)

    def of_test(name: str, label: str) -> Headline:
        return headline(test[name], _interval(test, name), f"{label}, {at}")

    return [
        headline(file["top1"], file["top1_interval"], "photos named right (top-1)"),
        headline(file["macro_f1"], file["macro_f1_interval"], "every class alike (macro-F1)"),
        of_test("accept_accuracy", "of its answers right"),
        of_test("coverage", "of photos answered"),
    ]


def _interval(result: Mapping[str, Any], name: str) -> Sequence[float] | None:
    interval: Sequence[float] | None = result[f"{name}_interval"]
    return interval
