"""Epochs of our training, one at each call, for benchmarks that time them against others."""

import time
from typing import Any

from edgedistill.settings import DistillerSettings

SEED = 0


class OurEpochs:
    """Epochs by our batches and our step, as the distiller's defaults have them, counted on.

    Attributes:
        waited_frac: the share of each epoch's time that was spent waiting for input.
    """

    def __init__(
        self,
        network: Any,
        photos: Any,
        batch_size: int,
        data_workers: int,
        *,
        distillation: Any = None,
        averaged: bool = True,
    ):
        from edgedistill.tf.averages import WeightAverage
        from edgedistill.tf.batches import n_batches
        from edgedistill.tf.optimizers import Optimizers, Schedule
        from edgedistill.tf.trained_variables import averaged_variables
        from edgedistill.tf.training_step import TrainingStep

        defaults = DistillerSettings()
        schedule = Schedule(
            stage="network", epochs=100, batch_size=batch_size, learning_rate=defaults.lr_student,
            body_rate=defaults.pretrained_rate, weight_decay=defaults.weight_decay, seed=SEED,
        )  # fmt: skip
        optimizers = Optimizers(network, schedule, n_batches(len(photos), batch_size))
        average = None
        if averaged:
            average = WeightAverage(averaged_variables(network), defaults.ema_decay)
        self._step = TrainingStep(network, optimizers, distillation=distillation, average=average)
        self._photos, self._batch_size, self._workers = photos, batch_size, data_workers
        self.waited_frac: list[float] = []

    def __call__(self) -> None:
        from edgedistill.tf.batches import EpochBatches

        begun, epoch = time.perf_counter(), len(self.waited_frac) + 1
        batches = EpochBatches(
            self._photos, self._batch_size, seed=SEED, epoch=epoch, workers=self._workers
        )
        for batch in batches:
            self._step(batch, self._photos.view_number(epoch))
        self.waited_frac.append(batches.waited_s / (time.perf_counter() - begun))
