"""Quantises the student and exports the phone's int8 file, with proof that it is one."""

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgedistill.artifacts import (
    MODEL_FILE,
    MODEL_METADATA,
    QUANTIZATION,
    TENSORBOARD_FOLDER,
    write_labels,
)
from edgedistill.datasets import PackedDataset
from edgedistill.errors import ExportError
from edgedistill.folders import complete_folder, write_file
from edgedistill.qat_export.description import describe_model
from edgedistill.qat_export.page import render_export_page
from edgedistill.settings import QatExportSettings
from edgedistill.tf.batches import training_photos
from edgedistill.tf.export import convert_post_training, convert_quantised
from edgedistill.tf.flatbuffer import FileFacts, read_facts, require_full_integer
from edgedistill.tf.interpreter import predict_logits
from edgedistill.tf.networks import HistoryRow, load_student_for, load_teacher_for
from edgedistill.tf.optimizers import Schedule
from edgedistill.tf.qat import quantise_aware
from edgedistill.tf.runtime import seed_everything
from edgedistill.tf.training import Distillation, Predictor, Validation, best_row, train, validate

_log = logging.getLogger(__name__)

_RANGES = "ranges"
"""Stage of the history's first row: the network before its fine-tuning."""

# The file and its Keras network differ by rounding, on photos where two classes are nearly even:
# those whose logits lie no further apart than some steps of the output's quantisation. Other
# differences, on more than this share and more than a few photos, mean that the conversion failed.
_NEARLY_EVEN_STEPS = 3
_MAX_DISAGREEMENT_FRAC = 0.1
_MAX_DISAGREEING_PHOTOS = 5


def export_int8(
    train: str,
    val: str,
    student: str,
    teacher: str,
    tflite: str,
    report: str,
    settings: QatExportSettings,
) -> dict[str, float]:
    """Quantises the student, exports it and proves that the file is full-integer.

    Args:
        train: folder of the training split; it alone sets ranges.
        val: folder of the validation split.
        student: folder of the trained student.
        teacher: folder of the trained teacher.
        tflite: folder to write: the file, labels, metadata, how it came about.
        report: HTML file to write.
        settings: kind of quantisation, epochs, types of the file's ends.

    Returns:
        Metrics on the validation photos: val_accuracy (the file), val_accuracy_student (float),
        agreement (file with the Keras network it came from), size_bytes, int8_ops_share, seconds;
        with quantisation-aware training best_epoch (0: its ranges alone were better).

    Raises:
        ExportError: the file is not what was promised.
        ArtifactError: an input is missing, damaged, or of other classes.
    """
    begun = time.monotonic()
    seed_everything(settings.seed)
    photos, validation = PackedDataset.open_parts(train, val)
    size_px = photos.student_px
    student_network = load_student_for(photos, student)
    with complete_folder(tflite) as folder:
        if settings.qat:
            network, history = _fine_tune_quantised(
                student_network, teacher, photos, validation, settings, folder
            )
            model = convert_quantised(
                network,
                input_type=settings.tflite_inference_input_type,
                output_type=settings.tflite_inference_output_type,
            )
        else:
            network, history = student_network, []
            model = _quantise_after_training(student_network, photos, settings)
        facts = _prove(model, settings, size_px)
        (folder / MODEL_FILE).write_bytes(model)
        accuracies = _measure(folder / MODEL_FILE, facts, network, student_network, validation)
        method = _method(settings, history)
        write_labels(folder, photos.label_names)
        MODEL_METADATA.write(folder, describe_model(facts, model, method))
        QUANTIZATION.write(
            folder,
            {
                "method": method,
                "history": history,
                "agreement": accuracies["agreement"],
                "tensor_dtypes": facts.tensor_dtypes,
                "operators": facts.operators,
                "data_digest": photos.split_digest,
            },
        )
    write_file(report, render_export_page(facts, history, accuracies, len(validation), len(model)))
    _log.info(
        "export done (%s): %d bytes, val_accuracy=%.3f (float %.3f)",
        method, len(model), accuracies["val_accuracy"], accuracies["val_accuracy_student"],
    )  # fmt: skip
    return {
        **accuracies,
        **({"best_epoch": float(best_row(history)["epoch"])} if history else {}),
        "size_bytes": len(model),
        "int8_ops_share": 1.0,  # proven by require_full_integer
        "seconds": time.monotonic() - begun,
    }


