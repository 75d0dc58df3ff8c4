"""One teacher's training, as if there were no other, and what it makes of the photos."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.artifacts import TENSORBOARD_FOLDER
from edgedistill.core.probabilities import softmax
from edgedistill.datasets import PackedDataset
from edgedistill.errors import ArtifactError
from edgedistill.settings import TEACHER_SIZES_PX, TeacherSettings
from edgedistill.tf.batches import TrainingPhotos, training_photos
from edgedistill.tf.devices import computed_by, use_precision
from edgedistill.tf.fine_tuning import Pretrained, fine_tune
from edgedistill.tf.heads import train_head
from edgedistill.tf.inference import Predictor, Validation
from edgedistill.tf.label_judge import LabelJudge
from edgedistill.tf.networks import (
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
from edgedistill.tf.weights import RANDOM, load_pretrained, origin
from edgedistill.training_identity import training_checkpoints
from edgedistill.weights_file import local_weights

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """A trained teacher: its rows, and what it makes of the photos.

    `val_logits`: its answers to the validation photos, shape (n, n_classes). `train_probabilities`:
    what is made of the training photos by it; None where others are better judges.
    """

    history: Sequence[HistoryRow]
    val_logits: NDArray[np.float32]
    train_probabilities: NDArray[np.floating] | None


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


def photos_to_train_on(
    photos: PackedDataset, arch: str, settings: TeacherSettings
) -> TrainingPhotos:
    """The training split as the training of this network takes it."""
    return training_photos(photos, photos.pixels_at(size_px(photos, arch)), settings)


def train_single(
    arch: str,
    start: str,
    photos: PackedDataset,
    validation: PackedDataset,
    folder: Path,
    settings: TeacherSettings,
) -> Trained:
    """Trains one network into a folder of its name, as if there were no other.

    Args:
        arch: name of the network.
        start: imagenet, none, or a file's place.
        photos: the training split.
        validation: the validation split.
        folder: an existing folder, in which this network's is made.
        settings: those of the step.

    Raises:
        WeightsError: pretrained weights cannot be had or do not fit.
        TrainingError: the loss is no longer finite, or memory does not hold a photo.
    """
    side = size_px(photos, arch)
    _log.info("teacher %s at %d px on %d photos", arch, side, len(photos))
    network, precision = _untrained(arch, start, photos, settings)
    what = {
        "data_digest": photos.digest,
        "val_digest": validation.digest,
        "img_size_px": side,
        "teacher_start": weights_digest(network),
        **computed_by(precision, settings.xla),
    }
    checkpoints = training_checkpoints("teacher", f"teacher-{arch}", settings, **what)
    taught = photos_to_train_on(photos, arch, settings)
    judged_on = Validation(validation.pixels_at(side), validation.label_indices)
    judge = LabelJudge([photo.group for photo in photos.photos], seed=settings.seed)
    predictor = Predictor(network)
    history = fine_tune(
        network,
        taught,
        judged_on,
        Schedule.of(
            settings,
            stage="network",
            epochs=settings.epochs_teacher,
            learning_rate=settings.lr_teacher,
        ),
        pretrained=None if start == RANDOM else Pretrained.of(settings),
        surroundings=Surroundings.of(settings, checkpoints, folder / TENSORBOARD_FOLDER / arch),
        predictor=predictor,
        label_judge=judge,
    )
    (folder / arch).mkdir()
    record = NetworkRecord.of(photos, arch, side, origin(start), history)
    save_network(network, folder / arch, record)
    val_logits = predictor.outputs(judged_on.pixels)
    if set(settings.teacher_starts) == {RANDOM}:
        on_train = softmax(predictor.outputs(taught.pixels))
        return Trained(history, val_logits, on_train)
    if start != RANDOM and judge.probabilities is None:
        # The training had no head stage, or went on from behind it: one for the judge alone.
        del network
        network, _ = _untrained(arch, start, photos, settings)
        train_head(network, taught, judged_on, seed=settings.seed, label_judge=judge)
    return Trained(history, val_logits, judge.probabilities)


def _untrained(
    arch: str, start: str, photos: PackedDataset, settings: TeacherSettings
) -> tuple[Any, str]:
    """A network with the weights that it starts from, alone in memory, and its precision."""
    release_networks()
    seed_everything(settings.seed)
    precision = use_precision(settings.mixed_precision)
    network = build(arch, size_px(photos, arch), len(photos.label_names))
    with local_weights(start) as weights:
        load_pretrained(network, arch, weights)
    return network, precision
