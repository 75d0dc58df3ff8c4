"""Whether a confidence of 0.9 is right nine times in ten."""

from collections.abc import Mapping, Sequence
from typing import Any

from edgedistill.report.charts import REFERENCE_LINE, Chart
from edgedistill.report.page import Section, Table
from edgedistill.report.run_facts import RunFacts
from edgedistill.report.wording import decimals, percent, span

_PERCENT_AXIS = {"percent": True, "domain": [0, 100], "ticks": 5}


def calibration_section(facts: RunFacts) -> Section:
    """Reliability in bins of equal width and of equal mass, confidences, and temperature."""
    calibration, file = facts.evaluation["calibration"], facts.file
    return Section(
        "Whether its confidence can be believed",
        paragraphs=[
            f"ECE of the file, with bins of equal width: {decimals(file['ece'])} (with "
            f"{facts.evaluation['confidence_level']:.0%} confidence {_from_to(file)}); with bins "
            f"of equal mass: {decimals(file['ece_equal_mass'])}. Brier score, the squared error "
            f"summed over classes, 0 is perfect: {decimals(file['brier'])}. NLL, in nats: "
            f"{decimals(file['nll'])}.",
            _temperature_text(facts.threshold.get("temperature")),
        ],
        charts=[
            _reliability("Bins of equal width", calibration["equal_width"]),
            _reliability("Bins of equal mass", calibration["equal_mass"]),
            _histogram(calibration["histogram"], facts.threshold["recommended_threshold"]),
        ],
        tables=_temperature_table(facts.threshold.get("temperature")),
    )


def _from_to(file: Mapping[str, Any]) -> str:
    low, high = file["ece_interval"]
    return f"{low:.3f} to {high:.3f}"


def _reliability(title: str, bins: Sequence[Mapping[str, Any]]) -> Chart:
    """A dot for each bin that has photos; how many, below."""
    dots = [
        {
            "confidence": b["mean_confidence"],
            "accuracy": b["accuracy"],
            "low": b["accuracy_interval"][0],
            "high": b["accuracy_interval"][1],
            "text": f"confidence {percent(b['mean_confidence'])}, right {percent(b['accuracy'])} "
            f"({span(b['accuracy_interval'])}), {b['count']:,} photos",
        }
        for b in bins
        if b["count"]
    ]
    counts = [{"low": b["low"], "high": b["high"], "count": b["count"]} for b in bins]
    diagonal = [{"x": 0, "y": 0}, {"x": 1, "y": 1}]
    lines = {"x": "confidence", "y1": "low", "y2": "high", "stroke": "var(--c1)", "strokeWidth": 2}
    points = {"x": "confidence", "y": "accuracy", "fill": "var(--c1)", "r": 4.5, "title": "text",
              "tip": True}  # fmt: skip
    bars = {"x1": "low", "x2": "high", "y": "count", "fill": "var(--c1)", "fillOpacity": 0.55}
    return Chart(
        title,
        f"Share of right answers against confidence, {len(dots)} bins with photos; on the "
        "diagonal, confidence is what it says",
        [
            {
                "height": 345,
                "marginTop": 30,
                "x": {**_PERCENT_AXIS, "label": "confidence, %", "grid": True},
                "y": {**_PERCENT_AXIS, "label": "right, %", "grid": True},
                "marks": [
                    ["line", diagonal, {"x": "x", "y": "y", **REFERENCE_LINE}],
                    ["ruleX", dots, lines],
                    ["dot", dots, points],
                ],
            },
            {
                "height": 130,
                "marginTop": 22,
                "x": {**_PERCENT_AXIS, "label": "confidence, %"},
                "y": _count_axis("photos", [b["count"] for b in bins]),
                "marks": [["rectY", counts, bars]],
            },
        ],
        ["confidence", "photos", "mean confidence", "right", "from to"],
        [
            [
                f"{b['low']:.3f} to {b['high']:.3f}",
                f"{b['count']:,}",
                percent(b["mean_confidence"]),
                percent(b["accuracy"]),
                span(b["accuracy_interval"]),
            ]
            for b in bins
        ],
        "Below the diagonal the file is too sure of itself, above it too modest.",
    )


def _histogram(histogram: Mapping[str, Any], recommended: float) -> Chart:
    """Right answers above, wrong ones below, each with its own scale."""
    edges = histogram["edges"]
    bins = list(zip(edges, edges[1:], histogram["right"], histogram["wrong"], strict=False))

    def panel(name: str, column: int, colour: str) -> dict[str, Any]:
        bars = [{"low": b[0], "high": b[1], "photos": b[column]} for b in bins]
        options = {"x1": "low", "x2": "high", "y": "photos", "fill": colour}
        return {
            "height": 150,
            "marginTop": 26,
            "x": {**_PERCENT_AXIS, "label": "confidence, %"},
            "y": _count_axis(f"photos, {name}", [b[column] for b in bins]),
            "marks": [["rectY", bars, options], ["ruleX", [recommended], REFERENCE_LINE]],
        }

    return Chart(
        "Confidence of right and of wrong answers",
        "How many answers have which confidence: right ones above, wrong ones below",
        [panel("right", 2, "var(--c1)"), panel("wrong", 3, "var(--c2)")],
        ["confidence", "right", "wrong"],
        [[f"{low:.2f} to {high:.2f}", f"{right:,}", f"{wrong:,}"]
         for low, high, right, wrong in bins],
        f"Broken line: the recommended threshold, {recommended:.2f}. Each part has its own scale.",
        wide=True,
    )  # fmt: skip


def _count_axis(label: str, counts: Sequence[int]) -> dict[str, Any]:
    """From nothing up to the most, or to one where all are nothing; whole numbers."""
    most = max(1, *counts)
    return {"label": label, "domain": [0, most], "ticks": min(3, most), "grid": True}


def _temperature_text(temperature: Mapping[str, Any] | None) -> str:
    if temperature is None:
        return "No temperature was fitted."
    return (
        f"Dividing the logits by a temperature of {temperature['value']:.3f}, fitted on other "
        "photos, would change the test photos' ECE and NLL as the table says, and no answer. The "
        "threshold is for the confidences as they are, without it: where an app uses the "
        "temperature, choose another threshold."
    )


def _temperature_table(temperature: Mapping[str, Any] | None) -> list[Table]:
    if temperature is None:
        return []
    rows = [
        [name, decimals(temperature[f"{key}_before"]), decimals(temperature[f"{key}_after"])]
        for name, key in (("ECE", "ece"), ("NLL", "nll"))
    ]
    return [Table(["", "as it is", "with temperature"], rows, title="Temperature scaling")]
