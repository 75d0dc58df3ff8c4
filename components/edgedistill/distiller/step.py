"""Distils the teacher into the student, EfficientNet-Lite1."""

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgedistill.artifacts import TEACHERS, TENSORBOARD_FOLDER, WITHOUT_TEACHER_FOLDER
from edgedistill.core.paired import compare_paired
from edgedistill.datasets import PackedDataset
from edgedistill.declaration import Value
from edgedistill.distiller.gain_section import distillation_section
from edgedistill.folders import complete_folder, write_file
from edgedistill.report.augmentation_section import augmentation_section
from edgedistill.report.page import Section
from edgedistill.report.teacher_gain import TeacherGain, teacher_gain
from edgedistill.report.training_page import render_training_page
from edgedistill.settings import DistillerSettings
from edgedistill.storage.s3 import use_endpoint
from edgedistill.tf.batches import TrainingPhotos, example_views, training_photos
from edgedistill.tf.devices import computed_by, start_computing, use_precision
from edgedistill.tf.fine_tuning import Pretrained, fine_tune
from edgedistill.tf.inference import Predictor, Validation
from edgedistill.tf.networks import (
    STUDENT_ARCH,
    HistoryRow,
    NetworkRecord,
    build,
    release_networks,
    save_network,
    weights_digest,
)
from edgedistill.tf.optimizers import Schedule
from edgedistill.tf.runtime import seed_everything
from edgedistill.tf.surroundings import Surroundings
from edgedistill.tf.teachers import Teachers, load_teachers_for
from edgedistill.tf.teaching import sizes_asked, taught_by, teachers_digest
from edgedistill.tf.training_metrics import training_metrics, validation_metrics
from edgedistill.tf.weights import RANDOM, load_pretrained, origin
from edgedistill.training_identity import training_checkpoints
from edgedistill.weights_file import local_weights

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Student:
    """A trained student.

    `photos`: as it was trained on them. `val_logits`: its answers to the validation photos, shape
    (n, n_classes).
    """

    history: list[HistoryRow]
    photos: TrainingPhotos
    val_logits: NDArray[np.float32]


def distil_student(
    train: str, val: str, teacher: str, model: str, report: str, settings: DistillerSettings
) -> dict[str, float]:
    """Trains the student on labels and on the teacher's answers to the same views.

    Args:
        train: folder of the training split.
        val: folder of the validation split.
        teacher: folder of the trained teacher.
        model: folder to write: weights, record, TensorBoard logs if wished; where the gain of
            distillation is measured the same of the student without a teacher, in a folder in it.
        report: HTML file to write.
        settings: start, epochs, learning rate, distillation.

    Returns:
        Metrics: those of `validation_metrics` and `training_metrics`, n_train, compute_threads,
        seconds; teacher_gain (`report.teacher_gain`), left out where there is no plain student;
        kd_gain, the student's validation accuracy less that of the one without a teacher, where
        that is measured.

    Raises:
        SettingError: there are fewer GPUs than were asked for.
        WeightsError: the pretrained weights cannot be had or do not fit.
        ArtifactError: a split or the teacher is missing, damaged, or of other classes.
        TrainingError: the loss is no longer finite, or memory does not hold a photo.
    """
    begun = time.monotonic()
    use_endpoint(settings.s3_endpoint)
    threads = start_computing(settings.seed, settings.compute_threads, settings.gpu_count)
    photos, validation = PackedDataset.open_parts(train, val)
    asked_px = sizes_asked(teacher, settings, epochs=settings.epochs_student)
    photos.require_whole((photos.student_px, *asked_px))
    validation.require_whole((validation.student_px,))
    teachers = load_teachers_for(photos, teacher)
    _log.info("student %s at %d px on %d photos", STUDENT_ARCH, photos.student_px, len(photos))
    plain = None
    with complete_folder(model) as folder:
        student = _train_student(teachers, photos, validation, settings, folder)
        if settings.measure_kd_gain:
            del teachers
            plain = _train_plain_student(photos, validation, settings, folder)
    labels = validation.label_indices
    results = {
        **validation_metrics(student.val_logits, labels), **training_metrics(student.history)
    }  # fmt: skip
    gain = teacher_gain(
        TEACHERS.read(Path(teacher)), student.history, None if plain is None else plain.history,
        settings.distill_alpha,
    )  # fmt: skip
    more = _gain_sections(gain)
    if plain is not None:
        compared = compare_paired(_right(plain, labels), _right(student, labels))
        results["kd_gain"] = compared.difference
        more.append(distillation_section(compared, len(labels), plain.history))
    more.append(_varied_section(student.photos, settings))
    title = f"Student: {STUDENT_ARCH}"
    write_file(report, render_training_page(title, student.history, n_val=len(labels), more=more))
    _log.info("student done: val_accuracy=%.3f", results["val_accuracy"])
    _warn(gain, results["best_epoch"], settings)
    return {
        **results,
        **({} if gain is None else {"teacher_gain": gain.value}),
        "n_train": len(photos),
        "compute_threads": threads,
        "seconds": time.monotonic() - begun,
    }


