"""The ways of quantising the student: each one's file, its proof and its answers, and the best."""

import logging
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.metrics import cross_entropy
from edgedistill.datasets import PackedDataset
from edgedistill.qat_export.proof import prove, require_conversion_kept_answers
from edgedistill.settings import QatExportSettings
from edgedistill.tf.batches import training_photos
from edgedistill.tf.export import convert_post_training, convert_quantised
from edgedistill.tf.flatbuffer import FileFacts
from edgedistill.tf.interpreter import predict_logits
from edgedistill.tf.networks import HistoryRow, load_teacher_for
from edgedistill.tf.optimizers import Schedule
from edgedistill.tf.qat import quantise_aware
from edgedistill.tf.training import Distillation, Predictor, Validation, best_row, train, validate

_log = logging.getLogger(__name__)

FLOAT = "float student"
POST_TRAINING = "post-training quantisation"
RANGES_ALONE = "quantisation with ranges set from training photos, better than its fine-tuning"
QUANTISATION_AWARE = "quantisation-aware training"

_RANGES = "ranges"
"""Stage of the history's first row: the network before its fine-tuning."""


@dataclass(frozen=True)
class Candidate:
    """A full-integer file and how it came about.

    Attributes:
        method: the way of quantising, in words.
        model: the file.
        facts: what it says of itself, proven.
        logits: its answers to the validation photos, shape (n, n_classes).
        history: one row an epoch of quantisation-aware training; empty without it.
    """

    method: str
    model: bytes
    facts: FileFacts
    logits: NDArray[np.float32]
    history: list[HistoryRow]

    def accuracy(self, label_indices: NDArray[np.int64]) -> float:
        """Share of the validation photos that the file is right on."""
        return float(np.mean(self.logits.argmax(axis=1) == label_indices))


def quantise_after_training(
    student: Any,
    photos: PackedDataset,
    validation: PackedDataset,
    settings: QatExportSettings,
) -> Candidate:
    """The student quantised as it is, its ranges taken from training photos.

    Args:
        student: the float network.
        photos: the training split.
        validation: photos to answer.
        settings: number of photos that set the ranges; types of the file's ends.

    Raises:
        ExportError: the file is not what was promised.
    """
    begun = time.monotonic()
    n_wanted = settings.rep_data_num_batches * settings.batch_size
    rows = np.random.default_rng(settings.seed).permutation(len(photos))[:n_wanted]
    model = convert_post_training(
        student,
        photos.student_pixels,
        rows,
        input_type=settings.tflite_inference_input_type,
        output_type=settings.tflite_inference_output_type,
        full_input_range=settings.force_input_range_0_255,
    )
    candidate = _candidate(POST_TRAINING, model, validation, settings, [])
    _tell(candidate, validation, f"ranges from {len(rows)} training photos", begun)
    return candidate


def quantise_in_training(
    student: Any,
    teacher_folder: str,
    photos: PackedDataset,
    validation: PackedDataset,
    settings: QatExportSettings,
    *,
    tensorboard: Path | None,
) -> Candidate:
    """The student fine-tuned with its quantisation in it, the distillation loss kept.

    Args:
        student: the float network.
        teacher_folder: what the step teacher wrote.
        photos: the training split.
        validation: photos to choose the epoch on and to answer.
        settings: epochs, rates, types of the file's ends.
        tensorboard: folder for TensorBoard logs; None: none are written.

    Raises:
        ExportError: the file is not what was promised, or answers otherwise than its network.
    """
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
        _schedule(settings),
        start=[_before_fine_tuning(network, judges)],
        distillation=Distillation(teacher, settings.distill_alpha, settings.distill_temperature),
        tensorboard=tensorboard,
    )
    begun = time.monotonic()
    model = convert_quantised(
        network,
        input_type=settings.tflite_inference_input_type,
        output_type=settings.tflite_inference_output_type,
    )
    method = RANGES_ALONE if best_row(history)["stage"] == _RANGES else QUANTISATION_AWARE
    candidate = _candidate(method, model, validation, settings, history)
    require_conversion_kept_answers(
        candidate.logits, Predictor(network).outputs(validation.student_pixels), candidate.facts
    )
    _tell(candidate, validation, "converted", begun)
    return candidate


def best_candidate(candidates: Sequence[Candidate], label_indices: NDArray[np.int64]) -> Candidate:
    """The one of highest validation accuracy; of lowest cross entropy on a tie."""
    return max(
        candidates,
        key=lambda c: (c.accuracy(label_indices), -cross_entropy(c.logits, label_indices)),
    )


def _schedule(settings: QatExportSettings) -> Schedule:
    return Schedule(
        stage="qat",
        epochs=settings.epochs_qat,
        batch_size=settings.batch_size,
        learning_rate=settings.lr_qat,
        weight_decay=settings.weight_decay,
        seed=settings.seed,
    )


def _candidate(
    method: str,
    model: bytes,
    validation: PackedDataset,
    settings: QatExportSettings,
    history: list[HistoryRow],
) -> Candidate:
    facts = prove(model, settings, validation.student_px)
    return Candidate(method, model, facts, answers_of(model, validation), history)


def answers_of(model: bytes, validation: PackedDataset) -> NDArray[np.float32]:
    """A file's outputs for the validation photos, dequantised, shape (n, n_classes)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(model)
        return predict_logits(path, validation.student_pixels)


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


def _tell(candidate: Candidate, validation: PackedDataset, how: str, begun: float) -> None:
    accuracy = candidate.accuracy(validation.label_indices)
    _log.info(
        "%s, %s: val_accuracy=%.3f %.1f s",
        candidate.method, how, accuracy, time.monotonic() - begun,
    )  # fmt: skip
