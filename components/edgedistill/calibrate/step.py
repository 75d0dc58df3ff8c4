"""The step calibrate: the threshold, its evidence, and the bundle that the app's team gets."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgedistill.artifacts import (
    BUNDLE_ZIP,
    GATE,
    METRICS,
    MODEL_FILE,
    PREDICTIONS,
    QUANTIZATION,
)
from edgedistill.calibrate.answers import Answers, read_test_answers, read_unknown_logits
from edgedistill.calibrate.bundle.contents import write_contents
from edgedistill.calibrate.bundle.zip_file import write_zip
from edgedistill.calibrate.export import export_bundle
from edgedistill.calibrate.page import render_calibration_page
from edgedistill.calibrate.pictures import write_evidence
from edgedistill.calibrate.recommendation import (
    CALIBRATION,
    VALIDATION,
    Evidence,
    recommendation_document,
)
from edgedistill.core.reliability import expected_calibration_error
from edgedistill.datasets import PackedDataset
from edgedistill.folders import complete_folder, write_file
from edgedistill.settings import CalibrateSettings
from edgedistill.storage.s3 import use_endpoint
from edgedistill.storage.writing import check_target
from edgedistill.tf.interpreter import predict_outputs

_log = logging.getLogger(__name__)

SET_ASIDE = "calib"
"""The part of the split whose photos serve the threshold alone."""


@dataclass(frozen=True)
class Calibrated:
    """What the step tells besides its files.

    `metrics`: what `metrics_of` gives. `exported_to`: the whole address of the zip that
    `export_uri` asked for, or None.
    """

    metrics: dict[str, float]
    exported_to: str | None


def calibrate_threshold(
    calib: str, predictions: str, tflite: str, bundle: str, report: str, settings: CalibrateSettings
) -> Calibrated:
    """Chooses the thresholds on some photos and tells what they do on the test photos.

    Args:
        calib: the photos to choose on: those set aside for it, or the validation split.
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
    dataset.require_whole((dataset.student_px,))
    gate = GATE.read(Path(predictions))
    evidence = gather_evidence(dataset, Path(predictions), Path(tflite))
    document = write_bundle(
        Path(bundle), Path(tflite), METRICS.read(Path(predictions)), gate, evidence, settings
    )
    write_file(report, render_calibration_page(Path(bundle), document, gate))
    _log.info("calibrate: %s", document["calibration_notes"])
    _log.info("calibrate: %s", document["guarantee"]["note"])
    return Calibrated(
        metrics_of(document, gate, evidence.on_calib, time.monotonic() - started),
        _export(Path(bundle) / BUNDLE_ZIP, gate, settings),
    )


def gather_evidence(dataset: PackedDataset, predictions: Path, tflite: Path) -> Evidence:
    """The file's answers: those of evaluate, and its own ones to the photos to choose on.

    Args:
        dataset: the photos to choose on.
        predictions: what the step evaluate wrote.
        tflite: what the step qat_export wrote.

    Raises:
        ArtifactError: a file is missing or damaged.
    """
    is_set_aside = all(photo.split == SET_ASIDE for photo in dataset.photos)
    chosen_on = CALIBRATION if is_set_aside else VALIDATION
    _log.info("calibrate: the file answers %d %s photos", len(dataset), chosen_on)
    logits = predict_outputs(tflite / MODEL_FILE, dataset.student_pixels)
    return Evidence(
        on_calib=Answers(logits, dataset.label_indices),
        on_test=read_test_answers(predictions),
        unknown_logits=read_unknown_logits(predictions),
        label_names=tuple(dataset.label_names),
        chosen_on=chosen_on,
    )


def write_bundle(
    bundle: Path,
    tflite: Path,
    scores: Mapping[str, Any],
    gate: Mapping[str, Any],
    evidence: Evidence,
    settings: CalibrateSettings,
) -> dict[str, Any]:
    """Chooses the thresholds and writes the bundle; gives threshold_recommendation.json.

    Args:
        bundle: folder to write; without the zip where the gate says no.
        tflite: what the step qat_export wrote.
        scores: content of metrics.json.
        gate: content of gate.json.
        evidence: the file's answers.
        settings: the wishes.

    Raises:
        ArtifactError: a file is missing in `tflite`, or `scores` are of other classes.
        ExportError: a file does not hold what was written into it.
    """
    document = recommendation_document(evidence, settings)
    with complete_folder(bundle) as out:
        places = write_contents(
            out,
            tflite=tflite,
            threshold=document,
            scores=scores,
            gate=gate,
            version=settings.model_version,
        )
        if gate["ship"]:
            write_zip(out / BUNDLE_ZIP, out, places)
        write_evidence(out, evidence.curve, evidence.on_test, document)
    return document


def _export(bundle_zip: Path, gate: Mapping[str, Any], settings: CalibrateSettings) -> str | None:
    """Puts the zip where the user wants it, unless it must not ship; gives its address."""
    if not gate["ship"]:
        _log.warning("calibrate: do not ship, and no bundle.zip: %s", " ".join(gate["reasons"]))
        return None
    if not settings.export_uri:
        return None
    address = export_bundle(bundle_zip, settings.export_uri, settings.model_version)
    _log.info("calibrate: the bundle is at %s", address)
    return address


def metrics_of(
    document: Mapping[str, Any], gate: Mapping[str, Any], on_calib: Answers, seconds: float
) -> dict[str, float]:
    """What is logged, 17 figures at most; what is null in the document is left out.

    Args:
        document: threshold_recommendation.json.
        gate: gate.json.
        on_calib: answers to the photos that thresholds are chosen on.
        seconds: that the step took.
    """
    names = (
        "recommended_threshold", "achieved_accept_accuracy", "achieved_coverage",
        "accept_accuracy_lower_bound", "test_accept_accuracy", "test_coverage",
        "guaranteed_threshold",
    )  # fmt: skip
    checked = document["test"]["guaranteed"] or {}
    unknown, temperature = document.get("unknown"), document.get("temperature")
    figures = {
        **{name: document[name] for name in names},
        "guaranteed_coverage": document["guarantee"]["coverage"],
        "guarantee_photos_missing": document["guarantee"]["photos_missing"],
        "guaranteed_test_accept_accuracy": checked.get("accept_accuracy"),
        "guaranteed_test_coverage": checked.get("coverage"),
        "temperature": temperature["value"] if temperature else None,
        "unknown_accepted_share": unknown["accepted_share"] if unknown else None,
        "unknown_auroc": unknown["auroc"][unknown["best_score"]] if unknown else None,
        "ece_val": expected_calibration_error(on_calib.confidence, on_calib.correct),
        "ship": float(gate["ship"]),
        "seconds": seconds,
    }
    return {name: float(value) for name, value in figures.items() if value is not None}
