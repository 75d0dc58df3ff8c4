"""Arrays to PNG files; the same arrays give the same bytes.

Drawn on Figure objects of their own: pyplot keeps global state and leaks figures.
"""

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from edgedistill.core.best_epoch import best_epoch

_BLUE, _ORANGE, _RED, _GREY, _INK = "#2f6fb5", "#dd8221", "#c8423b", "#8a93a2", "#2b3342"
_DPI = 130
_MAX_NUMBERED_CLASSES = 20
_LONGEST_LABEL = 22


def learning_curves(history: Sequence[Mapping[str, Any]]) -> bytes:
    """Loss and accuracy by epoch, of training and validation photos.

    Args:
        history: at least one row, with stage, epoch (0: the head, fitted alone), loss,
            train_accuracy (both None where nothing was trained), val_loss and val_accuracy; each
            stands at its epoch. Stages are not joined by a line: their losses are not of one kind.
    """
    figure = Figure(figsize=(9.5, 3.9), layout="constrained")
    epochs = [row["epoch"] for row in history]
    panels = figure.subplots(1, 2)
    stages = _stages([str(row["stage"]) for row in history])
    for axes, title, keys in zip(
        panels,
        ("Loss", "Accuracy"),
        (("loss", "val_loss"), ("train_accuracy", "val_accuracy")),
        strict=True,
    ):
        for key, colour, name in zip(
            keys, (_BLUE, _ORANGE), ("training", "validation"), strict=True
        ):
            for first, last in stages:
                values = np.array([row[key] for row in history[first:last]], np.float64)
                label = name if first == 0 else None
                axes.plot(epochs[first:last], values, "o-", color=colour, ms=3.5, label=label)
        _style(axes, title, "epoch", "")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        _mark_stages(axes, {epochs[first]: str(history[first]["stage"]) for first, _ in stages})
    low, high = panels[1].get_ylim()
    panels[1].set_ylim(max(0.0, low - 0.03), min(1.015, high + 0.03))
    # Steps of whole percents, or the labels would be rounded.
    panels[1].yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    panels[1].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    best = best_epoch(history)
    panels[1].scatter(
        [epochs[best]], [history[best]["val_accuracy"]], s=90, facecolors="none",
        edgecolors=_INK, zorder=3, label=f"kept, {history[best]['val_accuracy']:.1%}",
    )  # fmt: skip
    for axes in panels:
        axes.legend(frameon=False, fontsize=9)
    return _png(figure)


