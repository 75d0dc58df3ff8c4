"""The step calibrate: the threshold, its evidence, and the bundle that the app's team gets."""

import csv
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgedistill.artifacts import (
    BUNDLE_ZIP,
    CONFIDENCE_PNG,
    METRICS,
    MODEL_FILE,
    PREDICTIONS,
    QUANTIZATION,
    RELIABILITY_PNG,
    THRESHOLD_CURVE_CSV,
    THRESHOLD_PNG,
)
from edgedistill.calibrate.answers import Answers, read_test_answers
from edgedistill.calibrate.bundle.contents import write_contents
from edgedistill.calibrate.bundle.zip_file import write_zip
from edgedistill.calibrate.export import export_bundle
from edgedistill.calibrate.page import calibration_notes, render_calibration_page
from edgedistill.core.reliability import expected_calibration_error, reliability_curve
from edgedistill.core.threshold import (
    GRID_STEP,
    Recommendation,
    ThresholdCurve,
    recommend_threshold,
    threshold_curve,
)
from edgedistill.datasets import PackedDataset
from edgedistill.folders import complete_folder, write_file
from edgedistill.report import plots
from edgedistill.settings import CalibrateSettings
from edgedistill.storage.s3 import use_endpoint
from edgedistill.storage.writing import check_target
from edgedistill.tf.interpreter import predict_outputs

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Calibrated:
    """What the step tells besides its files.

    `metrics`: recommended_threshold, achieved_coverage, test_coverage, ece_val, seconds; and, where
    a photo is accepted, achieved_accept_accuracy and test_accept_accuracy.
    `exported_to`: the whole address of the zip that `export_uri` asked for, or None.
    """

    metrics: dict[str, float]
    exported_to: str | None


def calibrate_threshold(
    calib: str, predictions: str, tflite: str, bundle: str, report: str, settings: CalibrateSettings
) -> Calibrated:
    """Chooses the threshold on the validation photos and tells what it does on the test photos.

    Args:
        calib: the photos to choose the threshold on.
        predictions: what the step evaluate wrote.
        tflite: what the step qat_export wrote.
        bundle: folder to write: what ships, one zip of it, the curve and the pictures.
        report: HTML file to write.
        settings: the wishes; where the zip is put besides.

    Returns:
        The figures to log, and where the zip is put besides.

    Raises:
        ArtifactError: a file of another step is missing or damaged.
        ExportError: a file of the bundle does not hold what was written into it.
        StorageError: the bundle cannot be put where `export_uri` says.
    """
    started = time.monotonic()
    use_endpoint(settings.s3_endpoint)
    if settings.export_uri:
        check_target(settings.export_uri)
    dataset = PackedDataset.open(calib)
    dataset.require_own(QUANTIZATION.read(Path(tflite))["data_digest"], tflite)
    dataset.require_own(PREDICTIONS.read(Path(predictions))["data_digest"], predictions)
    _log.info("calibrate: the file answers %d validation photos", len(dataset))
    logits = predict_outputs(Path(tflite) / MODEL_FILE, dataset.student_pixels)
    on_val = Answers.of(logits, dataset.label_indices)
    on_test = read_test_answers(Path(predictions))
    scores = METRICS.read(Path(predictions))
    document = write_bundle(Path(bundle), Path(tflite), scores, on_val, on_test, settings)
    write_file(report, render_calibration_page(Path(bundle), document))
    _log.info("calibrate: %s", document["calibration_notes"])
    address = None
    if settings.export_uri:
        zip_file = Path(bundle) / BUNDLE_ZIP
        address = export_bundle(zip_file, settings.export_uri, settings.model_version)
        _log.info("calibrate: the bundle is at %s", address)
    return Calibrated(metrics_of(document, on_val, time.monotonic() - started), address)


