"""Quantises the student, fine-tunes it quantised, ships the better file, and proves what it is."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgedistill.artifacts import (
    CANDIDATES_FOLDER,
    FLOAT,
    MODEL_FILE,
    MODEL_METADATA,
    PERFORMANCE,
    POST_TRAINING,
    QUANTISATION_AWARE,
    QUANTIZATION,
    TASKS_FILE,
    TENSORBOARD_FOLDER,
    write_labels,
)
from edgedistill.core.layer_error import LayerError
from edgedistill.datasets import PackedDataset
from edgedistill.folders import complete_folder, write_file
from edgedistill.qat_export.candidates import (
    as_candidate,
    fine_tune_quantised,
    quantise_student,
)
from edgedistill.qat_export.choice import Candidate, best_candidate
from edgedistill.qat_export.description import describe_model
from edgedistill.qat_export.page import render_export_page
from edgedistill.qat_export.performance import (
    foreseen_performance,
    measure_performance,
    performance_metrics,
    require_budgets,
)
from edgedistill.qat_export.proof import (
    prove_tasks_file,
    require_equal_answers,
    require_small_drop,
)
from edgedistill.settings import QatExportSettings
from edgedistill.storage.s3 import use_endpoint
from edgedistill.tf.devices import start_computing
from edgedistill.tf.inference import Predictor
from edgedistill.tf.interpreter import predict_outputs
from edgedistill.tf.layer_errors import layer_errors
from edgedistill.tf.networks import HistoryRow, NetworkRecord, load_student_for
from edgedistill.tf.tasks_file import tasks_model
from edgedistill.tf.teaching import sizes_asked
from edgedistill.tf.training import best_row
from edgedistill.tf.training_metrics import training_speed, validation_metrics

_log = logging.getLogger(__name__)

_MEASURED_PHOTOS = 32
"""Validation photos on which each layer's error is measured."""


def export_int8(
    train: str,
    val: str,
    student: str,
    teacher: str,
    tflite: str,
    report: str,
    settings: QatExportSettings,
) -> dict[str, float]:
    """Quantises the student, exports it and proves that the files are full-integer.

    Args:
        train: folder of the training split; it alone sets ranges.
        val: folder of the validation split.
        student: folder of the trained student.
        teacher: folder of the trained teacher.
        tflite: folder to write: both files, labels, metadata, how they came about, how fast; in a
            folder in it the int8 file of each way of quantising.
        report: HTML file to write.
        settings: kind of quantisation, epochs, types of the file's ends, limits.

    Returns:
        Metrics on the validation photos: those of `validation_metrics` (the file),
        val_accuracy_student (float), val_accuracy_post_training, agreement (file with the float
        student), size_bytes, ships_qat (1: the fine-tuned file is the better one), those of
        `performance_metrics` and `training_speed`, compute_threads, seconds; with
        quantisation-aware training val_accuracy_quantisation_aware and best_epoch.

    Raises:
        SettingError: there are fewer GPUs than were asked for.
        ExportError: a file is not what was promised, or beyond a limit.
        ArtifactError: an input is missing, damaged, or of other classes.
    """
    begun = time.monotonic()
    use_endpoint(settings.s3_endpoint)
    threads = start_computing(settings.seed, settings.compute_threads, settings.gpu_count)
    photos, validation = PackedDataset.open_parts(train, val)
    asked_px = sizes_asked(teacher, settings, epochs=settings.epochs_qat) if settings.qat else ()
    photos.require_whole((photos.student_px, *asked_px))
    validation.require_whole((validation.student_px,))
    network, record = load_student_for(photos, student)
    float_logits = Predictor(network).outputs(validation.student_pixels)
    with complete_folder(tflite) as folder:
        candidates, history = _quantise(
            network, teacher, photos, validation, settings, folder, start=record.weights
        )
        chosen = best_candidate(list(candidates.values()), validation.label_indices)
        errors = _layer_errors(chosen, network, validation, settings)
        write_labels(folder, photos.label_names)
        performance = _write_files(folder, chosen, validation)
        _keep_candidates(folder, candidates)
        accuracies = _accuracies(candidates, chosen, history, float_logits, validation)
        quantization = _quantization(
            chosen, candidates, history, accuracies, errors, record, validation
        )
        QUANTIZATION.write(folder, quantization)
        page = render_export_page(
            chosen.facts, quantization, performance, accuracies, len(validation)
        )
        # Before the limits: where one is broken, the page is what tells why.
        write_file(report, page)
        _require_small_drop(chosen, float_logits, validation, errors, settings)
        _require_budgets(performance, settings)
    _log.info(
        "export done (%s): %d bytes, val_accuracy=%.3f (float %.3f)",
        chosen.method, len(chosen.model), accuracies["val_accuracy"],
        accuracies["val_accuracy_student"],
    )  # fmt: skip
    return {
        **accuracies,
        "size_bytes": len(chosen.model),
        **performance_metrics(performance),
        **training_speed(quantization["history"]),
        "compute_threads": threads,
        "seconds": time.monotonic() - begun,
    }


