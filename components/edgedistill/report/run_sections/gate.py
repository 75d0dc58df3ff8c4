"""What was asked of the model before it may ship, and how it does against an earlier one."""

from collections.abc import Mapping
from typing import Any

from edgedistill.report.page import Section, Table
from edgedistill.report.run_facts import RunFacts
from edgedistill.report.wording import is_noise, p_value, percent, signed_points, span, told_apart


def gate_section(facts: RunFacts) -> Section:
    """The limits, and the earlier bundle where one was given."""
    gate, level = facts.gate, facts.evaluation["confidence_level"]
    asked, reached = told_apart(gate["min_top1"], facts.metrics["top1"])
    least = (
        f"Top-1 of at least {asked} was asked for (min_top1); the file has {reached}."
        if gate["min_top1"]
        else "No least top-1 was asked for (min_top1 is 0)."
    )
    baseline = gate["baseline"]
    if baseline is None:
        least += " No earlier bundle was given to compare with (baseline_uri)."
        return Section("What was asked of it", [least])
    allowed = (
        f"Against the earlier bundle, on the same test photos, at most "
        f"{100 * gate['max_regression']:.1f} points might be lost (max_regression)."
    )
    return Section("What was asked of it", [least, allowed], table=_table(baseline, level))


def _table(baseline: Mapping[str, Any], level: float) -> Table:
    low, high = baseline["difference_interval"]
    reading = "noise" if is_noise(baseline["p_value"]) else "more than chance explains"
    rows = [
        ["earlier bundle", baseline["uri"]],
        ["its top-1", percent(baseline["top1"])],
        [f"{level:.0%} confidence", span(baseline["top1_interval"])],
        ["this file less that, points", signed_points(baseline["difference"])],
        [f"{level:.0%} confidence", f"{signed_points(low)} to {signed_points(high)}"],
        ["p (McNemar's exact test)", f"{p_value(baseline['p_value'])}: {reading}"],
    ]
    return Table(["", ""], rows)