def write_bundle(
    bundle: Path,
    tflite: Path,
    scores: Mapping[str, Any],
    on_val: Answers,
    on_test: Answers,
    settings: CalibrateSettings,
) -> dict[str, Any]:
    """Chooses the threshold and writes the bundle; gives threshold_recommendation.json.

    Args:
        bundle: folder to write.
        tflite: what the step qat_export wrote.
        scores: content of metrics.json.
        on_val: the file's answers to the photos that the threshold is chosen on.
        on_test: its answers to the photos that the threshold is only told for.
        settings: the wishes.

    Raises:
        ArtifactError: a file is missing in `tflite`, or `scores` are of other classes.
        ExportError: a file does not hold what was written into it.
    """
    curve = threshold_curve(on_val.confidence, on_val.correct)
    chosen = recommend_threshold(
        curve,
        target=settings.threshold_target_accept_accuracy,
        min_coverage=settings.threshold_min_coverage,
        penalty=settings.threshold_penalty_incorrect,
    )
    document = recommendation_document(chosen, curve, on_test, settings)
    with complete_folder(bundle) as out:
        places = write_contents(
            out,
            tflite=tflite,
            threshold=document,
            scores=scores,
            version=settings.model_version,
        )
        write_zip(out / BUNDLE_ZIP, out, places)
        _write_curve(out / THRESHOLD_CURVE_CSV, curve)
        _draw(out, curve, chosen, on_test, settings)
    return document


def recommendation_document(
    chosen: Recommendation, curve: ThresholdCurve, on_test: Answers, settings: CalibrateSettings
) -> dict[str, Any]:
    """The content of threshold_recommendation.json."""
    accepts = on_test.confidence >= chosen.threshold
    document: dict[str, Any] = {
        "recommended_threshold": chosen.threshold,
        "target_accept_accuracy": settings.threshold_target_accept_accuracy,
        "min_coverage": settings.threshold_min_coverage,
        "penalty_incorrect": settings.threshold_penalty_incorrect,
        "achieved_accept_accuracy": chosen.accept_accuracy,
        "achieved_coverage": chosen.coverage,
        "selection_method": chosen.selection_method,
        "grid_step": GRID_STEP,
        "n_val": curve.n_photos,
        "test_accept_accuracy": float(on_test.correct[accepts].mean()) if accepts.any() else None,
        "test_coverage": float(accepts.mean()),
        "n_test": len(accepts),
    }
    return {**document, "calibration_notes": calibration_notes(document)}


def _write_curve(path: Path, curve: ThresholdCurve) -> None:
    """One row a threshold; accept_accuracy is empty where no photo is accepted."""
    columns = {
        "threshold": [f"{t:.2f}" for t in curve.threshold],
        "coverage": curve.coverage.tolist(),
        "accept_accuracy": ["" if np.isnan(a) else float(a) for a in curve.accept_accuracy],
        "correct_accepted_rate": curve.correct_accepted_rate.tolist(),
        "incorrect_accepted_rate": curve.incorrect_accepted_rate.tolist(),
    }
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def _draw(
    out: Path,
    curve: ThresholdCurve,
    chosen: Recommendation,
    on_test: Answers,
    settings: CalibrateSettings,
) -> None:
    """The threshold on the photos it was chosen on, the rest on those it has not seen."""
    reliability = reliability_curve(on_test.confidence, on_test.correct)
    pictures = {
        THRESHOLD_PNG: plots.threshold_plot(
            curve.threshold,
            curve.coverage,
            curve.accept_accuracy,
            recommended=chosen.threshold,
            target=settings.threshold_target_accept_accuracy,
            min_coverage=settings.threshold_min_coverage,
        ),
        RELIABILITY_PNG: plots.reliability_plot(
            reliability.edges,
            reliability.mean_confidence,
            reliability.accuracy,
            reliability.count,
            ece=expected_calibration_error(on_test.confidence, on_test.correct),
            photos="test",
        ),
        CONFIDENCE_PNG: plots.confidence_plot(
            on_test.confidence, on_test.correct, recommended=chosen.threshold, photos="test"
        ),
    }
    for name, data in pictures.items():
        (out / name).write_bytes(data)


def metrics_of(document: Mapping[str, Any], on_val: Answers, seconds: float) -> dict[str, float]:
    """What is logged; a share of no photos at all is left out."""
    names = (
        "recommended_threshold", "achieved_accept_accuracy", "achieved_coverage",
        "test_accept_accuracy", "test_coverage",
    )  # fmt: skip
    shares = {name: document[name] for name in names if document[name] is not None}
    ece = expected_calibration_error(on_val.confidence, on_val.correct)
    return {**shares, "ece_val": ece, "seconds": seconds}
