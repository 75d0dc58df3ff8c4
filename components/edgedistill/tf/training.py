"""One training loop for all three trainings: teacher, student, and quantisation-aware student."""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.metrics import cross_entropy
from edgedistill.errors import TrainingError
from edgedistill.pixels import PackedPixels
from edgedistill.tf.batches import (
    BATCH_SIGNATURE,
    TrainingPhotos,
    epoch_batches,
    n_batches,
    show_views,
)
from edgedistill.tf.common_settings import DistillationSettings
from edgedistill.tf.losses import distillation_loss, hard_loss
from edgedistill.tf.networks import HistoryRow
from edgedistill.tf.optimizers import Optimizers, Schedule
from edgedistill.tf.runtime import tf

_log = logging.getLogger(__name__)

_INFERENCE_BATCH = 64


@dataclass(frozen=True)
class Distillation:
    """A teacher and how much it counts: `alpha * hard + (1 - alpha) * distillation`."""

    teacher: Any
    alpha: float
    temperature: float

    @classmethod
    def of(cls, teacher: Any, settings: DistillationSettings) -> Self:
        """From a teacher's network and a step's settings."""
        return cls(teacher, settings.distill_alpha, settings.distill_temperature)


@dataclass(frozen=True)
class Validation:
    """Photos to choose the best epoch on: pixels at the trained network's size, labels (n,)."""

    pixels: PackedPixels
    label_indices: NDArray[np.int64]


