"""Distils the teacher into the student, EfficientNet-Lite1."""

import logging
import time
from pathlib import Path
from typing import Any

from edgedistill.artifacts import TEACHERS, TENSORBOARD_FOLDER
from edgedistill.datasets import PackedDataset
from edgedistill.folders import complete_folder, write_file
from edgedistill.report.augmentation_section import augmentation_section
from edgedistill.report.page import Section
from edgedistill.report.training_page import render_training_page
from edgedistill.settings import DistillerSettings
from edgedistill.storage.s3 import use_endpoint
from edgedistill.tf.batches import TrainingPhotos, example_views, training_photos
from edgedistill.tf.devices import computed_by, use_precision
from edgedistill.tf.fine_tuning import fine_tune
from edgedistill.tf.inference import Validation
from edgedistill.tf.networks import (
    STUDENT_ARCH,
    HistoryRow,
    NetworkRecord,
    build,
    save_network,
    weights_digest,
)
from edgedistill.tf.optimizers import Schedule
from edgedistill.tf.runtime import prepare
from edgedistill.tf.teachers import Teachers, load_teachers_for
from edgedistill.tf.teaching import taught_by, teachers_digest
from edgedistill.tf.training import Surroundings
from edgedistill.tf.training_metrics import training_metrics
from edgedistill.tf.weights import RANDOM, load_pretrained, origin
from edgedistill.training_identity import training_checkpoints
from edgedistill.weights_file import local_weights

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
        Metrics: those of `training_metrics`, n_train, compute_threads, seconds; teacher_gain, the
        teacher's validation accuracy less that of a plain student, whose head alone was fitted,
        without the teacher; left out where the student starts from random weights.

    Raises:
        WeightsError: the pretrained weights cannot be had or do not fit.
        ArtifactError: a split or the teacher is missing, damaged, or of other classes.
        TrainingError: the loss is no longer finite, or memory does not hold a photo.
    """
    begun = time.monotonic()
    use_endpoint(settings.s3_endpoint)
    threads = prepare(settings.seed, settings.compute_threads)
    photos, validation = PackedDataset.open_parts(train, val)
    teachers = load_teachers_for(photos, teacher)
    precision = use_precision(settings.mixed_precision)
    network = build(STUDENT_ARCH, photos.student_px, len(photos.label_names))
    with local_weights(settings.student_weights) as start:
        load_pretrained(network, STUDENT_ARCH, start)
    _log.info("student %s at %d px on %d photos", STUDENT_ARCH, photos.student_px, len(photos))
    with complete_folder(model) as folder:
        history, shown = _distil(
            network, teachers, photos, validation, settings, folder, precision=precision
        )
        weights = origin(settings.student_weights)
        record = NetworkRecord.of(photos, STUDENT_ARCH, photos.student_px, weights, history)
        save_network(network, folder, record)
    gain = _teacher_gain(teacher, history, settings)
    more = [*_gain_section(gain, settings), _varied_section(shown, settings)]
    title = f"Student: {STUDENT_ARCH}"
    write_file(report, render_training_page(title, history, n_val=len(validation), more=more))
    results = {**training_metrics(history), **gain}
    _log.info("student done: val_accuracy=%.3f", results["val_accuracy"])
    if results["best_epoch"] == 0:
        _log.warning(
            "distillation did not improve on the head alone, which is kept: raise epochs_student"
        )
    return {
        **results,
        "n_train": len(photos),
        "compute_threads": threads,
        "seconds": time.monotonic() - begun,
    }


def _distil(
    network: Any,
    teachers: Teachers,
    photos: PackedDataset,
    validation: PackedDataset,
    settings: DistillerSettings,
    folder: Path,
    *,
    precision: str,
) -> tuple[list[HistoryRow], TrainingPhotos]:
    """Trains the network in place; gives its history, and the photos as they were trained on."""
    what = {
        "data_digest": photos.digest,
        "val_digest": validation.digest,
        "teacher": teachers_digest(teachers),
        "student_start": weights_digest(network),
        **computed_by(precision, settings.xla),
    }
    taught, distillation = taught_by(
        teachers,
        photos,
        training_photos(photos, photos.student_pixels, settings),
        settings,
        epochs=settings.epochs_student,
        seed=settings.seed,
        data_workers=settings.data_workers,
        kept_answers=training_checkpoints("distiller", "student-answers", settings, **what),
    )
    history = fine_tune(
        network,
        taught,
        Validation(validation.student_pixels, validation.label_indices),
        Schedule.of(
            settings,
            stage="network",
            epochs=settings.epochs_student,
            learning_rate=settings.lr_student,
        ),
        pretrained=settings.student_weights != RANDOM,
        pretrained_rate=settings.pretrained_rate,
        trained_layers=settings.trained_layers,
        distillation=distillation,
        surroundings=Surroundings.of(
            settings,
            training_checkpoints("distiller", "student", settings, **what),
            folder / TENSORBOARD_FOLDER,
        ),
    )
    return history, taught


def _varied_section(shown: TrainingPhotos, settings: DistillerSettings) -> Section:
    return augmentation_section(
        *example_views(shown, seed=settings.seed),
        level=settings.augment,
        flip=settings.augment_flip,
        mixup=settings.mixup,
        n_in_turn=shown.n_views,
    )


def _teacher_gain(
    teacher: str, history: list[HistoryRow], settings: DistillerSettings
) -> dict[str, float]:
    """What the teacher knows more than a student that never met it, and a loud word if nothing."""
    plain = [row["val_accuracy"] for row in history if row["stage"] == "head"]
    if not plain:
        return {}
    gain = float(TEACHERS.read(Path(teacher))["val_accuracy"]) - float(plain[0])
    if gain < 0 and settings.distill_alpha < 1:
        _log.warning("the teacher is worse than a plain student: teacher_gain %+.3f", gain)
    return {"teacher_gain": gain}


def _gain_section(gain: dict[str, float], settings: DistillerSettings) -> list[Section]:
    """What the teacher is worth to the student, and what to do where that is nothing."""
    if not gain:
        return []
    points = 100 * gain["teacher_gain"]
    if points >= 0:
        says = "better than a plain student, whose head alone was fitted to the labels: it has "
        says += "something to teach."
    else:
        says = "worse than a plain student, whose head alone was fitted to the labels: it teaches "
        says += "little. Raise epochs_teacher or teacher_img_size, choose another teacher_arch, or "
        says += "train without it: distill_alpha 1."
    sentences = [f"On the validation photos the teacher is {abs(points):.1f} points {says}"]
    if settings.distill_alpha == 1:
        sentences.append("This training did not ask it: distill_alpha is 1.")
    return [Section("What the teacher knows more", paragraphs=[" ".join(sentences)])]
