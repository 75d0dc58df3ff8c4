"""The artifacts' metadata, read as the front end of KFP 2.17 reads them.

The launcher keeps a value of metadata as a protobuf Struct: a dictionary below the key "struct", a
list below "list". The page takes `confidenceMetrics.list`, each with three numbers, and
`confusionMatrix.struct`, whose `annotationSpecs` have a `displayName` and whose `rows` a `row` of
numbers, as long as there are names. What does not have that shape is not shown.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from google.protobuf import json_format, struct_pb2
from kfp.dsl import ClassificationMetrics, Metrics

from edgedistill.artifacts import log_metrics
from edgedistill.core.metrics import confusion_matrix
from edgedistill.evaluate.dashboard import DashboardViews, dashboard_views
from edgedistill.evaluate.judged import TITLES, Judged

MOST_CLASSES, MOST_POINTS, MOST_METRICS = 40, 200, 20


def as_kept(value: Any) -> Any:
    """The value as it comes out of the metadata store; refuses what Struct cannot hold."""
    kept = struct_pb2.Struct()
    json_format.ParseDict({"list" if isinstance(value, list) else "struct": value}, kept)
    return json_format.MessageToDict(kept)


def read_roc(metadata: dict[str, Any]) -> list[tuple[float, float, float]]:
    points = as_kept(metadata["confidenceMetrics"])["list"]
    assert all(set(p) == {"confidenceThreshold", "falsePositiveRate", "recall"} for p in points)
    values = [(p["confidenceThreshold"], p["falsePositiveRate"], p["recall"]) for p in points]
    # Infinity and NaN are texts there, which the page does not take for numbers.
    assert all(isinstance(v, float) for point in values for v in point)
    return values


def read_confusion(metadata: dict[str, Any]) -> tuple[list[str], list[list[float]]]:
    matrix = as_kept(metadata["confusionMatrix"])["struct"]
    names = [spec["displayName"] for spec in matrix["annotationSpecs"]]
    rows = [row["row"] for row in matrix["rows"]]
    assert len(rows) == len(names)
    assert all(len(row) == len(names) for row in rows)
    assert all(isinstance(v, float) for row in rows for v in row)
    return names, rows


def require_shown(metrics: Metrics, confusion: Any, roc: Any) -> None:
    """Holds the three artifacts to what the dashboard shows well."""
    assert 0 < len(metrics.metadata) <= MOST_METRICS
    for name, value in metrics.metadata.items():
        assert type(value) is float, name
        assert np.isfinite(value), name
    names, _rows = read_confusion(confusion.metadata)
    assert 2 <= len(names) <= MOST_CLASSES
    assert len(set(names)) == len(names)
    points = read_roc(roc.metadata)
    assert 2 <= len(points) <= MOST_POINTS
    assert points[0][1:] == (0.0, 0.0)
    assert points[-1][1:] == (1.0, 1.0)
    assert all(0 <= v <= 1 for point in points for v in point)


def logged(views: DashboardViews) -> tuple[Metrics, Any, Any]:
    """As component.py logs them."""
    metrics, confusion, roc = Metrics(), ClassificationMetrics(), ClassificationMetrics()
    log_metrics(metrics, views.metrics)
    confusion.log_confusion_matrix(views.confusion_labels, views.confusion_matrix)
    roc.log_roc_curve(views.fpr, views.tpr, views.thresholds)
    return metrics, confusion, roc


def views_of(n_classes: int, surplus: float) -> DashboardViews:
    """Of every model there may be, on 900 photos, with everything that adds a figure."""
    draw = np.random.default_rng(0)
    labels = draw.integers(n_classes, size=900)
    logits = draw.normal(size=(900, n_classes)).astype(np.float32)
    logits[np.arange(900), labels] += surplus
    judged = Judged.of("file", logits, labels, seed=1)
    models = [replace(judged, name=name) for name in TITLES]
    return dashboard_views(
        models,
        confusion_matrix(labels, models[-1].predicted, n_classes),
        [f"class {n}" for n in range(n_classes)],
        gate={"ship": False, "baseline": {"top1": 0.5}},
        robustness={"mean_top1": 0.25},
        seconds=1.5,
    )


@pytest.mark.parametrize("n_classes", [2, 40, 41, 150])
def test_views_are_shown_by_the_dashboard(n_classes):
    require_shown(*logged(views_of(n_classes, surplus=1.0)))


@pytest.mark.parametrize("surplus", [100.0, -100.0])
def test_views_are_shown_where_all_is_right_or_all_is_wrong(surplus):
    require_shown(*logged(views_of(3, surplus)))


def test_no_photo_is_left_out_of_the_matrix():
    _metrics, confusion, _roc = logged(views_of(150, surplus=1.0))
    _names, rows = read_confusion(confusion.metadata)
    assert sum(map(sum, rows)) == 900


def test_metrics_have_the_names_that_runs_are_compared_by():
    metrics = views_of(3, surplus=1.0).metrics
    assert set(metrics) == {
        "top1", "macro_f1", "ece", "brier", "nll", "top1_teacher", "macro_f1_teacher",
        "ece_teacher", "top1_student", "macro_f1_student", "ece_student",
        "top1_student_without_teacher", "top1_post_training", "top1_quantisation_aware",
        "robustness_mean_top1", "top1_baseline", "ship", "n_test", "seconds",
    }  # fmt: skip
    assert (metrics["ship"], metrics["top1_baseline"], metrics["n_test"]) == (0.0, 0.5, 900.0)
