"""Images a second into training batches: packed pixels against decoding JPEGs in every epoch.

    python -m tests.benchmarks.packed_reading [--photos FOLDER] [--limit 1500] [--repeats 5]

Three ways to shuffled batches of 32 images at 240 px, over the same photos, in turn in one run:

- take: `PackedPixels.take`, the reading by itself.
- training: `epoch_batches`, as the training loop iterates it: read ahead by its thread, with the
  transforms of the views drawn (applying them is the training step's work, for either way).
- decode: tf.data over the files: read, decode_jpeg, resize_with_pad, parallel map, batch, prefetch,
  all with AUTOTUNE.

The first pass of each is not counted: it fills caches and lets tf.data tune itself.

Seen on 2 shared cores, 22 November 2026: 1,500 photos of 400 x 533 px or so: take 47,000 images a
second, training 35,000, decode 1,750 (27 and 20 times); in another run, with more going on beside
it, 42,000, 14,600 and 580 (74 and 25 times). Photos of 150 px, 9 kB a file at most: take 17 times
decode, training 6 times; there a copy of 169 KiB an image stands against little to decode.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from edgedistill.core.decode import decode_photo
from edgedistill.core.letterbox import letterbox
from edgedistill.pixel_writing import ShardWriter
from edgedistill.pixels import PackedPixels

SIZE_PX = 240
BATCH_SIZE = 32
WANTED = 25


def pack(photos: list[Path], folder: Path) -> PackedPixels:
    with ShardWriter(folder, SIZE_PX) as writer:
        for photo in photos:
            writer.append(letterbox(decode_photo(photo.read_bytes()), SIZE_PX))
    return PackedPixels(folder, len(photos))


def taken_batches(pixels: PackedPixels, epoch: int) -> Iterable[Any]:
    order = np.random.default_rng(epoch).permutation(len(pixels))
    return (pixels.take(order[i : i + BATCH_SIZE]) for i in range(0, len(order), BATCH_SIZE))


def training_batches(pixels: PackedPixels) -> Callable[[int], Iterable[Any]]:
    from edgedistill.tf.batches import EpochBatches, TrainingPhotos

    labels, weights = np.zeros(len(pixels), np.int64), np.ones(1, np.float32)
    photos = TrainingPhotos(pixels, (), labels, weights)

    def batches(epoch: int) -> Iterable[Any]:
        return (b.images for b in EpochBatches(photos, BATCH_SIZE, seed=0, epoch=epoch))

    return batches


def decoding_dataset(photos: list[Path]) -> Any:
    from edgedistill.tf.runtime import tf

    def load(place: Any) -> Any:
        image = tf.io.decode_jpeg(tf.io.read_file(place), channels=3)
        return tf.image.resize_with_pad(image, SIZE_PX, SIZE_PX)

    places = tf.data.Dataset.from_tensor_slices([str(photo) for photo in photos])
    loaded = places.shuffle(len(photos)).map(load, num_parallel_calls=tf.data.AUTOTUNE)
    return loaded.batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def seconds(batches: Iterable[Any], n_photos: int) -> float:
    """How long one pass takes; every image must come."""
    started = time.perf_counter()
    n_seen = sum(len(batch) for batch in batches)
    if n_seen != n_photos:
        raise RuntimeError(f"{n_seen} of {n_photos} images came")
    return time.perf_counter() - started


def measure(photos: list[Path], repeats: int) -> dict[str, float]:
    """Images a second of each way: the median of its passes."""
    with tempfile.TemporaryDirectory() as folder:
        pixels = pack(photos, Path(folder) / "pixels")
        train = training_batches(pixels)
        decoded = decoding_dataset(photos)
        ways: dict[str, Callable[[int], Iterable[Any]]] = {
            "take": lambda epoch: taken_batches(pixels, epoch),
            "training": train,
            "decode": lambda epoch: decoded,
        }
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for epoch in range(repeats + 1):
            for name, batches in ways.items():
                taken[name].append(seconds(batches(epoch), len(photos)))
    return {name: len(photos) / statistics.median(times[1:]) for name, times in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = Path(__file__).parents[3] / "shared" / "data"
    parser.add_argument("--photos", type=Path, default=data / "clothing")
    parser.add_argument("--limit", type=int, default=1500)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    photos = sorted(arguments.photos.rglob("*.jpg"))[: arguments.limit]
    if not photos:
        parser.error(f"no .jpg below {arguments.photos}")
    speed = measure(photos, arguments.repeats)
    table = [
        f"{len(photos)} photos of {arguments.photos.name}, {SIZE_PX} px, {os.cpu_count()} cores",
        f"{'way':10}{'images/s':>12}{'of decode':>12}",
        *(f"{name:10}{n:12,.0f}{n / speed['decode']:12.1f}" for name, n in speed.items()),
        f"wanted: {WANTED} times decode",
    ]
    print("\n".join(table))  # noqa: T201


if __name__ == "__main__":
    main()
