"""How far trainings on several devices are from one device's, where a step is not the same by rule.

    python -m tests.benchmarks.replicas_difference [--quick]

A tiny network on 480 noisy photos of three colours, batches of 32, without dropout, on 1, 2 and 4
logical CPUs as one, each in a process of its own. By kind of training:

- frozen: batch normalisation frozen, as from pretrained weights: the same but for rounding;
- qat: quantisation-aware training: a value may round to another level, and move those after it;
- trained: batch normalisation trained, as from random weights: each device normalises by its own
  photos (32, 16 or 8 of them).

Prints for each kind and number of devices, against one device: the distance of the gradient of the
first step, as a share of its length; the same of all weights after `--epochs`, as a share of the
way that training brought them; and the training loss of the last epoch.

Seen on 2026-11-29 (two shared CPU cores):

    kind     devices  gradient apart  weights apart    loss
    frozen         1         0.0e+00        0.0e+00  0.0008
    frozen         2         1.1e-07        3.6e-07  0.0008
    frozen         4         1.5e-07        3.3e-07  0.0008
    qat            1         0.0e+00        0.0e+00  0.0061
    qat            2         9.8e-08        2.0e-07  0.0061
    qat            4         8.3e-08        2.1e-07  0.0061
    trained        1         0.0e+00        0.0e+00  0.0276
    trained        2         3.4e-02        7.5e-02  0.0470
    trained        4         1.8e-01        2.5e-01  0.1227

So where batch normalisation is trained the photos on each device are what counts: with 8 of them
the training learns more slowly. Raise batch_size with the number of GPUs there.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.timing import in_fresh_process
from tests.tf.tiny import colour_photos, logical_cpus, packed, range_rows, tiny_network

KINDS = ("frozen", "qat", "trained")
BATCH_SIZE, SEED = 32, 7
Figures = dict[str, tuple[list[float], list[float], float]]
"""By kind: gradient, how the weights were moved, loss of the last epoch."""


def trained_on(n_devices: int, n_photos: int, epochs: int) -> Figures:
    """In a fresh process."""
    from edgedistill.tf.replicas import mirror_over
    from edgedistill.tf.runtime import prepare

    devices = logical_cpus(n_devices)
    prepare(SEED, 2)
    if n_devices > 1:
        mirror_over(devices)
    return {kind: _trained(kind, n_photos, epochs) for kind in KINDS}


def _trained(kind: str, n_photos: int, epochs: int) -> tuple[list[float], list[float], float]:
    from edgedistill.tf.batches import Augmentation, EpochBatches, TrainingPhotos
    from edgedistill.tf.fine_tuning import freeze_normalisation
    from edgedistill.tf.optimizers import Optimizers, Schedule
    from edgedistill.tf.runtime import seed_everything
    from edgedistill.tf.trained_variables import trained_variables
    from edgedistill.tf.training_step import TrainingStep
    from tests.tf.mirrored_steps import PlainDescent, flat

    seed_everything(SEED)
    network = tiny_network()
    network.get_layer("dropout").rate = 0.0
    images, labels = colour_photos(n_photos, seed=0)
    n_steps = -(-n_photos // BATCH_SIZE)
    schedule = Schedule(
        stage=kind, epochs=epochs, batch_size=BATCH_SIZE, learning_rate=0.01, weight_decay=0.0,
        seed=SEED,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        pixels = packed(Path(folder) / "p", images)
        if kind == "qat":
            from edgedistill.tf.qat import quantise_aware

            network = quantise_aware(network, pixels, range_rows(pixels), full_input_range=True)
        elif kind == "frozen":
            freeze_normalisation(network)
        photos = TrainingPhotos(
            pixels, (), labels, np.ones(3, np.float32), 0.0, Augmentation("standard")
        )
        start, variables = network.get_weights(), trained_variables(network)
        first = next(iter(EpochBatches(photos, BATCH_SIZE, seed=SEED, epoch=1)))
        before = flat(variables)
        descent: Any = PlainDescent(variables)
        TrainingStep(network, descent)(first, 1)
        gradient = before - flat(variables)
        network.set_weights(start)
        step = TrainingStep(network, Optimizers(network, schedule, n_steps))
        losses: list[float] = []
        for epoch in range(1, epochs + 1):
            batches = EpochBatches(photos, BATCH_SIZE, seed=SEED, epoch=epoch)
            losses.append(sum(float(step(batch, epoch)[0]) for batch in batches) / n_photos)
        return gradient.tolist(), (flat(variables) - before).tolist(), losses[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=480)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--devices", type=int, default=0, help="figures of this number, as JSON")
    parser.add_argument("--quick", action="store_true", help="a try: 96 photos, 1 epoch")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.photos, arguments.epochs = 96, 1
    if arguments.devices:
        one = trained_on(arguments.devices, arguments.photos, arguments.epochs)
        print(json.dumps(one))  # noqa: T201
        return
    words = ["--photos", str(arguments.photos), "--epochs", str(arguments.epochs)]
    found = {
        n: in_fresh_process("tests.benchmarks.replicas_difference", "--devices", str(n), *words)
        for n in (1, 2, 4)
    }
    print("kind     devices  gradient apart  weights apart    loss")  # noqa: T201
    for kind in KINDS:
        for n, figures in found.items():
            gradient, way = (_apart(found[1][kind][k], figures[kind][k]) for k in (0, 1))
            print(  # noqa: T201
                f"{kind:8} {n:7} {gradient:15.1e} {way:14.1e} {figures[kind][2]:7.4f}"
            )


def _apart(one: Any, several: Any) -> float:
    return float(np.linalg.norm(np.subtract(several, one)) / np.linalg.norm(one))


if __name__ == "__main__":
    main()
