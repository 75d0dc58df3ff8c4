"""The ways of quantising the student: each one's file, its proof and its answers."""

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgedistill.datasets import PackedDataset
from edgedistill.qat_export.choice import Candidate
from edgedistill.qat_export.proof import prove, require_conversion_kept_answers
from edgedistill.settings import QatExportSettings
from edgedistill.tf.batches import training_photos
from edgedistill.tf.export import convert_quantised
from edgedistill.tf.interpreter import predict_outputs
from edgedistill.tf.networks import HistoryRow, load_teacher_for
from edgedistill.tf.optimizers import Schedule
from edgedistill.tf.qat import quantise_aware
from edgedistill.tf.training import Distillation, Predictor, Validation, train

_log = logging.getLogger(__name__)


def quantise_student(student: Any, photos: PackedDataset, settings: QatExportSettings) -> Any:
    """The student quantised as it is: what `as_candidate` writes, and what is fine-tuned further.

    Args:
        student: the float network.
        photos: the training split, of which some photos set the ranges.
        settings: how many.
    """
    begun = time.monotonic()
    n_wanted = settings.rep_data_num_batches * settings.batch_size
    rows = np.random.default_rng(settings.seed).permutation(len(photos))[:n_wanted]
    network = quantise_aware(
        student,
        photos.student_pixels,
        rows,
        full_input_range=settings.force_input_range_0_255,
    )
    _log.info("ranges set from %d photos, %.1f s", len(rows), time.monotonic() - begun)
    return network


def fine_tune_quantised(
    network: Any,
    teacher_folder: str,
    photos: PackedDataset,
    validation: PackedDataset,
    settings: QatExportSettings,
    *,
    tensorboard: Path | None,
) -> list[HistoryRow]:
    """Trains a quantised student in place, the distillation loss kept, to its best epoch.

    Args:
        network: what `quantise_student` made.
        teacher_folder: what the step teacher wrote.
        photos: the training split.
        validation: photos to choose the epoch on.
        settings: epochs, rates.
        tensorboard: folder for TensorBoard logs; None: none are written.

    Returns:
        One row an epoch.
    """
    teacher = load_teacher_for(photos, teacher_folder)
    return train(
        network,
        training_photos(
            photos, photos.student_pixels, settings, teacher_pixels=photos.teacher_pixels
        ),
        Validation(validation.student_pixels, validation.label_indices),
        Schedule.of(
            settings, stage="qat", epochs=settings.epochs_qat, learning_rate=settings.lr_qat
        ),
        distillation=Distillation.of(teacher, settings),
        tensorboard=tensorboard,
    )


def as_candidate(
    method: str, network: Any, validation: PackedDataset, settings: QatExportSettings
) -> Candidate:
    """A quantised network as a file, proven, with its answers to the validation photos.

    Args:
        method: how the network was quantised, in words.
        network: what `quantise_student` made, fine-tuned or not.
        validation: photos to answer.
        settings: types of the file's ends.

    Raises:
        ExportError: the file is not what was promised, or answers otherwise than its network.
    """
    begun = time.monotonic()
    model = convert_quantised(
        network,
        input_type=settings.tflite_inference_input_type,
        output_type=settings.tflite_inference_output_type,
    )
    facts = prove(model, settings, validation.student_px)
    candidate = Candidate(method, model, facts, predict_outputs(model, validation.student_pixels))
    network_logits = Predictor(network).outputs(validation.student_pixels)
    require_conversion_kept_answers(candidate.logits, network_logits, facts)
    _log.info(
        "%s: val_accuracy=%.3f %.1f s",
        method, candidate.accuracy(validation.label_indices), time.monotonic() - begun,
    )  # fmt: skip
    return candidate
