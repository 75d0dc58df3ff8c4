"""The report of a training: what came of it, the curves, the rows they are drawn from."""

from collections.abc import Mapping, Sequence
from typing import Any

from edgedistill.report.page import Picture, Section, Table, render_page
from edgedistill.report.plots import learning_curves

_COLUMNS = ("stage", "epoch", "loss", "train_accuracy", "val_loss", "val_accuracy", "lr", "seconds")


def render_training_page(title: str, history: Sequence[Mapping[str, Any]], *, n_val: int) -> str:
    """One self-contained HTML page.

    Args:
        title: such as "Teacher: efficientnet_b3".
        history: one row an epoch, with the keys of `artifacts.NETWORK`'s history; at least one.
        n_val: number of validation photos.
    """
    best = max(row["val_accuracy"] for row in history)
    lead = f"Right on {best:.1%} of {n_val:,} validation photos, at its best epoch."
    return render_page(title, lead, [training_section(history)])


def training_section(history: Sequence[Mapping[str, Any]]) -> Section:
    """The curves, with the rows that they are drawn from."""
    rows = [[_cell(row[name]) for name in _COLUMNS] for row in history]
    return Section(
        "Training",
        images=[Picture(learning_curves(history), "Loss and accuracy by epoch", wide=True)],
        table=Table([name.replace("_", " ") for name in _COLUMNS], rows),
    )


def _cell(value: float | str | None) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
