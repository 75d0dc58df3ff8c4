"""How long the phone's files take for an image with LiteRT, and how much memory.

    python -m tests.benchmarks.latency [--folder OUTPUT_DIR] [--rounds 15] [--sizes]

The folder holds model_qat_int8.tflite and model_tasks.tflite of a run; without it the files are
EfficientNet-Lite1 at 240 px with 10 classes and random weights, which are as fast as any. The cases
take turns, a fifth of a second each, and the fastest turn of each counts: the others had less of
the machine. --sizes measures Lite1 with one thread over the size of its images instead, which is
what the estimate for the phone rests on (core/phone_estimate.py).

Seen on 2026-11-22, 2 shared cores (AMD EPYC, AVX-512), little else running:

    file                     threads  median ms  p95 ms  ratio  memory MB
    model_qat_int8.tflite          1       6.55    6.62   1.00       17.8
    model_qat_int8.tflite          2       3.37    3.56   0.51       17.9
    model_tasks.tflite             1       6.70    6.73   1.02       18.1
    model_tasks.tflite             2       3.52    3.87   0.54       18.1

      px  multiply-adds M         ms  ratio  ratio of one
      96             92.1       1.10   0.16          1.06
     160            255.7       2.87   0.42          0.99
     240            598.9       6.79   1.00          1.00
     320           1022.8      11.54   1.70          1.00

While eleven other processes wanted the cores an image took 23 ms, and a second thread won nothing.
"""

# ruff: noqa: T201

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgedistill.artifacts import MODEL_FILE, TASKS_FILE
from edgedistill.pixel_writing import ShardWriter
from edgedistill.pixels import PackedPixels
from edgedistill.tf.latency import Latency, measure_latency, peak_memory_mb
from edgedistill.tf.multiply_adds import count_multiply_adds
from tests.tf.tiny import quantised_file

SECONDS = 0.2
SIZES_PX = (96, 160, 240, 320)
PUBLISHED_PX = 240
Case = tuple[Path, int]


def random_lite1(size_px: int) -> bytes:
    """An int8 file of EfficientNet-Lite1 with random weights and 10 classes."""
    from edgedistill.tf.efficientnet_lite import build_lite

    network = build_lite("efficientnet_lite1", size_px, 10, fold_pixels=True)
    with tempfile.TemporaryDirectory() as folder:
        with ShardWriter(Path(folder) / "pixels", size_px) as writer:
            writer.append(
                np.random.default_rng(0).integers(0, 256, (size_px, size_px, 3), np.uint8)
            )
        return quantised_file(network, PackedPixels(Path(folder) / "pixels", 1), np.arange(1))


def write_files(folder: Path) -> None:
    from edgedistill.tf.tasks_file import tasks_model

    model = random_lite1(PUBLISHED_PX)
    (folder / MODEL_FILE).write_bytes(model)
    (folder / TASKS_FILE).write_bytes(tasks_model(model))


def take_turns(cases: Sequence[Case], n_rounds: int) -> dict[Case, Latency]:
    """The turn of each case that had the lowest median."""
    turns: dict[Case, list[Latency]] = {case: [] for case in cases}
    for _ in range(n_rounds):
        for path, n_threads in cases:
            latency = measure_latency(path, n_threads=n_threads, seconds=SECONDS)
            turns[path, n_threads].append(latency)
    return {case: min(found, key=lambda turn: turn.median_ms) for case, found in turns.items()}


def print_files(folder: Path, n_rounds: int) -> None:
    paths = [folder / MODEL_FILE, folder / TASKS_FILE]
    fastest = take_turns([(path, n_threads) for path in paths for n_threads in (1, 2)], n_rounds)
    print(f"{'file':24}{'threads':>8}{'median ms':>11}{'p95 ms':>8}{'ratio':>7}{'memory MB':>11}")
    for (path, n_threads), latency in fastest.items():
        ratio = latency.median_ms / fastest[paths[0], 1].median_ms
        memory_mb = peak_memory_mb(path)
        print(
            f"{path.name:24}{n_threads:8}{latency.median_ms:11.2f}{latency.p95_ms:8.2f}"
            f"{ratio:7.2f}{'unknown' if memory_mb is None else f'{memory_mb:.1f}':>11}"
        )


def print_sizes(folder: Path, n_rounds: int) -> None:
    paths = {size_px: folder / f"{size_px}.tflite" for size_px in SIZES_PX}
    for size_px, path in paths.items():
        path.write_bytes(random_lite1(size_px))
    fastest = take_turns([(path, 1) for path in paths.values()], n_rounds)
    counts = {path: count_multiply_adds(path.read_bytes()) for path in paths.values()}
    reference = paths[PUBLISHED_PX]
    print(f"{'px':>4}{'multiply-adds M':>17}{'median ms':>11}{'ratio':>7}{'ratio of one':>14}")
    for size_px, path in paths.items():
        count, median_ms = counts[path], fastest[path, 1].median_ms
        ratio = median_ms / fastest[reference, 1].median_ms
        ratio_of_one = ratio * counts[reference] / count
        print(f"{size_px:4}{count / 1e6:17.1f}{median_ms:11.2f}{ratio:7.2f}{ratio_of_one:14.2f}")


def main() -> None:
    """Prints one of the two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where a run's files lie")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--sizes", action="store_true", help="Lite1 over the size of its images")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if arguments.sizes:
            print_sizes(Path(temporary), arguments.rounds)
            return
        if arguments.folder is None:
            write_files(Path(temporary))
        print_files(arguments.folder or Path(temporary), arguments.rounds)


if __name__ == "__main__":
    main()
