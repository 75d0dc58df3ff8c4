"""What is taken for what: readable with five classes, with fifty and with five hundred."""

from typing import Any

from edgedistill.report.charts import Chart
from edgedistill.report.matrix import Matrix
from edgedistill.report.page import Section, Table
from edgedistill.report.run_facts import RunFacts
from edgedistill.report.wording import counted

MOST_IN_TABLE = 14
"""Classes whose matrix is a table of numbers; that of more is a map to zoom into."""
_MOST_NAMED = 4
_PAIRS_OPEN = 10


def confusion_section(facts: RunFacts) -> Section:
    """The matrix, and the pairs that are confused most."""
    names = list(facts.metrics["per_class"])
    paragraph = (
        f"Of the file on the {counted(facts.metrics['n_test'], 'test photo')}. Every row is a true "
        "class and adds up to its photos; what is not on the diagonal is wrong."
    )
    title = "What is taken for what"
    if len(names) <= MOST_IN_TABLE:
        matrix = Matrix("Confusion matrix", names, facts.confusion)
        return Section(title, [paragraph], matrix=matrix, tables=_pairs(facts))
    return Section(title, [paragraph], charts=[_map(facts, names)], tables=_pairs(facts))


def _pairs(facts: RunFacts) -> list[Table]:
    if not facts.evaluation["confused_pairs"]:
        return []
    support = {name: c["support"] for name, c in facts.metrics["per_class"].items()}
    rows = [
        [pair["true"], pair["predicted"], f"{pair['count']:,}", f"{support[pair['true']]:,}"]
        for pair in facts.evaluation["confused_pairs"]
    ]
    header = ["true class", "taken for", "photos", "of"]
    tables = [Table(header, rows[:_PAIRS_OPEN], title="Confused most often")]
    if rows[_PAIRS_OPEN:]:
        title = f"The next {len(rows) - _PAIRS_OPEN}"
        tables.append(Table(header, rows[_PAIRS_OPEN:], title=title, folded=True))
    return tables


def _map(facts: RunFacts, names: list[str]) -> Chart:
    """Only the cells with photos: of many classes nearly all are empty."""
    cells = [
        [true, predicted, count]
        for true, row in enumerate(facts.confusion)
        for predicted, count in enumerate(row)
        if count
    ]
    data: dict[str, Any] = {"names": names, "cells": cells}
    return Chart(
        f"Confusion matrix of {len(names):,} classes",
        f"Confusion matrix of {len(names):,} classes: choose a class to read its row and column; "
        "with the map in focus the arrow keys move from cell to cell, plus and minus zoom",
        data,
        ["true class", "photos", "right", "wrong, taken for"],
        [_row_text(names, at, row) for at, row in enumerate(facts.confusion)],
        "Blue: right; orange: wrong; the stronger, the larger the share of the true class's "
        "photos. Drag the map, or zoom with its buttons.",
        wide=True,
        kind="heatmap",
    )


def _row_text(names: list[str], true: int, row: Any) -> list[str]:
    wrong = sorted(
        ((n, at) for at, n in enumerate(row) if n and at != true),
        key=lambda pair: (-pair[0], pair[1]),
    )
    shown = [f"{names[at]} {n:,}" for n, at in wrong[:_MOST_NAMED]]
    more = len(wrong) - _MOST_NAMED
    if more > 0:
        shown.append(f"{more:,} more classes")
    return [names[true], f"{sum(row):,}", f"{row[true]:,}", ", ".join(shown)]