class Predictor:
    """A network's inference as a graph, traced once, however often the weights change."""

    def __init__(self, network: Any):
        def infer(images: Any) -> Any:
            return network(tf.cast(images, tf.float32), training=False)

        images = tf.TensorSpec((None, *network.input_shape[1:]), tf.uint8)
        self._graph = tf.function(infer, input_signature=[images], autograph=False)

    def outputs(
        self, pixels: PackedPixels, rows: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """Outputs for these rows (None: all photos), in order, shape (n, n_outputs)."""
        batches = pixels.batches(_INFERENCE_BATCH, rows)
        return np.concatenate([self._graph(batch).numpy() for batch in batches])


def train(
    network: Any,
    photos: TrainingPhotos,
    validation: Validation,
    schedule: Schedule,
    *,
    start: Sequence[HistoryRow] = (),
    distillation: Distillation | None = None,
    tensorboard: Path | None = None,
) -> list[HistoryRow]:
    """Trains a network in place and leaves it with the weights of its best epoch.

    The best epoch is the one of highest validation accuracy, of lowest validation loss on a tie.

    Args:
        network: Keras network from [0, 255] RGB to logits.
        photos: what to train on, with the teacher's pixels if there is a distillation.
        validation: what to choose the epoch on.
        schedule: epochs, batch size, learning rate, seed.
        start: rows of what came before; the network as it is now counts as the best of them.
        distillation: the teacher and its weight; None: the hard loss alone.
        tensorboard: folder for TensorBoard logs; None: none are written.

    Returns:
        `start` and one row an epoch: stage, epoch (from 1), loss, train_accuracy, val_loss,
        val_accuracy, lr (the highest of the epoch), seconds.

    Raises:
        TrainingError: the loss is no longer finite.
    """
    if schedule.epochs == 0:
        return list(start)
    n_photos = len(photos.label_indices)
    optimizers = Optimizers(network, schedule, n_batches(n_photos, schedule.batch_size))
    step = _training_step(network, optimizers, photos.class_weights, distillation)
    predictor = Predictor(network)
    history = list(start)
    best = _BestWeights(network)
    for row in history:
        best.consider(row)
    begun = time.monotonic()
    with _tensorboard_writer(tensorboard).as_default():
        for epoch in range(1, schedule.epochs + 1):
            epoch_begun = time.monotonic()
            batches = epoch_batches(photos, schedule.batch_size, seed=schedule.seed, epoch=epoch)
            sums = np.sum([step(*batch) for batch in batches], axis=0)
            _require_finite(sums[0], schedule, epoch)
            row = {
                "stage": schedule.stage,
                "epoch": epoch,
                "loss": float(sums[0]) / n_photos,
                "train_accuracy": float(sums[1]) / n_photos,
                **validate(predictor, validation),
                "lr": optimizers.highest_rate(epoch),
                "seconds": time.monotonic() - epoch_begun,
            }
            history.append(row)
            best.consider(row)
            _log_epoch(row, schedule.epochs, time.monotonic() - begun)
            _write_scalars(row)
    best.restore()
    return history


def validate(predictor: Predictor, validation: Validation) -> dict[str, float]:
    """Loss (mean cross entropy) and accuracy of a network on the validation photos."""
    logits, labels = predictor.outputs(validation.pixels), validation.label_indices
    return {
        "val_loss": cross_entropy(logits, labels),
        "val_accuracy": float(np.mean(logits.argmax(axis=1) == labels)),
    }


def best_row(history: Sequence[HistoryRow]) -> HistoryRow:
    """The row whose weights are kept: highest validation accuracy, then lowest validation loss."""
    return max(history, key=_rank)


def best_epoch_metrics(history: Sequence[HistoryRow]) -> dict[str, float]:
    """val_accuracy and val_loss of the kept epoch, and best_epoch, its number (0: head alone)."""
    best = best_row(history)
    return {
        "val_accuracy": float(best["val_accuracy"]),
        "val_loss": float(best["val_loss"]),
        "best_epoch": 0.0 if best["stage"] == "head" else float(best["epoch"]),
    }


def _rank(row: HistoryRow) -> tuple[float, float]:
    return float(row["val_accuracy"]), -float(row["val_loss"])


class _BestWeights:
    """Remembers the weights of the best epoch seen."""

    def __init__(self, network: Any):
        self._network = network
        self._rank = (-math.inf, -math.inf)
        self._weights: list[NDArray[Any]] = []

    def consider(self, row: HistoryRow) -> None:
        if _rank(row) > self._rank:
            self._rank = _rank(row)
            self._weights = self._network.get_weights()

    def restore(self) -> None:
        self._network.set_weights(self._weights)


def _training_step(
    network: Any,
    optimizers: Optimizers,
    class_weights: NDArray[np.float32],
    distillation: Distillation | None,
) -> Any:
    """A graph, traced once: one batch in, its summed loss and its number of right answers out."""
    weights = tf.constant(class_weights, tf.float32)
    variables = network.trainable_variables

    def step(
        pixels: Any, transforms: Any, taught: Any, taught_transforms: Any, gain: Any, labels: Any
    ) -> Any:
        views = _shaped(show_views(pixels, transforms, gain), network)
        teacher_logits = None
        if distillation is not None:
            teacher_views = show_views(taught, taught_transforms, gain)
            teacher = distillation.teacher
            teacher_logits = teacher(_shaped(teacher_views, teacher), training=False)
        with tf.GradientTape() as tape:
            logits = network(views, training=True)
            loss = hard_loss(labels, logits, weights)
            if distillation is not None:
                alpha, t = distillation.alpha, distillation.temperature
                loss = alpha * loss + (1 - alpha) * distillation_loss(teacher_logits, logits, t)
        gradients = tape.gradient(loss, variables)
        optimizers.apply({v.ref(): g for v, g in zip(variables, gradients, strict=True)})
        n_right = tf.reduce_sum(tf.cast(tf.argmax(logits, axis=-1) == labels, tf.float32))
        return tf.stack([loss * tf.cast(tf.shape(labels)[0], tf.float32), n_right])

    return tf.function(step, input_signature=BATCH_SIGNATURE, autograph=False)


def _shaped(views: Any, network: Any) -> Any:
    """The views with the size that the network takes, which the graph cannot tell by itself."""
    return tf.ensure_shape(views, network.input_shape)


def _require_finite(loss: float, schedule: Schedule, epoch: int) -> None:
    if not np.isfinite(loss):
        raise TrainingError(
            f"the loss of {schedule.stage} is {loss} in epoch {epoch} at learning rate "
            f"{schedule.learning_rate:g}: try a tenth of it."
        )


def _log_epoch(row: HistoryRow, epochs: int, elapsed_s: float) -> None:
    epoch = int(row["epoch"])
    _log.info(
        "%s epoch %d/%d loss=%.3f val_accuracy=%.3f lr=%.1e %.1f s, %.0f s left",
        row["stage"], epoch, epochs, row["loss"], row["val_accuracy"], row["lr"], row["seconds"],
        elapsed_s / epoch * (epochs - epoch),
    )  # fmt: skip


def _tensorboard_writer(folder: Path | None) -> Any:
    if folder is None:
        return tf.summary.create_noop_writer()
    return tf.summary.create_file_writer(str(folder))


def _write_scalars(row: HistoryRow) -> None:
    for name in ("loss", "train_accuracy", "val_loss", "val_accuracy", "lr"):
        tf.summary.scalar(name, float(row[name]), step=int(row["epoch"]))
