"""Trains the teacher: pretrained backbone, head first, then the whole network."""

import logging
import time

from edgedistill.artifacts import TENSORBOARD_FOLDER
from edgedistill.datasets import PackedDataset
from edgedistill.folders import complete_folder, write_file
from edgedistill.report.training_page import render_training_page
from edgedistill.settings import TeacherSettings
from edgedistill.tf.batches import training_photos
from edgedistill.tf.fine_tuning import fine_tune
from edgedistill.tf.networks import NetworkRecord, build, save_network
from edgedistill.tf.optimizers import Schedule
from edgedistill.tf.runtime import seed_everything
from edgedistill.tf.training import Validation, best_epoch_metrics
from edgedistill.tf.weights import RANDOM, load_pretrained, origin

_log = logging.getLogger(__name__)


def train_teacher(
    train: str, val: str, model: str, report: str, settings: TeacherSettings
) -> dict[str, float]:
    """Trains the teacher on packed photos and keeps its best epoch.

    Args:
        train: folder of the training split.
        val: folder of the validation split.
        model: folder to write: weights, record, TensorBoard logs if wished.
        report: HTML file to write.
        settings: architecture, start, epochs, learning rate.

    Returns:
        Metrics: val_accuracy and val_loss of the best epoch, best_epoch (0: the head alone),
        n_train, seconds.

    Raises:
        WeightsError: the pretrained weights cannot be had or do not fit.
        ArtifactError: a split is missing or damaged.
    """
    begun = time.monotonic()
    seed_everything(settings.seed)
    photos, validation = PackedDataset.open_parts(train, val)
    size_px, arch = photos.teacher_px, settings.teacher_arch
    _log.info("teacher %s at %d px on %d photos", arch, size_px, len(photos))
    network = build(arch, size_px, len(photos.label_names))
    load_pretrained(network, arch, settings.teacher_weights)
    with complete_folder(model) as folder:
        history = fine_tune(
            network,
            training_photos(photos, photos.teacher_pixels, settings),
            Validation(validation.teacher_pixels, validation.label_indices),
            Schedule.of(
                settings,
                stage="network",
                epochs=settings.epochs_teacher,
                learning_rate=settings.lr_teacher,
            ),
            pretrained=settings.teacher_weights != RANDOM,
            tensorboard=folder / TENSORBOARD_FOLDER if settings.save_tensorboard else None,
        )
        weights = origin(settings.teacher_weights)
        save_network(network, folder, NetworkRecord.of(photos, arch, size_px, weights, history))
    write_file(report, render_training_page(f"Teacher: {arch}", history, n_val=len(validation)))
    results = best_epoch_metrics(history)
    _log.info("teacher done: val_accuracy=%.3f", results["val_accuracy"])
    return {**results, "n_train": len(photos), "seconds": time.monotonic() - begun}
