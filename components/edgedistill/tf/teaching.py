"""How teachers get to a student's training: asked in every step, or once for a few views."""

import hashlib
import logging
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgedistill.artifacts import NETWORK, TEACHERS
from edgedistill.datasets import PackedDataset
from edgedistill.progress import progress_bar
from edgedistill.tf.batches import TrainingPhotos, n_batches, view_batches
from edgedistill.tf.common_settings import DistillationSettings
from edgedistill.tf.inference import InferenceGraph
from edgedistill.tf.networks import weights_digest
from edgedistill.tf.teachers import Teachers
from edgedistill.tf.training_state import Checkpoints
from edgedistill.tf.training_step import Distillation

_log = logging.getLogger(__name__)

_ASKED_AT_ONCE = 32


def taught_by(
    teachers: Teachers,
    dataset: PackedDataset,
    photos: TrainingPhotos,
    settings: DistillationSettings,
    *,
    epochs: int,
    seed: int,
    data_workers: int = 1,
    kept_answers: Checkpoints | None = None,
) -> tuple[TrainingPhotos, Distillation | None]:
    """Photos and distillation for `training.train`.

    Where photos look the same in every epoch, or `teacher_views` are wished, the teachers answer
    each view once, before training; else photos bring the teachers' pixels along, and every step
    asks. A distillation that counts for nothing, or in no epoch, is left out.

    Args:
        teachers: the trained teachers.
        dataset: the training split, with pixels at the teachers' sizes.
        photos: the same, as the student's training takes it without a teacher.
        settings: weight, temperature, number of views.
        epochs: most epochs of the training; more views are not answered.
        seed: what views are drawn from.
        data_workers: threads that make batches.
        kept_answers: where answers are kept, a view after the other, for a training that was
            interrupted; None: nowhere.
    """
    if not _teaches(settings, epochs):
        return photos, None
    taught = tuple(dataset.pixels_at(size) for size in teachers.sizes_px)
    n_views = min(settings.teacher_views, epochs) if photos.augmentation.draws else 1
    distillation = Distillation(teachers, settings.distill_alpha, settings.distill_temperature)
    if n_views == 0:
        return replace(photos, taught=taught), distillation
    asked = replace(photos, pixels=taught[0], taught=taught[1:])
    answers = _answers(
        teachers.graph(settings.distill_temperature), asked, n_views,
        seed=seed, data_workers=data_workers, kept=kept_answers,
    )  # fmt: skip
    return replace(photos, n_views=n_views), replace(distillation, answers=answers)


def sizes_asked(
    teachers: str | Path, settings: DistillationSettings, *, epochs: int
) -> tuple[int, ...]:
    """The image sizes at which `taught_by` will read the training photos, besides the student's.

    Args:
        teachers: folder of the trained teachers.
        settings: weight of the distillation.
        epochs: most epochs of the training.

    Raises:
        ArtifactError: a teacher's record is missing or damaged.
    """
    if not _teaches(settings, epochs):
        return ()
    folder = Path(teachers)
    archs = TEACHERS.read(folder)["archs"]
    return tuple(dict.fromkeys(NETWORK.read(folder / arch)["img_size_px"] for arch in archs))


def _teaches(settings: DistillationSettings, epochs: int) -> bool:
    return settings.distill_alpha != 1 and epochs > 0


def _answers(
    graph: InferenceGraph,
    asked: TrainingPhotos,
    n_views: int,
    *,
    seed: int,
    data_workers: int,
    kept: Checkpoints | None,
) -> NDArray[np.float32]:
    """What the teachers say of all views, shape (n_views, n, n_classes); each view is kept."""
    begun = time.monotonic()
    answers = np.empty((n_views, len(asked), len(asked.class_weights)), np.float32)
    saved = None if kept is None else kept.latest()
    n_answered = 0
    if saved is not None:
        n_answered = len(saved.arrays["answers"])
        answers[:n_answered] = saved.arrays["answers"]
    if n_answered == n_views:
        return answers
    in_view = n_batches(len(asked), _ASKED_AT_ONCE)
    with progress_bar(
        "teacher's answers", total=n_views * in_view, unit="batches", done=n_answered * in_view
    ) as bar:
        for view in range(n_answered + 1, n_views + 1):
            for batch in view_batches(
                asked, _ASKED_AT_ONCE, seed=seed, view=view, workers=data_workers
            ):
                answers[view - 1, batch.rows] = graph(batch.images, *batch.taught)
                bar.update()
            if kept is not None:
                kept.save({"answers": answers[:view]}, {})
    _log.info(
        "teacher answered %d views of %d photos, %.1f s",
        n_views - n_answered, len(asked), time.monotonic() - begun,
    )  # fmt: skip
    return answers


def teachers_digest(teachers: Teachers) -> str:
    """SHA-256, in hexadecimal, over the weights of all teachers in order."""
    digests = " ".join(weights_digest(network) for network in teachers.networks)
    return hashlib.sha256(digests.encode()).hexdigest()
