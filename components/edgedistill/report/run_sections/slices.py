"""Parts of the test photos: by size, by brightness, by folder."""

from collections.abc import Mapping, Sequence
from typing import Any

from edgedistill.report.charts import Chart, Measured, interval_panel
from edgedistill.report.page import Section
from edgedistill.report.run_facts import RunFacts
from edgedistill.report.wording import percent, span

_TITLES = {
    "size": "By size of the photo",
    "brightness": "By brightness",
    "folder": "By folder",
}


def slices_section(facts: RunFacts) -> Section:
    """A chart a way of parting; the broken line is the accuracy on all."""
    slices = facts.evaluation["slices"]
    level = facts.evaluation["confidence_level"]
    charts = [
        _chart(_TITLES[by], rows, facts.metrics["top1"], level)
        for by, rows in slices.items()
        if rows
    ]
    title = "Which photos it is good at"
    if not charts:
        return Section(title, ["The test photos are too alike to be parted."])
    return Section(
        title,
        paragraphs=[
            "Top-1 of the file on parts of the test photos. Where an interval lies wholly to one "
            "side of the broken line, that part stands out; of twenty parts one will by chance."
        ],
        charts=charts,
    )


def _chart(title: str, rows: Sequence[Mapping[str, Any]], overall: float, level: float) -> Chart:
    measured = [
        Measured(_name(row), row["top1"], row["top1_interval"],
                 f"{_name(row)}: {percent(row['top1'])} ({span(row['top1_interval'])}) of "
                 f"{row['n_photos']:,} photos")
        for row in rows
    ]  # fmt: skip
    return Chart(
        title,
        f"{title}: top-1 of each part, with its interval",
        [interval_panel(measured, label="right (top-1)", reference=overall)],
        ["part", "photos", "top-1", f"with {level:.0%} confidence"],
        [[_name(row), f"{row['n_photos']:,}", percent(row["top1"]), span(row["top1_interval"])]
         for row in rows],
    )  # fmt: skip


def _name(row: Mapping[str, Any]) -> str:
    return str(row["name"]) or "no folder"
