"""The report of the step teacher: what came of it, and each network's curves."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from edgedistill.report.page import Section, Table, render_page
from edgedistill.report.training_page import render_training_page, training_section

History = Sequence[Mapping[str, Any]]


def render_teacher_page(histories: Mapping[str, History], val_accuracy: float, n_val: int) -> str:
    """One self-contained HTML page.

    Args:
        histories: by network, one row an epoch, with the keys of `artifacts.NETWORK`'s history.
        val_accuracy: of all networks together, in [0, 1].
        n_val: number of validation photos.
    """
    archs = ", ".join(histories)
    if len(histories) == 1:
        return render_training_page(f"Teacher: {archs}", histories[archs], n_val=n_val)
    lead = (
        f"Right on {val_accuracy:.1%} of {n_val:,} validation photos, all {len(histories)} "
        "networks together, by the mean of their probabilities."
    )
    curves = [replace(training_section(rows), title=arch) for arch, rows in histories.items()]
    return render_page(f"Teachers: {archs}", lead, [_each(histories, val_accuracy), *curves])


def _each(histories: Mapping[str, History], val_accuracy: float) -> Section:
    """What each network is worth alone, and what all are worth together."""
    rows = [[arch, _percent(_best(history))] for arch, history in histories.items()]
    return Section(
        "Alone and together",
        table=Table(
            ["network", "validation accuracy"], [*rows, ["together", _percent(val_accuracy)]]
        ),
    )


def _best(history: History) -> float:
    return max(float(row["val_accuracy"]) for row in history)


def _percent(share: float) -> str:
    return f"{share:.1%}"
