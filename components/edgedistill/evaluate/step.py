"""Evaluates the shipped file itself on the test split, with teacher and float student beside it."""

import csv
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgedistill.artifacts import (
    CONFUSION_CSV,
    CONFUSION_PNG,
    LOGITS_FILE,
    METRICS,
    MODEL_FILE,
    PREDICTIONS,
    PREDICTIONS_CSV,
    QUANTIZATION,
)
from edgedistill.core.metrics import (
    Scores,
    classification_scores,
    confusion_matrix,
    micro_average_roc,
)
from edgedistill.core.probabilities import softmax
from edgedistill.core.reliability import expected_calibration_error
from edgedistill.datasets import PackedDataset
from edgedistill.folders import complete_folder, write_file
from edgedistill.report.page import Picture, Section, Table, render_page
from edgedistill.report.plots import confusion_matrix_plot
from edgedistill.settings import EvaluateSettings
from edgedistill.tf.inference import Predictor
from edgedistill.tf.interpreter import predict_outputs
from edgedistill.tf.networks import load_student_for
from edgedistill.tf.teachers import load_teachers_for

_log = logging.getLogger(__name__)

# More classes than this cannot be read in KFP's view; the most confused are shown.
_MAX_SHOWN_CLASSES = 50


@dataclass(frozen=True)
class Evaluation:
    """What the dashboard shows: metrics, a confusion matrix (rows: truth) and a ROC curve."""

    metrics: dict[str, float]
    confusion_labels: list[str]
    confusion_matrix: list[list[int]]
    fpr: list[float]
    tpr: list[float]
    thresholds: list[float]


@dataclass(frozen=True)
class _Judged:
    """The answers of one model to the test photos, and what they are worth."""

    probabilities: NDArray[np.float64]
    predicted: NDArray[np.int64]
    scores: Scores
    ece: float


def evaluate_file(
    test: str,
    tflite: str,
    student: str,
    teacher: str,
    predictions: str,
    report: str,
    settings: EvaluateSettings,
) -> Evaluation:
    """Runs the TFLite file, the float student and the teacher on the test split.

    Several teachers are judged as one, by the mean of their probabilities.

    Args:
        test: folder of the test split.
        tflite: folder with the file.
        student: folder of the float student.
        teacher: folder of the teacher or teachers.
        predictions: folder to write: each photo's prediction, logits, metrics, confusion matrix.
        report: HTML file to write.
        settings: nothing but what all steps share.

    Returns:
        Metrics: top1, macro_f1, ece of the file; the same with _student and _teacher.

    Raises:
        ArtifactError: an input is missing, damaged, or of other classes.
    """
    begun = time.monotonic()
    photos = PackedDataset.open(test)
    names, labels = photos.label_names, photos.label_indices
    photos.require_own(QUANTIZATION.read(Path(tflite))["data_digest"], tflite)
    _log.info("evaluating on %d test photos", len(photos))
    logits = predict_outputs(Path(tflite) / MODEL_FILE, photos.student_pixels)
    judged = {"": _judge(logits, labels, len(names))}
    student_network, _ = load_student_for(photos, student)
    logits_student = Predictor(student_network).outputs(photos.student_pixels)
    judged["_student"] = _judge(logits_student, labels, len(names))
    logits_teacher = load_teachers_for(photos, teacher).log_probabilities(photos)
    judged["_teacher"] = _judge(logits_teacher, labels, len(names))
    matrix = confusion_matrix(labels, judged[""].predicted, len(names))
    picture = confusion_matrix_plot(matrix, names)
    with complete_folder(predictions) as written:
        np.save(written / LOGITS_FILE, logits)
        _write_predictions(written / PREDICTIONS_CSV, photos, judged[""])
        _write_matrix(written / CONFUSION_CSV, matrix, names)
        (written / CONFUSION_PNG).write_bytes(picture)
        PREDICTIONS.write(written, {"data_digest": photos.split_digest})
        METRICS.write(written, _metrics_document(judged, names))
    write_file(report, _render(judged, names, picture))
    _log.info("evaluated: %s", ", ".join(f"top1{s}={j.scores.top1:.3f}" for s, j in judged.items()))
    return _evaluation(judged, matrix, names, labels, time.monotonic() - begun)


