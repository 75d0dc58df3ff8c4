"""Training steps on several logical CPUs as one, whose weights another number must come to as well.

    python -m tests.tf.mirrored_steps DEVICES FILE

Each case is a tiny network without dropout, taught by another one, on mixed photos of weighted
classes, 13 photos in batches of 5, 4 and 4, so that devices get unequal parts. FILE (.npz) gets,
as CASE/WHAT:

- gradient/frozen: of one step, batch normalisation frozen;
- weights/CASE, average/CASE, sums/CASE: after nine steps, where CASE is `frozen`, `parts` (the
  same, each batch in two parts), `trained` (batch normalisation too) and `qat`;
- shown/CASE, after/CASE: then, while the network shows the average, and afterwards;
- gradient/qat, gradient/qat_xla: of one step of quantisation-aware training, as it is and, on
  several devices, compiled by XLA;
- masks: what dropout leaves of equal ones on each device;
- refusal: what a training says whose batches have fewer photos than there are devices.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.tf.tiny import N_CLASSES, colour_photos, logical_cpus, packed, range_rows, tiny_network

SEED, EPOCHS, BATCH_SIZE = 3, 3, 5
N_PHOTOS = 13  # batches of 5, 4 and 4


class PlainDescent:
    """Weights less the gradient: shows the gradient itself."""

    def __init__(self, variables: list[Any]):
        from edgedistill.tf.runtime import keras

        self._variables = variables
        self._optimizer = keras.optimizers.SGD(1.0)
        self._optimizer.build(variables)

    def apply(self, gradient_of: dict[Any, Any]) -> None:
        self._optimizer.apply_gradients([(gradient_of[v.ref()], v) for v in self._variables])


class Case:
    """A network, its photos and its step."""

    def __init__(self, folder: Path, kind: str, *, descent: bool = False, xla: bool = False):
        from edgedistill.tf.averages import WeightAverage
        from edgedistill.tf.batches import Augmentation, TrainingPhotos
        from edgedistill.tf.fine_tuning import freeze_normalisation
        from edgedistill.tf.optimizers import Optimizers, Schedule
        from edgedistill.tf.runtime import seed_everything
        from edgedistill.tf.teachers import Teachers
        from edgedistill.tf.trained_variables import averaged_variables, trained_variables
        from edgedistill.tf.training_step import Distillation, TrainingStep

        seed_everything(SEED)
        self.network, teacher = tiny_network(), tiny_network()
        self.network.get_layer("dropout").rate = 0.0
        images, labels = colour_photos(N_PHOTOS, seed=0)
        pixels = packed(folder, images)
        if kind == "qat":
            from edgedistill.tf.qat import quantise_aware

            rows = range_rows(pixels)
            self.network = quantise_aware(self.network, pixels, rows, full_input_range=True)
        elif kind != "trained":
            freeze_normalisation(self.network)
        weights = np.array([1, 2, 4], np.float32)
        how = Augmentation("standard", mixup=0.4)
        self.photos = TrainingPhotos(pixels, (pixels,), labels, weights, 0.1, how)
        schedule = Schedule(
            stage="network", epochs=EPOCHS, batch_size=BATCH_SIZE, learning_rate=0.01,
            weight_decay=0.01, seed=SEED,
        )  # fmt: skip
        optimizers: Any = Optimizers(self.network, schedule, 3)
        if descent:
            optimizers = PlainDescent(trained_variables(self.network))
        self._average = WeightAverage(averaged_variables(self.network), 0.9)
        distillation = Distillation(Teachers((teacher,)), alpha=0.5, temperature=2.0)
        self._step = TrainingStep(
            self.network, optimizers, distillation=distillation, average=self._average,
            compile_xla=xla,
        )  # fmt: skip

    def learn(self, n_steps: int, n_parts: int = 1) -> np.ndarray[Any, Any]:
        """What these steps give."""
        from edgedistill.tf.batches import EpochBatches

        found: list[Any] = []
        for epoch in range(1, EPOCHS + 1):
            for batch in EpochBatches(self.photos, BATCH_SIZE, seed=SEED, epoch=epoch):
                if len(found) < n_steps:
                    found.append(self._step(batch, epoch, n_parts))
        return np.stack(found)

    @property
    def weights(self) -> np.ndarray[Any, Any]:
        return flat(self.network.weights)

    @property
    def average(self) -> np.ndarray[Any, Any]:
        return flat(self._average.state)

    @property
    def weights_shown(self) -> np.ndarray[Any, Any]:
        with self._average.shown():
            return self.weights


def flat(variables: list[Any]) -> np.ndarray[Any, Any]:
    """All values in a row."""
    return np.concatenate([np.ravel(v.numpy()).astype(np.float64) for v in variables])


def masks() -> np.ndarray[Any, Any]:
    """Two rows of ones after dropout: each on a device of its own where there are two."""
    from edgedistill.tf.replicas import joined_over_replicas
    from edgedistill.tf.runtime import keras, seed_everything, tf

    seed_everything(SEED)
    dropout = keras.layers.Dropout(0.5)
    dropout.build((2, 64))
    graph = tf.function(joined_over_replicas(lambda x: dropout(x, training=True)))
    return np.asarray(graph(tf.ones((2, 64))))


def refusal(case: Case) -> str:
    """Of 13 photos in batches of one."""
    from edgedistill.errors import TrainingError
    from edgedistill.tf.inference import Validation
    from edgedistill.tf.optimizers import Schedule
    from edgedistill.tf.training import train

    schedule = Schedule(
        stage="network", epochs=0, batch_size=1, learning_rate=0.01, weight_decay=0.0, seed=SEED
    )
    validation = Validation(case.photos.pixels, np.arange(N_PHOTOS) % N_CLASSES)
    try:
        train(case.network, case.photos, validation, schedule)
    except TrainingError as error:
        return str(error)
    return ""


def main() -> None:
    n_devices, file = int(sys.argv[1]), Path(sys.argv[2])
    from edgedistill.tf.replicas import mirror_over
    from edgedistill.tf.runtime import prepare

    devices = logical_cpus(n_devices)
    prepare(SEED, 2)
    if n_devices > 1:
        mirror_over(devices)
    found: dict[str, Any] = {"masks": masks()}
    with tempfile.TemporaryDirectory() as folder:
        plain = {"frozen": False, "qat": False, **({"qat_xla": True} if n_devices > 1 else {})}
        for kind, xla in plain.items():
            place = Path(folder) / f"descent_{kind}"
            case = Case(place, kind.removesuffix("_xla"), descent=True, xla=xla)
            before = case.weights
            case.learn(1)
            found[f"gradient/{kind}"] = before - case.weights
        for kind, n_parts in {"frozen": 1, "parts": 2, "trained": 1, "qat": 1}.items():
            case = Case(Path(folder) / kind, kind)
            found[f"before/{kind}"] = case.weights
            found[f"sums/{kind}"] = case.learn(9, n_parts)
            found[f"weights/{kind}"], found[f"average/{kind}"] = case.weights, case.average
            found[f"shown/{kind}"], found[f"after/{kind}"] = case.weights_shown, case.weights
        found["refusal"] = np.array(refusal(case))
    np.savez(file, **found)


if __name__ == "__main__":
    main()
