"""Runs held against the first of them on the photos that both judged, as a part of a page."""

from edgedistill.report.charts import Chart, Measured, interval_panel
from edgedistill.report.comparison_facts import ComparedRun, ComparisonFacts, Pair
from edgedistill.report.comparison_words import (
    by_run,
    difference_text,
    levels_text,
    listed,
    outcome,
    p_text,
    percent,
    points,
)
from edgedistill.report.page import Section, Table


def paired_section(facts: ComparisonFacts) -> Section:
    """Differences in top-1 with intervals, and what of them chance explains."""
    first = facts.first
    paragraphs = [
        f"Each run's file against that of '{first.name}' on the test photos that both judged: the "
        "same place, label and pixels. Only the photos on which one is right and the other wrong "
        "tell them apart. p: how often chance alone would part these at least so unevenly "
        "(McNemar's exact test), and what decides; the interval is Newcombe's for paired shares."
    ]
    if len(facts.compared) > 1:
        paragraphs.append(
            "Of many comparisons some look clear by chance: what is called better or worse here "
            "is so after Holm's correction for their number."
        )
    return Section(
        f"Photo by photo against {first.name}",
        paragraphs=paragraphs,
        bullets=[note for pair in facts.pairs for note in _pair_notes(pair, first)],
        charts=[_difference_chart(facts)] if facts.compared else [],
        tables=[_paired_table(facts)] if facts.compared else [],
    )


def _paired_table(facts: ComparisonFacts) -> Table:
    first, compared = facts.first, facts.compared
    rows = {
        "photos of both": [f"{pair.n_common:,}" for pair, _ in compared],
        f"top-1 of {first.name} on them": [percent(a.first_top1) for _, a in compared],
        "its own top-1 on them": [percent(a.second_top1) for _, a in compared],
        "difference, points": [points(a.paired.difference) for _, a in compared],
        f"interval, {levels_text(facts)}": [
            " to ".join(map(points, a.paired.difference_interval)) for _, a in compared
        ],
        f"only {first.name} right": [f"{a.paired.only_first_right:,}" for _, a in compared],
        "only it right": [f"{a.paired.only_second_right:,}" for _, a in compared],
        "p": [p_text(a.paired.p_value) for _, a in compared],
        "p after Holm": [p_text(a.p_adjusted) for _, a in compared],
        f"against {first.name}": [outcome(pair, first) for pair, _ in compared],
    }
    if len(compared) == 1:
        del rows["p after Holm"]
    return by_run([pair.run for pair, _ in compared], rows)


def _pair_notes(pair: Pair, first: ComparedRun) -> list[str]:
    """Why a pair is not compared, and what is left out of its comparison."""
    notes = [pair.refusal] if pair.refusal else []
    both = listed([pair.run.name, first.name])
    if pair.n_relabelled:
        notes.append(
            f"{pair.n_relabelled:,} test photos lie at one place in {both}, but under another "
            "label: they are left out."
        )
    if pair.n_other_pixels:
        notes.append(
            f"{pair.n_other_pixels:,} test photos lie at one place in {both} and have one label, "
            "but other pixels (another picture, or another decoder): they are left out."
        )
    if pair.answers and not pair.same_photos(first) and not notes:
        notes.append(
            f"{pair.n_common:,} photos are in both test splits, of {first.n_test:,} of "
            f"'{first.name}' and {pair.run.n_test:,} of '{pair.run.name}'."
        )
    return notes


def _difference_chart(facts: ComparisonFacts) -> Chart:
    rows, numbers = [], []
    for pair, answers in facts.compared:
        name, found = pair.run.name, answers.paired
        low, high = found.difference_interval
        rows.append(
            Measured(name, found.difference, (low, high), f"{name}: {difference_text(pair)}")
        )
        numbers.append([name, points(found.difference), points(low), points(high)])
    panel = interval_panel(rows, label="difference", reference=0.0)
    panel["x"] = {**panel["x"], "label": "difference, points"}
    first, level = facts.first.name, levels_text(facts)
    return Chart(
        title=f"Top-1 above that of {first}, on the same photos",
        alt=f"For each run the difference of its top-1 from that of {first}, with its interval at "
        f"{level} confidence.",
        data=[panel],
        header=["run", "difference, points", "low", "high"],
        rows=numbers,
        caption=f"Right of the broken line: better than {first}. Lines: intervals at {level} "
        "confidence.",
        wide=True,
    )
