"""Distils the teacher into the student, EfficientNet-Lite1."""

import logging
import time

from edgedistill.artifacts import TENSORBOARD_FOLDER
from edgedistill.datasets import PackedDataset
from edgedistill.folders import complete_folder, write_file
from edgedistill.report.training_page import render_training_page
from edgedistill.settings import DistillerSettings
from edgedistill.tf.batches import training_photos
from edgedistill.tf.fine_tuning import fine_tune
from edgedistill.tf.networks import (
    STUDENT_ARCH,
    NetworkRecord,
    build,
    load_teacher_for,
    save_network,
)
from edgedistill.tf.optimizers import Schedule
from edgedistill.tf.runtime import seed_everything
from edgedistill.tf.training import Distillation, Validation, best_epoch_metrics
from edgedistill.tf.weights import RANDOM, load_pretrained, origin

_log = logging.getLogger(__name__)


def distil_student(
    train: str, val: str, teacher: str, model: str, report: str, settings: DistillerSettings
) -> dict[str, float]:
    """Trains the student on labels and on the teacher's answers to the same views.

    Args:
        train: folder of the training split.
        val: folder of the validation split.
        teacher: folder of the trained teacher.
        model: folder to write: weights, record, TensorBoard logs if wished.
        report: HTML file to write.
        settings: start, epochs, learning rate, distillation.

    Returns:
        Metrics: val_accuracy and val_loss of the best epoch, best_epoch (0: the head alone),
        n_train, seconds.

    Raises:
        WeightsError: the pretrained weights cannot be had or do not fit.
        ArtifactError: a split or the teacher is missing, damaged, or of other classes.
    """
    begun = time.monotonic()
    seed_everything(settings.seed)
    photos, validation = PackedDataset.open_parts(train, val)
    size_px = photos.student_px
    teacher_network = load_teacher_for(photos, teacher)
    _log.info("student %s at %d px on %d photos", STUDENT_ARCH, size_px, len(photos))
    network = build(STUDENT_ARCH, size_px, len(photos.label_names))
    load_pretrained(network, STUDENT_ARCH, settings.student_weights)
    with complete_folder(model) as folder:
        history = fine_tune(
            network,
            training_photos(
                photos, photos.student_pixels, settings, teacher_pixels=photos.teacher_pixels
            ),
            Validation(validation.student_pixels, validation.label_indices),
            Schedule.of(
                settings,
                stage="network",
                epochs=settings.epochs_student,
                learning_rate=settings.lr_student,
            ),
            pretrained=settings.student_weights != RANDOM,
            distillation=Distillation.of(teacher_network, settings),
            tensorboard=folder / TENSORBOARD_FOLDER if settings.save_tensorboard else None,
        )
        weights = origin(settings.student_weights)
        record = NetworkRecord.of(photos, STUDENT_ARCH, size_px, weights, history)
        save_network(network, folder, record)
    write_file(
        report, render_training_page(f"Student: {STUDENT_ARCH}", history, n_val=len(validation))
    )
    results = best_epoch_metrics(history)
    _log.info("student done: val_accuracy=%.3f", results["val_accuracy"])
    if results["best_epoch"] == 0:
        _log.warning(
            "distillation did not improve on the head alone, which is kept: raise epochs_student"
        )
    return {**results, "n_train": len(photos), "seconds": time.monotonic() - begun}
