"""The report of the step teacher: what came of it, and each network's curves."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from edgedistill.report.page import Section, Table, render_page
from edgedistill.report.training_page import training_section

History = Sequence[Mapping[str, Any]]


def render_teacher_page(
    histories: Mapping[str, History],
    figures: Mapping[str, float],
    n_val: int,
    more: Sequence[Section] = (),
) -> str:
    """One self-contained HTML page.

    Args:
        histories: by network, one row an epoch, with the keys of `artifacts.NETWORK`'s history.
        figures: val_accuracy, in [0, 1]; of several networks that is what they are worth together,
            and val_accuracy_<network> what each is by itself.
        n_val: number of validation photos.
        more: sections to follow the curves.
    """
    archs = list(histories)
    lead = f"Right on {figures['val_accuracy']:.1%} of {n_val:,} validation photos"
    if len(archs) == 1:
        curves = training_section(histories[archs[0]])
        return render_page(f"Teacher: {archs[0]}", f"{lead}, at its best epoch.", [curves, *more])
    how = f"all {len(archs)} networks together, by the mean of their probabilities."
    sections = [replace(training_section(rows), title=arch) for arch, rows in histories.items()]
    return render_page(
        f"Teachers: {', '.join(archs)}", f"{lead}, {how}", [_each(archs, figures), *sections, *more]
    )


def _each(archs: Sequence[str], figures: Mapping[str, float]) -> Section:
    """What each network is worth alone, and what all are worth together."""
    shares = {arch: figures[f"val_accuracy_{arch}"] for arch in archs}
    shares["together"] = figures["val_accuracy"]
    rows = [[name, f"{share:.1%}"] for name, share in shares.items()]
    return Section("Alone and together", table=Table(["network", "validation accuracy"], rows))
