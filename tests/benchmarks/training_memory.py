"""Peak memory of each training, and of an epoch over 1,000 and over 100,000 photos.

    python -m tests.benchmarks.training_memory [--steps 4] [--size 240] [--photos 100000] [--quick]

Each figure is `ru_maxrss` of a fresh process, all of it: TensorFlow as imported, its networks,
pixels. The first table takes a few steps of 32 photos and the validation of 64, by `train`, weights
averaged, once with the later layers trained, as by default, and once with all:

- teacher: Lite2 at 260 px.
- student: Lite1 at 240 px, the teacher, Lite2 at 260 px, asked in each step.
- student, stored: the same with what the teacher said stored.
- QAT: Lite1 at 240 px with fake quantisation, answers stored.

The second table trains a tiny network for an epoch over photos of 32 px. The packed pixels of
100,000 such photos are 293 MiB on disk; what may grow are a few bytes of labels and order each.

Wanted: below 3.8 GB (float) and 5.3 GB (QAT); 100,000 photos no
more than 1,000.

Seen on 29 November 2026 (x86-64, 2 cores), peak GB, and in brackets before the first step:

                        later layers          all layers
    teacher              1.77 (0.75)         3.38 (0.75)
    student              1.62 (0.80)         2.84 (0.80)
    student, stored      1.55 (0.78)         2.78 (0.78)
    QAT                  2.14 (1.44)         4.10 (1.44)

    100,000 photos / 1,000: 1.000 times (0.747 GB; the pixels of all are 0.307 GB)

Before frozen batch normalisation was folded into the convolutions and the ranges were taken where
each tensor is made, all layers took 5.34, 4.14, 4.12 and 5.57.
"""

import argparse
import json
import resource
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgedistill.pixel_writing import ShardWriter
from edgedistill.pixels import PackedPixels
from edgedistill.settings import DistillerSettings
from tests.benchmarks.timing import in_fresh_process

KINDS = {"teacher": 3.8, "student": 3.8, "student, stored": 3.8, "QAT": 5.3}
"""And the GB that each must stay below."""
TINY, N_CLASSES, BATCH_SIZE = "tiny", 3, 32
ALLOWED_GROWTH = 1.05


def peak_gb() -> float:
    """Of this process, in 10**9 bytes; macOS counts in bytes, others in KiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def noise(folder: Path, n_photos: int, size_px: int) -> PackedPixels:
    """A hundred pictures over and over: so many, made quickly."""
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (100, size_px, size_px, 3), np.uint8)
    with ShardWriter(folder, size_px) as writer:
        for number in range(n_photos):
            writer.append(images[number % len(images)])
    return PackedPixels(folder, n_photos)


def train_once(
    kind: str, n_photos: int, size_px: int, layers: str, folder: Path
) -> dict[str, float]:
    """In a fresh process: trains an epoch, and tells the peak before it and in all."""
    from edgedistill.tf.batches import Augmentation, TrainingPhotos
    from edgedistill.tf.fine_tuning import LATER, freeze_early_layers, freeze_normalisation
    from edgedistill.tf.inference import Validation
    from edgedistill.tf.networks import build
    from edgedistill.tf.optimizers import Schedule
    from edgedistill.tf.qat import quantise_aware
    from edgedistill.tf.runtime import prepare
    from edgedistill.tf.surroundings import Surroundings
    from edgedistill.tf.teachers import Teachers
    from edgedistill.tf.training import train
    from edgedistill.tf.training_step import Distillation
    from tests.tf.tiny import tiny_network

    prepare(0, 0)
    teacher_px = round(size_px * 260 / 240)
    side = teacher_px if kind == "teacher" else size_px
    pixels, validation = noise(folder / "train", n_photos, side), noise(folder / "val", 64, side)
    labels = np.arange(n_photos) % N_CLASSES
    weights = np.ones(N_CLASSES, np.float32)
    photos = TrainingPhotos(pixels, (), labels, weights, augmentation=Augmentation("standard"))
    distillation = None
    if kind == TINY:
        network: Any = tiny_network(size_px)
    else:
        arch = "efficientnet_lite2" if kind == "teacher" else "efficientnet_lite1"
        network = build(arch, side, N_CLASSES)
        freeze_normalisation(network)
    if kind in ("student", "student, stored", "QAT"):
        teachers = Teachers((build("efficientnet_lite2", teacher_px, N_CLASSES),))
        answers = np.log(np.full((1, n_photos, N_CLASSES), 1 / N_CLASSES, np.float32))
        stored = Distillation(teachers, 0.5, 4.0, answers)
        distillation = stored
        photos = replace(photos, n_views=1)
    if kind == "student":
        taught = noise(folder / "taught", n_photos, teacher_px)
        photos, distillation = replace(photos, taught=(taught,)), replace(stored, answers=None)
    if kind == "QAT":
        rows = np.arange(min(64, n_photos))
        network = quantise_aware(network, pixels, rows, full_input_range=True)
    if layers == LATER and kind != TINY:
        freeze_early_layers(network)
    before = peak_gb()
    train(
        network, photos, Validation(validation, np.arange(64) % N_CLASSES),
        Schedule(
            stage="network", epochs=1, batch_size=BATCH_SIZE, learning_rate=1e-3, weight_decay=0.0,
            ema_decay=DistillerSettings().ema_decay, seed=0,
        ),
        distillation=distillation, surroundings=Surroundings(data_workers=2),
    )  # fmt: skip
    return {"before_gb": before, "peak_gb": peak_gb()}


def in_process(kind: str, n_photos: int, size_px: int, layers: str) -> dict[str, float]:
    words = ["--kind", kind, "--photos", str(n_photos), "--size", str(size_px), "--layers", layers]
    found: dict[str, float] = in_fresh_process("tests.benchmarks.training_memory", *words)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=4, help="of the first table's trainings")
    parser.add_argument("--size", type=int, default=240)
    parser.add_argument("--photos", type=int, default=100_000, help="the most, of 32 px")
    parser.add_argument("--quick", action="store_true", help="a try: 48 px, 2 steps, 5,000 photos")
    parser.add_argument("--layers", nargs="+", default=["later", "all"])
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.kind:
        with tempfile.TemporaryDirectory() as folder:
            told = train_once(
                arguments.kind, arguments.photos, arguments.size, arguments.layers[0], Path(folder)
            )
        print(json.dumps(told))  # noqa: T201
        return
    if arguments.quick:
        arguments.size, arguments.steps, arguments.photos = 48, 2, 5_000
    for layers in arguments.layers:
        print(  # noqa: T201
            f"of the limit   peak GB   limit   before it trains   "
            f"({arguments.size} px, trained layers: {layers})"
        )
        for kind, limit in KINDS.items():
            told = in_process(kind, arguments.steps * BATCH_SIZE, arguments.size, layers)
            print(  # noqa: T201
                f"{told['peak_gb'] / limit:12.2f}{told['peak_gb']:10.2f}{limit:8.1f}"
                f"{told['before_gb']:19.2f}   {kind}",
                flush=True,
            )
    few, many = 1_000, arguments.photos
    peaks = {n: in_process(TINY, n, 32, "all")["peak_gb"] for n in (few, many)}
    print(  # noqa: T201
        f"{many:,} photos / {few:,}: {peaks[many] / peaks[few]:.3f} times the memory, wanted at "
        f"most {ALLOWED_GROWTH} ({peaks[few]:.3f} and {peaks[many]:.3f} GB; the pixels of all are "
        f"{many * 32 * 32 * 3 / 1e9:.3f} GB)"
    )


if __name__ == "__main__":
    main()
