"""Trains the teachers one after the other: pretrained backbone, head first, then its layers."""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgedistill.artifacts import TEACHERS, TENSORBOARD_FOLDER
from edgedistill.datasets import PackedDataset
from edgedistill.errors import ArtifactError
from edgedistill.folders import complete_folder, write_file
from edgedistill.report.augmentation_section import augmentation_section
from edgedistill.settings import TEACHER_SIZES_PX, TeacherSettings
from edgedistill.storage.s3 import use_endpoint
from edgedistill.teacher.page import render_teacher_page
from edgedistill.tf.batches import TrainingPhotos, example_views, training_photos
from edgedistill.tf.devices import computed_by, use_precision
from edgedistill.tf.fine_tuning import fine_tune
from edgedistill.tf.inference import Validation, judge
from edgedistill.tf.networks import (
    HistoryRow,
    NetworkRecord,
    build,
    load_network,
    release_networks,
    save_network,
    weights_digest,
)
from edgedistill.tf.optimizers import Schedule
from edgedistill.tf.runtime import prepare, seed_everything
from edgedistill.tf.teachers import Teachers
from edgedistill.tf.training import Surroundings
from edgedistill.tf.training_metrics import training_metrics
from edgedistill.tf.weights import RANDOM, load_pretrained, origin
from edgedistill.training_identity import training_checkpoints
from edgedistill.weights_file import check_weights, local_weights

_log = logging.getLogger(__name__)


def train_teacher(
    train: str, val: str, model: str, report: str, settings: TeacherSettings
) -> dict[str, float]:
    """Trains each of the teachers on packed photos and keeps its best epoch.

    Args:
        train: folder of the training split.
        val: folder of the validation split.
        model: folder to write: teachers.json, a folder for each network with its weights and
            record, TensorBoard logs if wished.
        report: HTML file to write.
        settings: architectures, start, epochs, learning rate.

    Returns:
        Metrics: n_train, compute_threads and seconds, and of one teacher those of
        `training_metrics`; of several val_accuracy and val_loss are those of the mean of their
        probabilities, peak_memory_gb that of the process, and each one's other metrics follow,
        with its network behind the name, such as val_accuracy_resnet101.

    Raises:
        WeightsError: pretrained weights cannot be had or do not fit.
        ArtifactError: a split is missing or damaged, or is not packed at a teacher's size.
    """
    begun = time.monotonic()
    threads = prepare(settings.seed, settings.compute_threads)
    photos, validation = PackedDataset.open_parts(train, val)
    starts = dict(zip(settings.teacher_archs, settings.teacher_starts, strict=True))
    use_endpoint(settings.s3_endpoint)
    for arch, start in starts.items():  # all, before hours go into the first
        size_px(photos, arch)
        check_weights(arch, start)
    with complete_folder(model) as folder:
        histories = {
            arch: _train_one(arch, start, photos, validation, folder, settings)
            for arch, start in starts.items()
        }
        results = _together(histories, validation, folder)
        figures = {name: results[name] for name in ("val_accuracy", "val_loss")}
        TEACHERS.write(folder, {"archs": list(histories), **figures})
    taught = _training_photos(photos, size_px(photos, settings.teacher_archs[0]), settings)
    sheet = augmentation_section(
        *example_views(taught, seed=settings.seed),
        level=settings.augment,
        flip=settings.augment_flip,
        mixup=settings.mixup,
    )
    write_file(report, render_teacher_page(histories, results, len(validation), [sheet]))
    _log.info("teacher done: val_accuracy=%.3f", results["val_accuracy"])
    return {
        **results,
        "n_train": len(photos),
        "compute_threads": threads,
        "seconds": time.monotonic() - begun,
    }


def _training_photos(photos: PackedDataset, side: int, settings: TeacherSettings) -> TrainingPhotos:
    return training_photos(photos, photos.pixels_at(side), settings)


def size_px(photos: PackedDataset, arch: str) -> int:
    """Side of the images that a teacher of these photos takes.

    That is the side that its network was published for where scan packed it, else the only one
    that scan packed for teachers.

    Raises:
        ArtifactError: scan packed several others.
    """
    own, packed = TEACHER_SIZES_PX[arch], photos.teacher_sizes_px
    if own in packed or len(packed) == 1:
        return own if own in packed else packed[0]
    raise ArtifactError(
        f"{photos.folder} must hold images of {own} px for {arch}; it has those of "
        f"{', '.join(map(str, packed))} px: give scan and teacher the same teacher_arch."
    )


def _train_one(
    arch: str,
    start: str,
    photos: PackedDataset,
    validation: PackedDataset,
    folder: Path,
    settings: TeacherSettings,
) -> Sequence[HistoryRow]:
    """Trains one network into a folder of its name, as if there were no other."""
    release_networks()
    seed_everything(settings.seed)
    precision = use_precision(settings.mixed_precision)
    side = size_px(photos, arch)
    _log.info("teacher %s at %d px on %d photos", arch, side, len(photos))
    network = build(arch, side, len(photos.label_names))
    with local_weights(start) as weights:
        load_pretrained(network, arch, weights)
    checkpoints = training_checkpoints(
        "teacher",
        f"teacher-{arch}",
        settings,
        data_digest=photos.digest,
        val_digest=validation.digest,
        img_size_px=side,
        teacher_start=weights_digest(network),
        **computed_by(precision, settings.xla),
    )
    history = fine_tune(
        network,
        _training_photos(photos, side, settings),
        Validation(validation.pixels_at(side), validation.label_indices),
        Schedule.of(
            settings,
            stage="network",
            epochs=settings.epochs_teacher,
            learning_rate=settings.lr_teacher,
        ),
        pretrained=start != RANDOM,
        pretrained_rate=settings.pretrained_rate,
        trained_layers=settings.trained_layers,
        surroundings=Surroundings.of(settings, checkpoints, folder / TENSORBOARD_FOLDER / arch),
    )
    (folder / arch).mkdir()
    record = NetworkRecord.of(photos, arch, side, origin(start), history)
    save_network(network, folder / arch, record)
    return history


def _together(
    histories: Mapping[str, Sequence[HistoryRow]], validation: PackedDataset, folder: Path
) -> dict[str, float]:
    """What the networks that lie in the folder are worth, all as one and, of several, each alone.

    A single one's figures are those of its training: it need not answer once more.
    """
    own = {arch: training_metrics(history) for arch, history in histories.items()}
    if len(own) == 1:
        return next(iter(own.values()))
    release_networks()
    teachers = Teachers(tuple(load_network(folder / arch)[0] for arch in own))
    together = judge(teachers.log_probabilities(validation), validation.label_indices)
    peak_gb = max(figures.pop("peak_memory_gb") for figures in own.values())
    alone = {f"{name}_{arch}": v for arch, figures in own.items() for name, v in figures.items()}
    return {**together, "peak_memory_gb": peak_gb, **alone}
