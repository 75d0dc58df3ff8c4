"""What the file makes of photos that are damaged as phones damage them."""

from collections.abc import Mapping
from typing import Any

from edgedistill.report.charts import Chart, Measured, interval_panel
from edgedistill.report.page import Section
from edgedistill.report.run_facts import RunFacts
from edgedistill.report.wording import percent, signed_points, span

_COLOURS = {1: "var(--c1)", 2: "var(--c2)"}


def robustness_section(facts: RunFacts) -> Section:
    """Accuracy under each damage, at two strengths."""
    robustness = facts.evaluation["robustness"]
    title = "Photos as phones take them"
    if robustness is None:
        return Section(title, ["Not measured: robustness_photos is 0."])
    level, damages = facts.evaluation["confidence_level"], robustness["damages"]
    measured = [
        Measured(damage_name(d), d["top1"], d["top1_interval"],
                 f"{damage_name(d)}, {d['setting']}: {percent(d['top1'])} "
                 f"({span(d['top1_interval'])})", _COLOURS[d["strength"]])
        for d in damages
    ]  # fmt: skip
    clean, mean = robustness["clean_top1"], robustness["mean_top1"]
    chart = Chart(
        "Right under damage",
        "Top-1 of the file under each damage, at two strengths, with its interval",
        [interval_panel(measured, label="right (top-1)", reference=clean)],
        ["damage", "setting", "photos", "top-1", f"with {level:.0%} confidence",
         "same photos, clean", "points"],
        [_numbers(d) for d in damages],
        "Broken line: the photos as they are. Blue: mild; orange: strong.",
        wide=True,
    )  # fmt: skip
    return Section(
        title,
        paragraphs=[
            f"{robustness['n_photos']:,} test photos, damaged as phones and apps do. As they are, "
            f"the file is right on {percent(clean)} of them; over all damages it is right on "
            f"{percent(mean)} on average ({signed_points(mean - clean)} points)."
        ],
        charts=[chart],
    )


def damage_name(damage: Mapping[str, Any]) -> str:
    """A damage and its strength, short."""
    return f"{damage['name']}, {'mild' if damage['strength'] == 1 else 'strong'}"


def _numbers(damage: Mapping[str, Any]) -> list[str]:
    return [
        damage_name(damage),
        damage["setting"],
        f"{damage['n_photos']:,}",
        percent(damage["top1"]),
        span(damage["top1_interval"]),
        percent(damage["clean_top1"]),
        signed_points(damage["top1"] - damage["clean_top1"]),
    ]
