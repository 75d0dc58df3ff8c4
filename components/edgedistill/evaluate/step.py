"""Evaluates the shipped file itself on the test split, beside every model that it came from."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgedistill.artifacts import (
    CONFUSION_CSV,
    CONFUSION_PNG,
    EVALUATION,
    GATE,
    LOGITS_FILE,
    METRICS,
    MODEL_FILE,
    PREDICTIONS,
    PREDICTIONS_CSV,
    QUANTIZATION,
)
from edgedistill.core.metrics import confusion_matrix
from edgedistill.datasets import PackedDataset
from edgedistill.evaluate.baseline import Baseline, read_baseline
from edgedistill.evaluate.dashboard import DashboardViews, dashboard_views
from edgedistill.evaluate.documents import evaluation_document, metrics_document
from edgedistill.evaluate.gate import BaselineAnswers, gate_document
from edgedistill.evaluate.judged import Judged
from edgedistill.evaluate.mistakes import write_mistakes
from edgedistill.evaluate.models import answers_of_models
from edgedistill.evaluate.page import render_evaluation_page
from edgedistill.evaluate.robustness import measure_robustness
from edgedistill.evaluate.slicing import slices_document
from edgedistill.evaluate.tables import write_confusion, write_predictions
from edgedistill.evaluate.unknown import UnknownAnswers, ask_about_unknown, write_unknown
from edgedistill.folders import complete_folder, write_file
from edgedistill.report.plots import confusion_matrix_plot
from edgedistill.settings import EvaluateSettings
from edgedistill.storage.s3 import use_endpoint

_log = logging.getLogger(__name__)


def evaluate_file(
    test: str,
    tflite: str,
    student: str,
    teacher: str,
    predictions: str,
    report: str,
    settings: EvaluateSettings,
) -> DashboardViews:
    """Runs the TFLite file, and every model that it came from, on the test split.

    Args:
        test: folder of the test split.
        tflite: folder with the file and its candidates.
        student: folder of the float student.
        teacher: folder of the teacher or teachers.
        predictions: folder to write: each photo's answer, logits, figures, verdict, mistakes.
        report: HTML file to write.
        settings: limits, baseline, how many photos are damaged.

    Returns:
        What the dashboard shows.

    Raises:
        ArtifactError: an input is missing, damaged, or of other classes.
        SettingError: `baseline_uri` holds no bundle that fits these photos.
        StorageError: it cannot be read.
    """
    begun = time.monotonic()
    use_endpoint(settings.s3_endpoint)
    photos = PackedDataset.open(test)
    photos.require_own(QUANTIZATION.read(Path(tflite))["data_digest"], tflite)
    baseline = _read_baseline(photos, settings)
    _log.info("evaluating on %d test photos", len(photos))
    answers = answers_of_models(photos, Path(tflite), Path(student), Path(teacher))
    models = [
        Judged.of(name, logits, photos.label_indices, seed=settings.seed)
        for name, logits in answers.items()
    ]
    judged = Findings.of(photos, models, Path(tflite) / MODEL_FILE, baseline, settings)
    picture = confusion_matrix_plot(judged.matrix, photos.label_names)
    with complete_folder(predictions) as folder:
        (folder / CONFUSION_PNG).write_bytes(picture)
        judged.write(folder)
        page = render_evaluation_page(folder, picture)
    write_file(report, page)
    for reason in judged.gate["reasons"]:
        _log.warning("do not ship: %s", reason)
    _log.info("evaluated: %s", ", ".join(f"top1{m.suffix}={m.scores.top1:.3f}" for m in models))
    return dashboard_views(
        models, judged.matrix, photos.label_names,
        gate=judged.gate, robustness=judged.robustness, seconds=time.monotonic() - begun,
    )  # fmt: skip
