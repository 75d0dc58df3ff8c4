"""Evaluates the shipped file itself on the test split, beside every model that it came from."""

import logging
import time
from pathlib import Path

from edgedistill.artifacts import CONFUSION_PNG, QUANTIZATION
from edgedistill.datasets import PackedDataset
from edgedistill.evaluate.baseline import Baseline, read_baseline
from edgedistill.evaluate.dashboard import DashboardViews, dashboard_views
from edgedistill.evaluate.findings import judge_file
from edgedistill.evaluate.judged import Judged
from edgedistill.evaluate.models import answers_of_models
from edgedistill.evaluate.page import render_evaluation_page
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
    photos.require_whole(photos.sizes_px)
    baseline = _read_baseline(photos, settings)
    _log.info("evaluating on %d test photos", len(photos))
    answers = answers_of_models(photos, Path(tflite), Path(student), Path(teacher))
    models = [
        Judged.of(name, logits, photos.label_indices, seed=settings.seed)
        for name, logits in answers.items()
    ]
    findings = judge_file(photos, models, Path(tflite), baseline, settings)
    picture = confusion_matrix_plot(findings.matrix, photos.label_names)
    with complete_folder(predictions) as folder:
        (folder / CONFUSION_PNG).write_bytes(picture)
        findings.write(folder, photos)
        page = render_evaluation_page(folder, picture)
    write_file(report, page)
    for reason in findings.gate["reasons"]:
        _log.warning("do not ship: %s", reason)
    _log.info("evaluated: %s", ", ".join(f"top1{m.suffix}={m.scores.top1:.3f}" for m in models))
    return dashboard_views(
        models, findings.matrix, photos.label_names,
        gate=findings.gate, robustness=findings.robustness, seconds=time.monotonic() - begun,
    )  # fmt: skip


def _read_baseline(photos: PackedDataset, settings: EvaluateSettings) -> Baseline | None:
    """Before any work: what does not fit is told at once."""
    if not settings.baseline_uri:
        return None
    baseline = read_baseline(settings.baseline_uri)
    baseline.require_fit(photos.label_names, photos.student_px)
    return baseline