def _fine_tune_quantised(
    student: Any,
    teacher_folder: str,
    photos: PackedDataset,
    validation: PackedDataset,
    settings: QatExportSettings,
    folder: Path,
) -> tuple[Any, list[HistoryRow]]:
    """Quantisation-aware training with the distillation loss kept."""
    teacher = load_teacher_for(photos, teacher_folder)
    network = quantise_aware(
        student,
        photos.student_pixels,
        seed=settings.seed,
        full_input_range=settings.force_input_range_0_255,
    )
    judges = Validation(validation.student_pixels, validation.label_indices)
    history = train(
        network,
        training_photos(
            photos,
            photos.student_pixels,
            teacher_pixels=photos.teacher_pixels,
            use_class_weights=settings.use_class_weights,
            flip=settings.augment_flip,
        ),
        judges,
        Schedule(
            stage="qat",
            epochs=settings.epochs_qat,
            batch_size=settings.batch_size,
            learning_rate=settings.lr_qat,
            weight_decay=settings.weight_decay,
            seed=settings.seed,
        ),
        start=[_before_fine_tuning(network, judges)],
        distillation=Distillation(teacher, settings.distill_alpha, settings.distill_temperature),
        tensorboard=folder / TENSORBOARD_FOLDER if settings.save_tensorboard else None,
    )
    return network, history


def _before_fine_tuning(network: Any, validation: Validation) -> HistoryRow:
    """The quantised network with nothing but its ranges set: what fine-tuning must improve on."""
    begun = time.monotonic()
    row: HistoryRow = {
        "stage": _RANGES,
        "epoch": 0,
        "loss": None,  # nothing was trained
        "train_accuracy": None,
        **validate(Predictor(network), validation),
        "lr": 0.0,
        "seconds": time.monotonic() - begun,
    }
    _log.info("ranges set from data: val_accuracy=%.3f", row["val_accuracy"])
    return row


def _quantise_after_training(
    student: Any, photos: PackedDataset, settings: QatExportSettings
) -> bytes:
    n_wanted = settings.rep_data_num_batches * settings.batch_size
    rows = np.random.default_rng(settings.seed).permutation(len(photos))[:n_wanted]
    _log.info("post-training quantisation from %d training photos", len(rows))
    return convert_post_training(
        student,
        photos.student_pixels,
        rows,
        input_type=settings.tflite_inference_input_type,
        output_type=settings.tflite_inference_output_type,
        full_input_range=settings.force_input_range_0_255,
    )


def _prove(model: bytes, settings: QatExportSettings, size_px: int) -> FileFacts:
    facts = read_facts(model)
    require_full_integer(
        facts,
        input_type=settings.tflite_inference_input_type,
        output_type=settings.tflite_inference_output_type,
        full_input_range=settings.force_input_range_0_255,
        img_size_px=size_px,
    )
    return facts


def _measure(
    model_path: Path, facts: FileFacts, network: Any, student: Any, validation: PackedDataset
) -> dict[str, float]:
    """Accuracy of the file and of the float student, and whether the file does as it was trained.

    Args:
        model_path: the file.
        facts: what it says of itself.
        network: the Keras network that it was made from.
        student: the float student.
        validation: photos to compare them on.

    Raises:
        ExportError: file and Keras network disagree on more photos than rounding explains.
    """
    pixels, labels = validation.student_pixels, validation.label_indices
    by_file = predict_logits(model_path, pixels).argmax(axis=1)
    logits = Predictor(network).outputs(pixels)
    by_network = logits.argmax(axis=1)
    by_student = Predictor(student).outputs(pixels).argmax(axis=1)
    margins = logits.max(axis=1) - np.take_along_axis(logits, by_file[:, None], axis=1)[:, 0]
    output_scale = facts.outputs[0].scale or 0.0
    n_differ = int((margins > _NEARLY_EVEN_STEPS * output_scale).sum())
    if n_differ > max(_MAX_DISAGREEING_PHOTOS, _MAX_DISAGREEMENT_FRAC * len(labels)):
        raise ExportError(
            f"the exported file and its network must name the same classes; they differ on "
            f"{n_differ} of {len(labels)} validation photos."
        )
    return {
        "val_accuracy": float(np.mean(by_file == labels)),
        "val_accuracy_student": float(np.mean(by_student == labels)),
        "agreement": float(np.mean(by_file == by_network)),
    }


def _method(settings: QatExportSettings, history: list[HistoryRow]) -> str:
    """How the weights and ranges that ship came about, in words."""
    if not settings.qat:
        return "post-training quantisation"
    if best_row(history)["stage"] == _RANGES:
        return "quantisation with ranges set from training photos, better than its fine-tuning"
    return "quantisation-aware training"
