"""The recipe of a float network: its head on frozen features first, then all or later layers."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

from edgedistill.tf.batches import TrainingPhotos
from edgedistill.tf.common_settings import PretrainedSettings
from edgedistill.tf.heads import train_head
from edgedistill.tf.inference import Predictor, Validation
from edgedistill.tf.label_judge import LabelJudge
from edgedistill.tf.networks import HistoryRow
from edgedistill.tf.optimizers import Schedule
from edgedistill.tf.runtime import keras
from edgedistill.tf.surroundings import Surroundings
from edgedistill.tf.training import train
from edgedistill.tf.training_step import Distillation

LATER = "later"
_LATER_STRIDE = 16
"""Later layers see the photo at this fraction of its side, or smaller."""


@dataclass(frozen=True)
class Pretrained:
    """How a network is trained that starts from pretrained weights.

    Attributes:
        rate: learning rate of pretrained layers, as a share of the head's.
        layers: which of them are trained: `all`, or `later`: without `freeze_early_layers`' layers.
        head_first: whether the head is fitted to their features before.
        batch_norm: whether batch normalisation is trained along.
    """

    rate: float = 1.0
    layers: str = "all"
    head_first: bool = True
    batch_norm: bool = False

    @classmethod
    def of(cls, settings: PretrainedSettings) -> Self:
        """From a step's settings."""
        return cls(
            settings.pretrained_rate,
            settings.trained_layers,
            settings.head_first,
            settings.train_batch_norm,
        )


def freeze_normalisation(network: Any) -> None:
    """Leaves batch normalisation as it is pretrained: statistics, scales and shifts (gamma, beta).

    With statistics of each batch instead, all features would shift under the head that was just
    fitted.
    """
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def freeze_early_layers(network: Any) -> None:
    """Leaves the layers untrained that see a photo at more than a sixteenth of its side.

    They are most of the work of a training step, and what they see is alike in all photos.
    """
    largest_px = -(-network.input_shape[1] // _LATER_STRIDE)
    for layer in network.layers:
        shape = layer.output.shape
        if len(shape) == 4 and shape[1] > largest_px:
            layer.trainable = False


def fine_tune(
    network: Any,
    photos: TrainingPhotos,
    validation: Validation,
    schedule: Schedule,
    *,
    pretrained: Pretrained | None,
    distillation: Distillation | None = None,
    surroundings: Surroundings | None = None,
    predictor: Predictor | None = None,
    label_judge: LabelJudge | None = None,
) -> list[HistoryRow]:
    """Trains a network in place and leaves it at its best: an epoch, or the head alone.

    A random backbone's features say nothing, so without pretrained weights the head waits, and
    all layers are trained.

    Args:
        network: what `networks.build` made.
        photos: what to train on.
        validation: what to choose the epoch on.
        schedule: epochs and rates.
        pretrained: how its pretrained layers are trained; None: all weights are random.
        distillation: the teachers and their weight; None: the hard loss alone.
        surroundings: where the state is saved, threads, TensorBoard.
        predictor: the network's, which whoever asks it afterwards has; None: its own.
        label_judge: judges the labels by the features that the head is fitted on. It is not asked
            where no head is fitted: without pretrained weights, without `head_first`, and where a
            saved state goes on.

    Returns:
        The row of the head, if it was trained alone, and one row an epoch.
    """
    prepare = None
    if pretrained is not None:
        _freeze(network, pretrained)
        schedule = replace(schedule, body_rate=pretrained.rate)
        if pretrained.head_first:
            prepare = partial(
                train_head, network, photos, validation,
                seed=schedule.seed, label_judge=label_judge,
            )  # fmt: skip
    return train(
        network, photos, validation, schedule,
        prepare=prepare, distillation=distillation, surroundings=surroundings,
        predictor=predictor,
    )  # fmt: skip


def _freeze(network: Any, how: Pretrained) -> None:
    if not how.batch_norm:
        freeze_normalisation(network)
    if how.layers == LATER:
        freeze_early_layers(network)
