"""The recipe of a float network: its head on frozen features first, then all of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from edgedistill.tf.batches import TrainingPhotos
from edgedistill.tf.heads import train_head
from edgedistill.tf.networks import HistoryRow
from edgedistill.tf.optimizers import Schedule
from edgedistill.tf.runtime import keras
from edgedistill.tf.training import Distillation, Validation, train

PRETRAINED_RATE = 0.1
"""Learning rate of pretrained layers, as a share of the new layer's."""


def freeze_statistics(network: Any) -> None:
    """Makes batch normalisation compute with its pretrained statistics and keep them.

    With those of each batch instead, all features would shift under the head that was just fitted.
    """
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def fine_tune(
    network: Any,
    photos: TrainingPhotos,
    validation: Validation,
    schedule: Schedule,
    *,
    pretrained: bool,
    distillation: Distillation | None = None,
    tensorboard: Path | None = None,
) -> list[HistoryRow]:
    """Trains a network in place and leaves it at its best: an epoch, or the head alone.

    A random backbone's features say nothing, so without pretrained weights the head waits.

    Returns:
        The row of the head, if it was trained alone, and one row an epoch.
    """
    start = []
    if pretrained:
        freeze_statistics(network)
        schedule = replace(schedule, body_rate=PRETRAINED_RATE)
        start = [train_head(network, photos, validation, seed=schedule.seed)]
    return train(
        network, photos, validation, schedule,
        start=start, distillation=distillation, tensorboard=tensorboard,
    )  # fmt: skip
