"""How fast each layer learns: warm-up, cosine or not, pretrained layers at a share of the rate."""

import math
from dataclasses import dataclass
from typing import Any, Self

from edgedistill.tf.common_settings import CommonSettings
from edgedistill.tf.runtime import keras
from edgedistill.tf.trained_variables import trained_variables

COSINE = "cosine"


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast to train.

    `learning_rate` is the highest, of the layer `logits`: it is reached after `warmup_frac` of the
    steps, and then falls to 0 along a cosine or, where `lr_schedule` is `constant`, stays. All
    other layers learn at `body_rate` times it: pretrained ones slower, or they forget what they
    know. `ema_decay` is that of the weights' moving average, 0 for none; after `patience` epochs
    without a lower validation loss training ends, with 0 never.
    """

    stage: str
    epochs: int
    batch_size: int
    learning_rate: float
    body_rate: float = 1.0
    lr_schedule: str = COSINE
    warmup_frac: float = 0.1
    weight_decay: float
    ema_decay: float = 0.0
    patience: int = 0
    seed: int

    @classmethod
    def of(cls, settings: CommonSettings, *, stage: str, epochs: int, learning_rate: float) -> Self:
        """From a step's settings and what each step calls by a name of its own."""
        return cls(
            stage=stage,
            epochs=epochs,
            batch_size=settings.batch_size,
            learning_rate=learning_rate,
            lr_schedule=settings.lr_schedule,
            warmup_frac=settings.warmup_frac,
            weight_decay=settings.weight_decay,
            ema_decay=settings.ema_decay,
            patience=settings.early_stop_patience,
            seed=settings.seed,
        )


class Optimizers:
    """One optimiser for the layer `logits`, one for all others, as their rates differ."""

    def __init__(self, network: Any, schedule: Schedule, steps_per_epoch: int):
        head_names = {v.ref() for v in _head(network).trainable_variables}
        trained = trained_variables(network)
        head = [v for v in trained if v.ref() in head_names]
        body = [v for v in trained if v.ref() not in head_names]
        rates = (schedule.learning_rate, schedule.learning_rate * schedule.body_rate)
        self._head_schedule = _rates(schedule.learning_rate, schedule, steps_per_epoch)
        self._steps_per_epoch = steps_per_epoch
        self._groups = []
        for variables, rate in zip((head, body), rates, strict=True):
            optimizer = _optimizer(rate, schedule, steps_per_epoch)
            optimizer.build(variables)
            self._groups.append((optimizer, variables))

    def apply(self, gradient_of: dict[Any, Any]) -> None:
        """One step; `gradient_of` has the gradient of each trainable variable by its `ref()`."""
        for optimizer, variables in self._groups:
            optimizer.apply_gradients([(gradient_of[v.ref()], v) for v in variables])

    @property
    def state(self) -> list[Any]:
        """The variables that a checkpoint must hold."""
        return [v for optimizer, _ in self._groups for v in optimizer.variables]

    def rate(self, step: int) -> float:
        """The head's rate in a step, counted from 0 over all epochs."""
        return float(self._head_schedule(step))

    def highest_rate(self, epoch: int) -> float:
        """The head's highest rate in an epoch, counted from 1."""
        last = epoch * self._steps_per_epoch
        steps = range(last - self._steps_per_epoch, last)
        peak = min(max(self._head_schedule.warmup_steps, steps[0]), steps[-1])
        return float(self._head_schedule(peak))


def _head(network: Any) -> Any:
    """The layer of logits, also where quantisation has wrapped it."""
    return network.layers[-1]


def _optimizer(learning_rate: float, schedule: Schedule, steps_per_epoch: int) -> Any:
    """Adam, or AdamW where there is weight decay."""
    rate = _rates(learning_rate, schedule, steps_per_epoch)
    if schedule.weight_decay == 0:
        return keras.optimizers.Adam(rate)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=schedule.weight_decay)
    # Scales and shifts are no weights in the sense of the penalty.
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer


def _rates(highest: float, schedule: Schedule, steps_per_epoch: int) -> Any:
    """A warm-up that starts above 0, so that even a single step trains, then the schedule's way."""
    # Of no epochs there is no step, and no rate is ever asked for.
    steps = max(schedule.epochs * steps_per_epoch, 1)
    warm_up = max(math.ceil(schedule.warmup_frac * steps), 1)
    return keras.optimizers.schedules.CosineDecay(
        highest / warm_up,
        decay_steps=steps - warm_up + 1,
        alpha=0.0 if schedule.lr_schedule == COSINE else 1.0,  # the share that is left at the end
        warmup_target=highest,
        warmup_steps=warm_up - 1,
    )