def _train_student(
    teachers: Teachers | None,
    photos: PackedDataset,
    validation: PackedDataset,
    settings: DistillerSettings,
    folder: Path,
    name: str = "student",
) -> _Student:
    """Trains a student into an existing folder; `name` is that of its saved states."""
    seed_everything(settings.seed)  # whatever drew before
    precision = use_precision(settings.mixed_precision)
    network = build(STUDENT_ARCH, photos.student_px, len(photos.label_names))
    with local_weights(settings.student_weights) as start:
        load_pretrained(network, STUDENT_ARCH, start)
    what: dict[str, Value] = {
        "data_digest": photos.digest,
        "val_digest": validation.digest,
        "student_start": weights_digest(network),
        **computed_by(precision, settings.xla),
    }
    taught, distillation = training_photos(photos, photos.student_pixels, settings), None
    if teachers is not None:
        what["teacher"] = teachers_digest(teachers)
        taught, distillation = taught_by(
            teachers,
            photos,
            taught,
            settings,
            epochs=settings.epochs_student,
            seed=settings.seed,
            data_workers=settings.data_workers,
            kept_answers=training_checkpoints("distiller", f"{name}-answers", settings, **what),
        )
    judged_on = Validation(validation.student_pixels, validation.label_indices)
    predictor = Predictor(network)
    history = fine_tune(
        network,
        taught,
        judged_on,
        Schedule.of(
            settings,
            stage="network",
            epochs=settings.epochs_student,
            learning_rate=settings.lr_student,
        ),
        pretrained=None if settings.student_weights == RANDOM else Pretrained.of(settings),
        distillation=distillation,
        surroundings=Surroundings.of(
            settings,
            training_checkpoints("distiller", name, settings, **what),
            folder / TENSORBOARD_FOLDER,
        ),
        predictor=predictor,
    )
    weights = origin(settings.student_weights)
    record = NetworkRecord.of(photos, STUDENT_ARCH, photos.student_px, weights, history)
    save_network(network, folder, record)
    return _Student(history, taught, predictor.outputs(judged_on.pixels))


def _train_plain_student(
    photos: PackedDataset, validation: PackedDataset, settings: DistillerSettings, folder: Path
) -> _Student:
    """The same training by the hard loss alone, as if there were no teacher."""
    _log.info("student without the teacher, to measure the gain of distillation")
    release_networks()
    without = folder / WITHOUT_TEACHER_FOLDER
    without.mkdir()
    alone = replace(settings, distill_alpha=1.0, measure_kd_gain=False)
    return _train_student(None, photos, validation, alone, without, "student-without-teacher")


def _right(student: _Student, label_indices: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each validation photo is named right, shape (n,)."""
    right: NDArray[np.bool_] = student.val_logits.argmax(axis=1) == label_indices
    return right


def _varied_section(shown: TrainingPhotos, settings: DistillerSettings) -> Section:
    return augmentation_section(
        *example_views(shown, seed=settings.seed),
        level=settings.augment,
        flip=settings.augment_flip,
        mixup=settings.mixup,
        n_in_turn=shown.n_views,
    )


def _gain_sections(gain: TeacherGain | None) -> list[Section]:
    if gain is None:
        return []
    return [Section("What the teacher knows more", paragraphs=[gain.in_words])]


def _warn(gain: TeacherGain | None, best_epoch: float, settings: DistillerSettings) -> None:
    """Loudly, of what the training was not worth."""
    if gain is not None and gain.teaches_little:
        _log.warning("teacher_gain %+.3f: %s", gain.value, gain.in_words)
    if best_epoch == 0 < settings.epochs_student:
        _log.warning(
            "no epoch improved on the head alone, which is kept: raise epochs_student (now %d)",
            settings.epochs_student,
        )
