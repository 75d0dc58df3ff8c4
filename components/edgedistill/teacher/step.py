"""Trains the teachers one after the other: pretrained backbone, head first, then its layers."""

import logging
import time
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgedistill.artifacts import LABEL_REVIEW_CSV, TEACHERS
from edgedistill.core.probabilities import softmax
from edgedistill.datasets import PackedDataset
from edgedistill.folders import complete_folder, write_file
from edgedistill.report.augmentation_section import augmentation_section
from edgedistill.report.page import Section
from edgedistill.settings import TeacherSettings
from edgedistill.storage.s3 import use_endpoint
from edgedistill.teacher.label_review import (
    JudgedPart,
    find_suspects,
    review_summary,
    write_label_review,
)
from edgedistill.teacher.label_section import label_section
from edgedistill.teacher.page import render_teacher_page
from edgedistill.teacher.single_teacher import Trained, photos_to_train_on, size_px, train_single
from edgedistill.tf.batches import example_views
from edgedistill.tf.devices import start_computing
from edgedistill.tf.training_metrics import training_metrics, training_speed, validation_metrics
from edgedistill.tf.weights import RANDOM
from edgedistill.weights_file import check_weights

_log = logging.getLogger(__name__)

_OF_EACH = ("val_accuracy", "val_loss")
"""What the metrics say of each of several teachers; the rest stands in its record.

KFP's view takes some twenty figures.
"""


def train_teacher(
    train: str, val: str, model: str, report: str, settings: TeacherSettings
) -> dict[str, float]:
    """Trains each of the teachers on packed photos and keeps its best epoch.

    Args:
        train: folder of the training split.
        val: folder of the validation split.
        model: folder to write: teachers.json, label_review.csv, a folder for each network with its
            weights and record, TensorBoard logs if wished.
        report: HTML file to write.
        settings: architectures, start, epochs, learning rate.

    Returns:
        Metrics: those of `validation_metrics`, of several teachers of the mean of their
        probabilities; those of `training_speed`, over the epochs of all; n_label_suspects,
        n_train, compute_threads and seconds. Of one teacher best_epoch besides; of several each
        one's val_accuracy and val_loss with its network behind the name, such as
        val_accuracy_resnet101.

    Raises:
        SettingError: there are fewer GPUs than were asked for.
        WeightsError: pretrained weights cannot be had or do not fit.
        ArtifactError: a split is missing or damaged, or is not packed at a teacher's size.
    """
    begun = time.monotonic()
    threads = start_computing(settings.seed, settings.compute_threads, settings.gpu_count)
    photos, validation = PackedDataset.open_parts(train, val)
    starts = dict(zip(settings.teacher_archs, settings.teacher_starts, strict=True))
    use_endpoint(settings.s3_endpoint)
    sizes_px = [size_px(photos, arch) for arch in starts]
    for arch, start in starts.items():  # all, before hours go into the first
        check_weights(arch, start)
    photos.require_whole(sizes_px)
    validation.require_whole(sizes_px)
    with complete_folder(model) as folder:
        trained = {
            arch: train_single(arch, start, photos, validation, folder, settings)
            for arch, start in starts.items()
        }
        results = _figures(trained, validation)
        parts = _judged_parts(trained, starts, photos, validation)
        suspects = find_suspects(parts)
        write_label_review(folder / LABEL_REVIEW_CSV, parts, suspects)
        review = review_summary(parts, suspects)
        figures = {name: results[name] for name in ("val_accuracy", "val_loss")}
        TEACHERS.write(folder, {"archs": list(trained), **figures, "label_review": review})
    sections = [label_section(parts, suspects), _varied_section(photos, settings)]
    histories = {arch: one.history for arch, one in trained.items()}
    write_file(report, render_teacher_page(histories, results, len(validation), sections))
    _log.info(
        "teacher done: val_accuracy=%.3f, %d labels in doubt",
        results["val_accuracy"], len(suspects),
    )  # fmt: skip
    return {
        **results,
        "n_label_suspects": len(suspects),
        "n_train": len(photos),
        "compute_threads": threads,
        "seconds": time.monotonic() - begun,
    }


def _varied_section(photos: PackedDataset, settings: TeacherSettings) -> Section:
    taught = photos_to_train_on(photos, settings.teacher_archs[0], settings)
    return augmentation_section(
        *example_views(taught, seed=settings.seed),
        level=settings.augment,
        flip=settings.augment_flip,
        mixup=settings.mixup,
    )


def _figures(trained: Mapping[str, Trained], validation: PackedDataset) -> dict[str, float]:
    """What the networks are worth, all as one and, of several, each alone."""
    labels = validation.label_indices
    together = validation_metrics(_as_one([one.val_logits for one in trained.values()]), labels)
    own = {arch: training_metrics(one.history) for arch, one in trained.items()}
    if len(own) == 1:
        return {**together, **next(iter(own.values()))}
    speed = training_speed([row for one in trained.values() for row in one.history])
    alone = {f"{name}_{arch}": own[arch][name] for arch in own for name in _OF_EACH}
    return {**together, **speed, **alone}


def _as_one(logits: Sequence[NDArray[np.float32]]) -> NDArray[np.floating]:
    """Of several networks' answers the logarithm of the mean of their probabilities."""
    if len(logits) == 1:
        return logits[0]
    each = np.stack(logits).astype(np.float64)
    each -= np.logaddexp.reduce(each, axis=-1, keepdims=True)
    mean: NDArray[np.float64] = np.logaddexp.reduce(each, axis=0) - np.log(len(each))
    return mean


def _judged_parts(
    trained: Mapping[str, Trained],
    starts: Mapping[str, str],
    photos: PackedDataset,
    validation: PackedDataset,
) -> list[JudgedPart]:
    """What is made of the labels of both parts.

    Training photos by heads that did not see them where there are pretrained features to put heads
    on, as a trained network may know the photo by heart; else by the trained networks all the same.
    """
    judges = [arch for arch, start in starts.items() if start != RANDOM]
    by_train = f"cross-fitted heads on frozen features of {' and '.join(judges)}"
    by_val = f"the trained {' and '.join(trained)}"
    on_train = [
        t.train_probabilities for t in trained.values() if t.train_probabilities is not None
    ]
    on_val = softmax(_as_one([one.val_logits for one in trained.values()]))
    return [
        JudgedPart(
            "train", photos, np.mean(on_train, axis=0),
            by_train if judges else f"{by_val}, which saw these labels",
        ),
        JudgedPart("val", validation, on_val, by_val),
    ]  # fmt: skip
