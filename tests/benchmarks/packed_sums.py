"""What it costs to name the bytes of packed photos, and to hold them to their names.

    python -m tests.benchmarks.packed_sums [--gb 1] [--rounds 5]

On one data set of images of 240 px, by processor and clock, in turns:

- read: every shard read once, in order, and nothing done with it.
- require_whole: what a training step does before it trains: SHA-256 of the same bytes.
- blake2b: the same with that digest in place of SHA-256.
- written: images into shards, as split and scan write them, each read again and summed when it is
  full.
- written plain: the same bytes into the same files, without a sum.

Seen on 29 November 2026 (2 cores of an AMD EPYC, a training beside it), 1 GB that was in the page
cache, seconds of processor a GB:

    read            0.12
    require_whole   0.78    6.7 times read
    blake2b         1.64
    written plain   0.46
    written         1.31    2.9 times written plain
"""

import argparse
import hashlib
import shutil
import tempfile
from collections.abc import Callable
from io import FileIO
from pathlib import Path

import numpy as np

from edgedistill.datasets import PackedDataset, Photo, write_dataset_tables
from edgedistill.pixel_writing import ShardWriter
from tests.benchmarks.timing import in_turns, median, ratio

SIZE_PX = 240
IMAGE_BYTES = 3 * SIZE_PX**2
BLOCK_BYTES = 2**18  # as hashlib.file_digest reads


def write(folder: Path, n_images: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (SIZE_PX, SIZE_PX, 3), np.uint8)
    with ShardWriter(folder / "pixels" / str(SIZE_PX), SIZE_PX) as writer:
        for _ in range(n_images):
            writer.append(image)


def write_plain(folder: Path, n_images: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (SIZE_PX, SIZE_PX, 3), np.uint8)
    rows = 2**28 // IMAGE_BYTES
    for number, first in enumerate(range(0, n_images, rows)):
        with FileIO(folder / f"{number}", "w") as file:
            for _ in range(first, min(first + rows, n_images)):
                file.write(image.data.cast("B"))


def in_blocks(folder: Path, work: Callable[[memoryview], object]) -> None:
    buffer = memoryview(bytearray(BLOCK_BYTES))
    for path in sorted(folder.rglob("*.npy")):
        with FileIO(path) as file:
            while n_read := file.readinto(buffer):
                work(buffer[:n_read])


def anew(work: Callable[[Path, int], None], n_images: int) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        work(folder, n_images)
    finally:
        shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gb", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    n_images = int(arguments.gb * 1e9) // IMAGE_BYTES
    gb = n_images * IMAGE_BYTES / 1e9
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), n_images)
        photos = [Photo(f"{n}", 0, "a", 9, 9, f"{n:064x}") for n in range(n_images)]
        write_dataset_tables(
            Path(folder), photos, ["a"], student_px=SIZE_PX, teacher_sizes_px=(), digest="d"
        )
        dataset = PackedDataset.open(folder)
        ways: dict[str, Callable[[], None]] = {
            "read": lambda: in_blocks(Path(folder), lambda _: None),
            "require_whole": lambda: dataset.require_whole([SIZE_PX]),
            "blake2b": lambda: in_blocks(Path(folder), hashlib.blake2b().update),
            "written plain": lambda: anew(write_plain, n_images),
            "written": lambda: anew(write, n_images),
        }
        taken = in_turns(ways, arguments.rounds)
    lines = [f"{gb:.2f} GB, {n_images} images of {SIZE_PX} px; seconds a GB, medians"]
    for name, times in taken.items():
        spent = median(times) / gb
        lines.append(f"{name:14}{spent.cpu_s:7.2f} of processor{spent.wall_s:7.2f} of clock")
    for name, base in (("require_whole", "read"), ("written", "written plain")):
        times_as_long = ratio(taken, name, base)
        lines.append(f"{name}: {times_as_long.cpu_s:.1f} times the processor time of {base}")
    print("\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    main()
