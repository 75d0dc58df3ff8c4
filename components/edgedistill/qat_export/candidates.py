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
from edgedistill.tf.devices import computed_by
from edgedistill.tf.export import convert_quantised
from edgedistill.tf.fine_tuning import LATER, freeze_early_layers
from edgedistill.tf.inference import Predictor, Validation
from edgedistill.tf.interpreter import predict_outputs
from edgedistill.tf.networks import HistoryRow, weights_digest
from edgedistill.tf.optimizers import Schedule
from edgedistill.tf.qat import quantise_aware
from edgedistill.tf.surroundings import Surroundings
from edgedistill.tf.teachers import load_teachers_for
from edgedistill.tf.teaching import taught_by, teachers_digest
from edgedistill.tf.training import train
from edgedistill.tf.weights import RANDOM
from edgedistill.training_identity import training_checkpoints

_log = logging.getLogger(__name__)


def freeze_as_trained(network: Any, start: str, settings: QatExportSettings) -> None:
    """Leaves those layers untrained that the student's own training left untrained.

    Args:
        network: what `quantise_student` made.
        start: what the student started from, as its record has it; of a random one all layers were
            trained.
        settings: which layers are trained.
    """
    if settings.trained_layers == LATER and start != RANDOM:
        freeze_early_layers(network)


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
    predictor: Predictor,
    teacher_folder: str,
    photos: PackedDataset,
    validation: PackedDataset,
    settings: QatExportSettings,
    *,
    start: str,
    curves: Path,
) -> list[HistoryRow]:
    """Trains a quantised student in place, the distillation loss kept, to its best epoch.

    Args:
        network: what `quantise_student` made.
        predictor: its own.
        teacher_folder: what the step teacher wrote.
        photos: the training split.
        validation: photos to choose the epoch on.
        settings: epochs, rates.
        start: what the student started from, as its record has it.
        curves: folder for TensorBoard logs.

    Returns:
        One row an epoch.
    """
    teachers = load_teachers_for(photos, teacher_folder)
    what = {
        "data_digest": photos.digest,
        "val_digest": validation.digest,
        "teacher": teachers_digest(teachers),
        "quantised_start": weights_digest(network),
        **computed_by("float32", settings.xla),
    }
    taught, distillation = taught_by(
        teachers,
        photos,
        training_photos(photos, photos.student_pixels, settings),
        settings,
        epochs=settings.epochs_qat,
        seed=settings.seed,
        data_workers=settings.data_workers,
        kept_answers=training_checkpoints("qat_export", "qat-answers", settings, **what),
    )
    freeze_as_trained(network, start, settings)
    return train(
        network,
        taught,
        Validation(validation.student_pixels, validation.label_indices),
        Schedule.of(
            settings, stage="qat", epochs=settings.epochs_qat, learning_rate=settings.lr_qat
        ),
        distillation=distillation,
        surroundings=Surroundings.of(
            settings, training_checkpoints("qat_export", "qat", settings, **what), curves
        ),
        predictor=predictor,
    )


def as_candidate(
    method: str,
    network: Any,
    predictor: Predictor,
    validation: PackedDataset,
    settings: QatExportSettings,
) -> Candidate:
    """A quantised network as a file, proven, with its answers to the validation photos.

    Args:
        method: how the network was quantised, in words.
        network: what `quantise_student` made, fine-tuned or not.
        predictor: its own.
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
    network_logits = predictor.outputs(validation.student_pixels)
    require_conversion_kept_answers(candidate.logits, network_logits, facts)
    _log.info(
        "%s: val_accuracy=%.3f %.1f s",
        method, candidate.accuracy(validation.label_indices), time.monotonic() - begun,
    )  # fmt: skip
    return candidate
