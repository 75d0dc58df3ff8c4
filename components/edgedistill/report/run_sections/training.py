"""How the trainings went, epoch by epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

from edgedistill.core.best_epoch import best_epoch
from edgedistill.report.charts import Chart
from edgedistill.report.page import Section
from edgedistill.report.run_facts import RunFacts

_MOST_TICKS = 8
_PARTS = (
    ("Loss", "loss", "val_loss", False),
    ("Accuracy", "train_accuracy", "val_accuracy", True),
)


def training_sections(facts: RunFacts) -> list[Section]:
    """One for each training that has epochs."""
    return [
        training_curves(title, document["history"])
        for title, document in (
            *((f"Training of the teacher ({t['arch']})", t) for t in facts.teachers),
            (f"Training of the student ({facts.student['arch']})", facts.student),
            ("Quantisation-aware fine-tuning", facts.quantization),
        )
        if document["history"]
    ]


def training_curves(title: str, history: Sequence[Mapping[str, Any]]) -> Section:
    """Loss and accuracy by epoch, of training and of validation photos; the kept one is ringed."""
    kept = history[best_epoch(history)]
    charts = [
        Chart(
            name,
            f"{title}: {name.lower()} by epoch, on training and on validation photos",
            [_panel(history, kept, name, keys, percent=percent)],
            ["stage", "epoch", "training", "validation"],
            [
                [row["stage"], str(row["epoch"]),
                 *(_text(row[key], percent=percent) for key in keys)]
                for row in history
            ],
        )
        for name, *keys, percent in _PARTS
    ]  # fmt: skip
    text = (
        f"Kept: epoch {kept['epoch']} of the stage '{kept['stage']}', with the lowest validation "
        "loss (ringed). Stages are not joined by a line: their losses are not of one kind."
    )
    return Section(title, [text], charts=charts)


def _panel(
    history: Sequence[Mapping[str, Any]],
    kept: Mapping[str, Any],
    name: str,
    keys: Sequence[str],
    *,
    percent: bool,
) -> dict[str, Any]:
    points = [
        {"epoch": row["epoch"], "value": row[key], "of": of, "line": f"{of} {row['stage']}"}
        for key, of in zip(keys, ("training", "validation"), strict=True)
        for row in history
        if row[key] is not None
    ]
    ring = [{"epoch": kept["epoch"], "value": kept[keys[1]]}]
    epochs = sorted({row["epoch"] for row in history})
    step = -(-len(epochs) // _MOST_TICKS)
    axis = {"label": f"{name.lower()}, %" if percent else name.lower(), "grid": True}
    return {
        "height": 300,
        "marginTop": 30,
        "insetLeft": 8,
        "insetRight": 8,
        "x": {"label": "epoch", "ticks": epochs[::step], "tickFormat": "d"},
        "y": {**axis, "percent": True} if percent else {**axis, "nice": True},
        "color": {"domain": ["training", "validation"], "range": ["var(--c1)", "var(--c2)"],
                  "legend": True},
        "marks": [
            ["line", points, {"x": "epoch", "y": "value", "stroke": "of", "z": "line"}],
            ["dot", points, {"x": "epoch", "y": "value", "fill": "of", "r": 3, "tip": True}],
            ["dot", ring, {"x": "epoch", "y": "value", "r": 8, "stroke": "currentColor"}],
        ],
    }  # fmt: skip


def _text(value: float | None, *, percent: bool) -> str:
    if value is None:
        return "–"
    return f"{value:.1%}" if percent else f"{value:.3f}"
