"""The report of a training: what came of it, the curves, the rows they are drawn from."""

from collections.abc import Mapping, Sequence
from typing import Any

from edgedistill.core.best_epoch import best_epoch
from edgedistill.report.page import Picture, Section, Table, render_page
from edgedistill.report.plots import learning_curves

_COLUMNS = {
    "stage": "stage",
    "epoch": "epoch",
    "loss": "loss",
    "hard_loss": "hard",
    "distillation_loss": "distilled",
    "train_accuracy": "accuracy",
    "val_loss": "val loss",
    "val_accuracy": "val accuracy",
    "lr": "rate",
    "images_per_s": "images/s",
    "seconds": "s",
}
"""Keys of a row, with their headings: short, so that the table fits the page."""

History = Sequence[Mapping[str, Any]]


def render_training_page(
    title: str, history: History, *, n_val: int, more: Sequence[Section] = ()
) -> str:
    """One self-contained HTML page.

    Args:
        title: such as "Teacher: efficientnet_b3".
        history: one row an epoch, with the keys of `artifacts.NETWORK`'s history; at least one.
        n_val: number of validation photos.
        more: sections to follow the curves.
    """
    kept = history[best_epoch(history)]
    lead = f"Right on {kept['val_accuracy']:.1%} of {n_val:,} validation photos, at its best epoch."
    return render_page(title, lead, [training_section(history), *more])


def training_section(history: History) -> Section:
    """The curves, with the rows that they are drawn from; the kept one is marked."""
    kept = best_epoch(history)
    rows = [[_cell(row[name]) for name in _COLUMNS] for row in history]
    rows[kept][1] += ", kept"
    return Section(
        "Training",
        images=[Picture(learning_curves(history), "Loss and accuracy by epoch", wide=True)],
        table=Table(list(_COLUMNS.values()), rows),
    )


def _cell(value: float | str | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
