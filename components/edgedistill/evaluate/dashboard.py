"""What Kubeflow's dashboard shows of the step: some figures, one matrix, one curve."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.metrics import correctness_roc, shown_confusion
from edgedistill.evaluate.judged import STUDENT, TEACHER, Judged


@dataclass(frozen=True)
class DashboardViews:
    """Finite Python numbers: metrics, a confusion matrix (rows: truth), points of a ROC curve."""

    metrics: dict[str, float]
    confusion_labels: list[str]
    confusion_matrix: list[list[int]]
    fpr: list[float]
    tpr: list[float]
    thresholds: list[float]


def dashboard_views(
    models: Sequence[Judged],
    matrix: NDArray[np.int64],
    label_names: Sequence[str],
    *,
    gate: Mapping[str, Any],
    robustness: Mapping[str, Any] | None,
    seconds: float,
) -> DashboardViews:
    """The figures that are compared between runs, under names that all runs share.

    The ROC curve tells the file's right answers (known) from its errors by their confidence.
    """
    file = models[-1]
    labels, shown = shown_confusion(matrix, list(label_names))
    roc = correctness_roc(file.confidence, file.right)
    return DashboardViews(
        metrics=_metrics(models, gate, robustness, seconds),
        confusion_labels=list(labels),
        confusion_matrix=shown.tolist(),
        fpr=roc.false_positive_rate.tolist(),
        tpr=roc.true_positive_rate.tolist(),
        thresholds=roc.threshold.tolist(),
    )


def _metrics(
    models: Sequence[Judged],
    gate: Mapping[str, Any],
    robustness: Mapping[str, Any] | None,
    seconds: float,
) -> dict[str, float]:
    """At most 20, or the dashboard's table becomes too long to compare."""
    file = models[-1]
    metrics: dict[str, float] = {**file.headline, "brier": file.brier, "nll": file.nll}
    for model in models[:-1]:
        figures = model.headline
        # Of the others accuracy alone: they are steps on the way.
        kept = figures if model.name in (TEACHER, STUDENT) else {"top1": figures["top1"]}
        metrics |= {f"{name}{model.suffix}": value for name, value in kept.items()}
    if robustness:
        metrics["robustness_mean_top1"] = robustness["mean_top1"]
    if gate["baseline"]:
        metrics["top1_baseline"] = gate["baseline"]["top1"]
    return {
        **metrics,
        "ship": float(gate["ship"]),
        "n_test": float(len(file.right)),
        "seconds": seconds,
    }