def _quantise(
    network: Any,
    teacher: str,
    photos: PackedDataset,
    validation: PackedDataset,
    settings: QatExportSettings,
    folder: Path,
    *,
    start: str,
) -> tuple[dict[str, Candidate], list[HistoryRow]]:
    """The candidates by the names of their files, and the epochs of the fine-tuning."""
    quantised = quantise_student(network, photos, settings)
    predictor = Predictor(quantised)  # one, as tracing its graph takes seconds
    candidates = {
        "post_training": as_candidate(POST_TRAINING, quantised, predictor, validation, settings),
    }
    # Now, and not after the training: neither size nor work depends on the weights.
    _require_budgets(foreseen_performance(candidates["post_training"].model), settings)
    if not settings.qat:
        return candidates, []
    history = fine_tune_quantised(
        quantised, predictor, teacher, photos, validation, settings, start=start,
        curves=folder / TENSORBOARD_FOLDER,
    )  # fmt: skip
    candidates["quantisation_aware"] = as_candidate(
        QUANTISATION_AWARE, quantised, predictor, validation, settings
    )
    return candidates, history


def _layer_errors(
    chosen: Candidate, network: Any, validation: PackedDataset, settings: QatExportSettings
) -> list[LayerError]:
    """Of the file that ships, on some validation photos."""
    draw = np.random.default_rng(settings.seed)
    rows = np.sort(draw.permutation(len(validation))[:_MEASURED_PHOTOS])
    return layer_errors(chosen.model, network, validation.student_pixels, rows)


def _require_small_drop(
    chosen: Candidate,
    float_logits: Any,
    validation: PackedDataset,
    errors: list[LayerError],
    settings: QatExportSettings,
) -> None:
    labels = validation.label_indices
    require_small_drop(
        chosen.logits.argmax(axis=1) == labels,
        float_logits.argmax(axis=1) == labels,
        errors,
        max_drop=settings.quant_max_drop,
        qat=settings.qat,
    )


def _require_budgets(performance: Mapping[str, Any], settings: QatExportSettings) -> None:
    require_budgets(
        performance,
        budget_latency_ms=settings.budget_latency_ms,
        budget_size_mb=settings.budget_size_mb,
    )


def _write_files(folder: Path, chosen: Candidate, validation: PackedDataset) -> dict[str, Any]:
    """Writes both files, proven equal, and what they say of themselves; gives performance.json."""
    tasks = tasks_model(chosen.model)
    facts = prove_tasks_file(tasks, chosen.facts)
    require_equal_answers(
        chosen.logits,
        predict_outputs(tasks, validation.student_pixels),
        step=facts.outputs[0].scale or 0.0,
    )
    (folder / MODEL_FILE).write_bytes(chosen.model)
    (folder / TASKS_FILE).write_bytes(tasks)
    performance = measure_performance(folder)
    PERFORMANCE.write(folder, performance)
    MODEL_METADATA.write(
        folder, describe_model(chosen.facts, chosen.model, chosen.method, facts, performance)
    )
    return performance


def _keep_candidates(folder: Path, candidates: Mapping[str, Candidate]) -> None:
    """Each way's file, the one that ships among them: the step evaluate judges all of them."""
    (folder / CANDIDATES_FOLDER).mkdir()
    for name, candidate in candidates.items():
        (folder / CANDIDATES_FOLDER / f"{name}.tflite").write_bytes(candidate.model)


def _accuracies(
    candidates: dict[str, Candidate],
    chosen: Candidate,
    history: list[HistoryRow],
    float_logits: Any,
    validation: PackedDataset,
) -> dict[str, float]:
    """What validation says of the candidates and of the choice, as metrics."""
    labels = validation.label_indices
    by_student = float_logits.argmax(axis=1)
    return {
        **validation_metrics(chosen.logits, labels),
        "val_accuracy_student": float(np.mean(by_student == labels)),
        **{f"val_accuracy_{name}": c.accuracy(labels) for name, c in candidates.items()},
        "agreement": float(np.mean(by_student == chosen.logits.argmax(axis=1))),
        **({"best_epoch": float(best_row(history)["epoch"])} if history else {}),
        "ships_qat": float(chosen.method == QUANTISATION_AWARE),
    }


def _quantization(
    chosen: Candidate,
    candidates: dict[str, Candidate],
    history: list[HistoryRow],
    accuracies: dict[str, float],
    errors: list[LayerError],
    record: NetworkRecord,
    validation: PackedDataset,
) -> dict[str, Any]:
    """The content of quantization.json."""
    return {
        "method": chosen.method,
        "candidates": {
            FLOAT: accuracies["val_accuracy_student"],
            **{c.method: c.accuracy(validation.label_indices) for c in candidates.values()},
        },
        "history": history,
        "agreement": accuracies["agreement"],
        "layers": [
            {
                "layer": e.layer,
                "operator": e.operator,
                "sqnr_db": e.sqnr_db,
                "own_sqnr_db": e.own_sqnr_db,
            }
            for e in errors
        ],
        "tensor_dtypes": chosen.facts.tensor_dtypes,
        "operators": chosen.facts.operators,
        "student_arch": record.arch,
        "student_weights": record.weights,
        "data_digest": validation.split_digest,
    }