def confusion_matrix_plot(matrix: NDArray[np.integer], label_names: Sequence[str]) -> bytes:
    """Photos by true class (row) and predicted class (column), coloured by the row's share.

    Args:
        matrix: shape (n_classes, n_classes), counts.
        label_names: length n_classes; counts stand in the cells up to 20 classes.

    Raises:
        ValueError: the shapes do not fit.
    """
    n_classes = len(label_names)
    if matrix.shape != (n_classes, n_classes):
        raise ValueError(f"matrix must be {n_classes} x {n_classes}; got {matrix.shape}")
    names = [_short(name) for name in label_names]
    numbered = n_classes <= _MAX_NUMBERED_CLASSES
    cells_in = n_classes * (0.46 if numbered else 0.22)
    side_in = min(20.0, max(3.2, cells_in) + 0.9 + 0.075 * max(map(len, names)))
    figure = Figure(figsize=(side_in + 0.9, side_in), layout="constrained")
    axes = figure.subplots()
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    # The root lets one wrong photo in fifty be seen.
    image = axes.imshow(share, cmap="Blues", norm=PowerNorm(0.5, vmin=0, vmax=1))
    size = 9.0 if n_classes <= 50 else max(3.0, 450 / n_classes)
    places = np.arange(n_classes)
    upright = 90 if max(map(len, names)) > 3 or not numbered else 0
    axes.set_xticks(places, names, rotation=upright, fontsize=size, parse_math=False)
    axes.set_yticks(places, names, fontsize=size, parse_math=False)
    axes.set_xticks(np.arange(n_classes + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(n_classes + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#ffffff", linewidth=0.8)
    axes.tick_params(which="both", length=0)
    axes.set(xlabel="predicted class", ylabel="true class")
    axes.spines[:].set_visible(False)
    if numbered:
        _write_counts(axes, matrix, share)
    bar = figure.colorbar(
        image, ax=axes, shrink=0.7, aspect=30, format=PercentFormatter(1, decimals=0)
    )
    bar.outline.set_visible(False)
    bar.set_label("share of the true class", fontsize=9)
    return _png(figure)


def threshold_plot(
    threshold: NDArray[np.floating],
    coverage: NDArray[np.floating],
    accept_accuracy: NDArray[np.floating],
    *,
    recommended: float,
    target: float,
    min_coverage: float,
    photos: str,
) -> bytes:
    """Coverage and accept accuracy over the threshold, with the two wishes and the choice.

    Args:
        threshold: shape (n,).
        coverage: shape (n,), in [0, 1].
        accept_accuracy: shape (n,), in [0, 1]; nan where nothing is accepted.
        recommended: the chosen threshold.
        target: accept accuracy wanted.
        min_coverage: coverage wanted.
        photos: which photos these are, such as "validation".
    """
    figure = Figure(figsize=(7, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.plot(threshold, accept_accuracy, color=_BLUE, label="right among the answered")
    axes.plot(threshold, coverage, color=_ORANGE, label="answered (coverage)")
    axes.axhline(target, color=_BLUE, linestyle=":", linewidth=1.3, label=f"wanted: {target:.1%}")
    axes.axhline(
        min_coverage,
        color=_ORANGE,
        linestyle=":",
        linewidth=1.3,
        label=f"wanted: {min_coverage:.1%}",
    )
    axes.axvline(recommended, color=_INK, linewidth=1.3, label=f"recommended: {recommended:.2f}")
    _style(axes, f"Threshold, on the {photos} photos", "threshold on the confidence", "")
    axes.set(xlim=(0, 1), ylim=(0, 1.03))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(frameon=False, fontsize=9, loc="lower left")
    return _png(figure)


def reliability_plot(
    edges: NDArray[np.floating],
    mean_confidence: NDArray[np.floating],
    accuracy: NDArray[np.floating],
    count: NDArray[np.integer],
    *,
    ece: float,
    photos: str,
) -> bytes:
    """Accuracy against confidence, and how many photos each bin holds.

    Args:
        edges: shape (n_bins + 1,).
        mean_confidence: shape (n_bins,); nan where a bin is empty.
        accuracy: shape (n_bins,); nan where a bin is empty.
        count: shape (n_bins,).
        ece: expected calibration error, in [0, 1].
        photos: which photos, for the title: "test".
    """
    figure = Figure(figsize=(7, 5.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    width = np.diff(edges)
    upper.bar(
        edges[:-1], np.nan_to_num(accuracy), width, align="edge", color=_BLUE, alpha=0.8,
        edgecolor="#ffffff", label="right",
    )  # fmt: skip
    upper.plot([0, 1], [0, 1], color=_GREY, linestyle="--", label="perfect")
    upper.plot(
        mean_confidence, accuracy, color=_INK, marker="o", markersize=4, linewidth=0,
        label="at the mean confidence",
    )  # fmt: skip
    _style(upper, f"Reliability, on the {photos} photos: error {ece:.3f}", "", "share right")
    upper.set(xlim=(0, 1), ylim=(0, 1.03))
    upper.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    upper.legend(frameon=False, fontsize=9, loc="upper left")
    lower.bar(edges[:-1], count, width, align="edge", color=_GREY, edgecolor="#ffffff")
    _style(lower, "", "confidence", "photos")
    lower.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    return _png(figure)


def confidence_plot(
    confidence: NDArray[np.floating],
    correct: NDArray[np.bool_],
    *,
    recommended: float,
    photos: str,
) -> bytes:
    """How confidence is spread over the right and over the wrong answers, in shares of each.

    Args:
        confidence: shape (n,), in [0, 1].
        correct: shape (n,).
        recommended: the threshold, drawn as a line.
        photos: which photos, for the title: "test".
    """
    figure = Figure(figsize=(7, 4.4), layout="constrained")
    axes = figure.subplots()
    edges = np.linspace(0, 1, 21)
    width = (edges[1] - edges[0]) * 0.45
    for chosen, colour, name, shift in (
        (correct, _BLUE, "right", 0.05),
        (~correct, _RED, "wrong", 0.5),
    ):
        counts, _ = np.histogram(confidence[chosen], edges)
        left = edges[:-1] + shift * (edges[1] - edges[0])
        share = counts / max(1, counts.sum())
        label = f"{name}: {counts.sum():,} photos"
        axes.bar(left, share, width, align="edge", color=colour, label=label)
    axes.axvline(recommended, color=_INK, linewidth=1.3, label=f"threshold {recommended:.2f}")
    _style(axes, f"Confidence, on the {photos} photos", "confidence", "share of each group")
    axes.set_xlim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    return _png(figure)


def _write_counts(axes: Axes, matrix: NDArray[np.integer], share: NDArray[np.floating]) -> None:
    size = 9 if len(matrix) <= 12 else 7
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            colour = "#ffffff" if share[row, column] > 0.35 else _INK
            text = f"{count:,}"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=size)


def _stages(names: Sequence[str]) -> list[tuple[int, int]]:
    """First row and the row after the last one of each stage."""
    starts = [i for i in range(len(names)) if i == 0 or names[i] != names[i - 1]]
    return list(zip(starts, [*starts[1:], len(names)], strict=True))


def _mark_stages(axes: Axes, names: Mapping[int, str]) -> None:
    """A line and the stage's name where another stage begins, given by its first epoch."""
    if len(names) < 2:
        return
    for n, (start, name) in enumerate(names.items()):
        if n:
            axes.axvline(start - 0.5, color=_GREY, linewidth=1, linestyle=":")
        axes.annotate(
            name, (start - 0.5 if n else start, 1), xycoords=("data", "axes fraction"),
            xytext=(3, 3), textcoords="offset points", fontsize=8, color=_GREY,
        )  # fmt: skip


def _style(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    if title:
        axes.set_title(title, fontsize=11, loc="left", color=_INK, pad=14)
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.grid(color="#e4e7ec", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_LABEL else name[: _LONGEST_LABEL - 1] + "…"


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        # A class name in a script that the font lacks shows as boxes; the tables have it right.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(file, format="png", dpi=_DPI, metadata={"Software": None})
    return file.getvalue()
