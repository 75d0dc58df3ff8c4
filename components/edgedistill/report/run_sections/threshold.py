"""When the app should say 'unknown': the threshold, its promise, and a slider to try others."""

from collections.abc import Mapping
from typing import Any

from edgedistill.report.charts import Chart
from edgedistill.report.page import Section, Table
from edgedistill.report.run_facts import RunFacts
from edgedistill.report.wording import percent, span


def threshold_section(facts: RunFacts) -> Section:
    """The recommended and the guaranteed threshold, on the photos they come from and on test."""
    threshold = facts.threshold
    return Section(
        "When the app should say 'unknown'",
        paragraphs=[threshold["calibration_notes"], _guarantee(threshold)],
        charts=[_slider(facts)],
        tables=[*_promise(threshold), *_per_class(threshold)],
        abreast=True,
    )


def _guarantee(threshold: Mapping[str, Any]) -> str:
    """What is proved, or what it would take."""
    guarantee, t = threshold["guarantee"], threshold["guaranteed_threshold"]
    found = (
        "No threshold is guaranteed."
        if t is None
        else f"Guaranteed threshold: {t:.2f}, by {guarantee['n_accepted']:,} answers."
    )
    return f"{found} {guarantee['note']} Procedure: {guarantee['procedure']}."


def _slider(facts: RunFacts) -> Chart:
    threshold, curve = facts.threshold, facts.curve
    t, guaranteed = threshold["recommended_threshold"], threshold["guaranteed_threshold"]
    photos = f"{threshold['n_val']:,} {threshold['chosen_on']} photos"
    return Chart(
        "Try a threshold",
        "Share of photos that are answered, and share of right answers, over the threshold; the "
        "slider below the curves reads them off",
        {
            "rows": [[row["threshold"], row["coverage"], row["accept_accuracy"]] for row in curve],
            "recommended": t,
            "guaranteed": guaranteed,
            "target": threshold["target_accept_accuracy"],
            "min_coverage": threshold["min_coverage"],
        },
        ["threshold", "answered", "right among these"],
        [
            [f"{row['threshold']:.2f}", percent(row["coverage"]), percent(row["accept_accuracy"])]
            for row in curve
        ],
        f"On the {photos} that the threshold is chosen on. Broken lines: the wanted "
        "accuracy of answers and the least share answered.",
        wide=True,
        kind="threshold",
    )


def _promise(threshold: Mapping[str, Any]) -> list[Table]:
    """A figure a row, so that both thresholds stand side by side on a phone too."""
    guarantee, test = threshold["guarantee"], threshold["test"]
    t = threshold["guaranteed_threshold"]
    level = f"{threshold['confidence_level']:.0%} confidence"
    columns = {
        "recommended": [
            f"{threshold['recommended_threshold']:.2f}",
            percent(threshold["achieved_coverage"]),
            percent(threshold["achieved_accept_accuracy"]),
            percent(threshold["accept_accuracy_lower_bound"]),
        ],
        "guaranteed": [
            "" if t is None else f"{t:.2f}",
            percent(guarantee["coverage"]),
            percent(guarantee["accept_accuracy"]),
            percent(guarantee["lower_bound"]),
        ],
    }
    chosen = [name for name in columns if test[name] is not None]
    header = ["", *chosen]
    on_val = zip(
        ["threshold", "answered", "right among these", f"right at least, {level}"],
        *(columns[name] for name in chosen),
        strict=True,
    )
    on_test = zip(
        ["threshold", "answered", level, "right among these", level, "photos answered",
         "of these right", "wanted accuracy reached"],
        *(_on_test(test[name]) for name in chosen),
        strict=True,
    )  # fmt: skip
    titles = (
        f"On the {threshold['n_val']:,} {threshold['chosen_on']} photos it is chosen on",
        f"On {threshold['n_test']:,} test photos: is the promise kept?",
    )
    return [
        Table(header, [list(row) for row in rows], title=title)
        for title, rows in zip(titles, (on_val, on_test), strict=True)
    ]


def _on_test(result: Mapping[str, Any]) -> list[str]:
    kept = {True: "yes", False: "no", None: "nothing answered"}[result["kept"]]
    return [
        f"{result['threshold']:.2f}",
        percent(result["coverage"]),
        span(result["coverage_interval"]),
        percent(result["accept_accuracy"]),
        span(result["accept_accuracy_interval"]),
        f"{result['n_accepted']:,}",
        f"{result['n_correct']:,}",
        kept,
    ]


def _per_class(threshold: Mapping[str, Any]) -> list[Table]:
    if "per_class" not in threshold:
        return []
    rows = [
        [
            name,
            "none" if c["threshold"] is None else f"{c['threshold']:.2f}",
            f"{c['n_accepted']:,}",
            percent(c["coverage"]),
            percent(c["accept_accuracy"]),
        ]
        for name, c in threshold["per_class"].items()
    ]
    header = ["answer", "threshold", "photos answered", "answered", "right among these"]
    title = f"A threshold for each of the {len(rows):,} classes"
    return [Table(header, rows, title=title, folded=True)]
