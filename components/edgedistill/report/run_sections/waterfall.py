"""From the teacher to the shipped file: what each step gained or lost on the same photos."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from edgedistill.report.charts import Chart, Measured, interval_panel
from edgedistill.report.page import Section, Table
from edgedistill.report.run_facts import RunFacts
from edgedistill.report.wording import (
    NOISE_P,
    counted,
    decimals,
    is_noise,
    p_value,
    percent,
    signed_points,
    span,
)

_SAME, _GAIN, _LOSS = "var(--c6)", "var(--c3)", "var(--c2)"


def waterfall_section(facts: RunFacts) -> Section:
    """Every model on the test photos, and each against the one before it."""
    level = facts.evaluation["confidence_level"]
    photos = counted(facts.metrics["n_test"], "test photo")
    gain = facts.teacher_gain
    return Section(
        "From the teacher to the file",
        paragraphs=[
            f"Every model answered the same {photos}. Top-1: share "
            "of photos whose class is named right. Macro-F1: the same care for every class, "
            "however rare. ECE, expected calibration error: mean gap between confidence and "
            "accuracy, 0 is perfect.",
            "Photos that both models get right, or both wrong, say nothing about a difference; "
            "McNemar's exact test asks whether the others could have fallen so by chance. From "
            f"p = {NOISE_P:g} on, the difference is called noise.",
            *([] if gain is None else [gain.in_words]),
        ],
        charts=[_chart(facts, level)],
        tables=[_differences(facts, level)],
    )


def _chart(facts: RunFacts, level: float) -> Chart:
    models = facts.evaluation["models"]
    rows = [
        Measured(m["title"], m["top1"], m["top1_interval"],
                 f"{m['title']}: {percent(m['top1'])} ({span(m['top1_interval'])})")
        for m in models
    ]  # fmt: skip
    panel = interval_panel(rows, label="right on test photos (top-1)")
    arrows = [
        {
            "from": before["title"],
            "to": after["title"],
            "x1": before["top1"],
            "x2": after["top1"],
            "colour": _colour(facts.comparison(before["name"], after["name"])),
        }
        for before, after in pairwise(models)
    ]
    options = {"x1": "x1", "x2": "x2", "y1": "from", "y2": "to", "stroke": "colour",
               "strokeWidth": 1.5, "inset": 7, "headLength": 7}  # fmt: skip
    panel["marks"].insert(0, ["arrow", arrows, options])
    return Chart(
        "Right on the test photos, model by model",
        "Top-1 accuracy of each model with its interval, from the teacher down to the file: "
        + "; ".join(f"{m['title']} {percent(m['top1'])}" for m in models),
        [panel],
        ["model", "top-1", "from to", "macro-F1", "from to", "ECE", "from to", "ECE, equal mass",
         "Brier", "NLL"],
        [_numbers(m) for m in models],
        f"Lines: where the true figure lies, with {level:.0%} confidence, for one model alone. "
        "Arrows: grey where the difference is noise, green where it is a gain, orange where it is "
        "a loss.",
        wide=True,
    )  # fmt: skip


def _numbers(model: Mapping[str, Any]) -> list[str]:
    ece_low, ece_high = model["ece_interval"]
    return [
        model["title"],
        percent(model["top1"]),
        span(model["top1_interval"]),
        percent(model["macro_f1"]),
        span(model["macro_f1_interval"]),
        decimals(model["ece"]),
        f"{ece_low:.3f} to {ece_high:.3f}",
        decimals(model["ece_equal_mass"]),
        decimals(model["brier"]),
        decimals(model["nll"]),
    ]


def _differences(facts: RunFacts, level: float) -> Table:
    titles = {m["name"]: m["title"] for m in facts.evaluation["models"]}
    rows = [
        [
            f"{titles[c['from']]} → {titles[c['to']]}",
            signed_points(c["difference"]),
            f"{signed_points(c['difference_interval'][0])} to "
            f"{signed_points(c['difference_interval'][1])}",
            _reading(c),
            p_value(c["p_value"]),
            f"{c['only_from_right']:,}",
            f"{c['only_to_right']:,}",
        ]
        for c in facts.evaluation["comparisons"]
    ]
    header = ["step", "points", f"{level:.0%} confidence", "reading", "p", "lost", "won"]
    title = "Differences of top-1; lost and won: photos that only the first, only the second gets"
    return Table(header, rows, title=title)


def _reading(comparison: Mapping[str, Any]) -> str:
    if comparison["only_from_right"] == comparison["only_to_right"] == 0:
        return "no photo differs"
    if is_noise(comparison["p_value"]):
        return "noise"
    return "a gain" if comparison["difference"] > 0 else "a loss"


def _colour(comparison: Mapping[str, Any] | None) -> str:
    if comparison is None:
        return _SAME
    return {"a gain": _GAIN, "a loss": _LOSS}.get(_reading(comparison), _SAME)