def _judge(logits: NDArray[np.float32], labels: NDArray[np.int64], n_classes: int) -> _Judged:
    probabilities = softmax(logits)
    predicted = probabilities.argmax(axis=1)
    return _Judged(
        probabilities,
        predicted,
        classification_scores(labels, predicted, n_classes),
        expected_calibration_error(probabilities.max(axis=1), predicted == labels),
    )


def _shared_metrics(judged: dict[str, _Judged]) -> dict[str, float]:
    """top1, macro_f1 and ece of each model, under one name with its suffix."""
    figures = {}
    for suffix, j in judged.items():
        figures[f"top1{suffix}"] = j.scores.top1
        figures[f"macro_f1{suffix}"] = j.scores.macro_f1
        figures[f"ece{suffix}"] = j.ece
    return figures


def _metrics_document(judged: dict[str, _Judged], names: list[str]) -> dict[str, object]:
    file_scores = judged[""].scores
    return {
        "n_test": len(judged[""].predicted),
        **_shared_metrics(judged),
        "macro_precision": file_scores.macro_precision,
        "macro_recall": file_scores.macro_recall,
        "per_class": {
            name: {
                "precision": score.precision,
                "recall": score.recall,
                "f1": score.f1,
                "support": score.support,
            }
            for name, score in zip(names, file_scores.per_class, strict=True)
        },
    }


def _evaluation(
    judged: dict[str, _Judged],
    matrix: NDArray[np.int64],
    names: list[str],
    labels: NDArray[np.int64],
    seconds: float,
) -> Evaluation:
    shown = _most_confused(matrix)
    roc = micro_average_roc(labels, judged[""].probabilities)
    return Evaluation(
        metrics={**_shared_metrics(judged), "n_test": len(labels), "seconds": seconds},
        confusion_labels=[names[i] for i in shown],
        confusion_matrix=matrix[np.ix_(shown, shown)].tolist(),
        fpr=roc.false_positive_rate.tolist(),
        tpr=roc.true_positive_rate.tolist(),
        thresholds=roc.threshold.tolist(),
    )


def _most_confused(matrix: NDArray[np.int64]) -> list[int]:
    """All classes, or those with most errors, in the order of the labels."""
    errors = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * matrix.diagonal()
    return sorted(np.argsort(-errors, kind="stable")[:_MAX_SHOWN_CLASSES].tolist())


def _write_predictions(path: Path, photos: PackedDataset, judged: _Judged) -> None:
    confidence = judged.probabilities.max(axis=1)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ("filepath", "label_index", "label_name", "predicted_index", "predicted_name",
             "confidence")
        )  # fmt: skip
        for photo, index, sure in zip(photos.photos, judged.predicted, confidence, strict=True):
            writer.writerow(
                (photo.filepath, photo.label_index, photo.label_name, index,
                 photos.label_names[index], f"{sure:.6f}")
            )  # fmt: skip


def _write_matrix(path: Path, matrix: NDArray[np.int64], names: list[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("true \\ predicted", *names))
        for name, row in zip(names, matrix.tolist(), strict=True):
            writer.writerow((name, *row))


def _render(judged: dict[str, _Judged], names: list[str], picture: bytes) -> str:
    file_scores = judged[""].scores
    lead = (
        f"The int8 file is right on {file_scores.top1:.1%} of "
        f"{len(judged[''].predicted):,} test photos."
    )
    titles = {"": "int8 file", "_student": "float student", "_teacher": "teacher"}
    models = Table(
        ["model", "top-1", "macro F1", "calibration error"],
        [
            [titles[s], f"{j.scores.top1:.4f}", f"{j.scores.macro_f1:.4f}", f"{j.ece:.4f}"]
            for s, j in judged.items()
        ],
    )
    by_f1 = sorted(zip(names, file_scores.per_class, strict=True), key=lambda pair: pair[1].f1)
    classes = Table(
        ["class", "precision", "recall", "F1", "photos"],
        [
            [name, f"{c.precision:.3f}", f"{c.recall:.3f}", f"{c.f1:.3f}", str(c.support)]
            for name, c in by_f1
        ],
    )
    return render_page(
        "Evaluation",
        lead,
        [
            Section("Models on the same photos", table=models),
            Section("Confusion", images=[Picture(picture, "Confusion matrix", wide=True)]),
            Section("Classes, the weakest first", table=classes),
        ],
    )
