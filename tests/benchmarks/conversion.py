"""Seconds from a Keras network to a TFLite file: our way against the straightforward one.

    python -m tests.benchmarks.conversion [--size 240] [--classes 10] [--photos 100] [--skip-slow]

The student's network with random weights, on noise: neither changes how long it takes.

- build: the float network; everything below starts from it.
- quantise: `kernel_quantizer.quantise_layers`, the fake-quantised copy.
- ranges: the rest of `qat.quantise_aware`: ranges from 128 photos, and its tracing.
- QAT file: `convert_quantised`, from the frozen graph. Wanted: at most 10 s.
- QAT file, straightforward: `TFLiteConverter.from_keras_model`, which saves and loads a SavedModel.
- post-training, 2 photos: `quantised_file` with hardly anything to look at.
- post-training, one more: what each further photo costs in it.
- converter, 2 photos and one more: the same for TensorFlow's own post-training quantisation,
  which runs photos one by one, on one core, through kernels that log every tensor's extremes.

Wall seconds, and CPU seconds over all threads.

Seen on 2 shared cores, 22 November 2026, little else running:

    stage                          wall s    CPU s  of QAT file
    build                            1.48     1.50         0.33
    quantise                         6.98     7.01         1.56
    ranges                           4.17     7.67         0.93
    QAT file                         4.47     4.47         1.00
    QAT file, straightforward       39.52    39.22         8.84
    post-training, 2 photos         12.88    12.77         2.88
    post-training, one more          0.04     0.06         0.01
    converter, 2 photos             17.50    17.51         3.91
    converter, one more              0.07     0.07         0.02

From a float student to a written file without fine-tuning that is quantise, ranges and QAT file:
19.2 CPU s, wanted at most 20. On 29 November, 2 cores with AVX-512, with one pass over the photos
for ranges and for the means that biases are corrected by: 7.3, 4.6 and 4.8, 16.7 in all (21.1
before).
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgedistill.pixel_writing import ShardWriter
from edgedistill.pixels import PackedPixels
from tests.tf.tiny import quantised_file, range_rows

INT8: dict[str, Any] = {"input_type": "int8", "output_type": "int8"}
WANTED_S = 10
N_RANGE_PHOTOS = 128


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """What the work gives, and its wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def noise_photos(folder: Path, n_photos: int, size_px: int) -> PackedPixels:
    draw = np.random.default_rng(0)
    with ShardWriter(folder, size_px) as writer:
        for _ in range(n_photos):
            writer.append(draw.integers(0, 256, (size_px, size_px, 3), np.uint8))
    return PackedPixels(folder, n_photos)


def straightforward(network: Any, pixels: Any = None, rows: Any = None) -> bytes:
    from edgedistill.tf.quiet import quiet_native_code
    from edgedistill.tf.runtime import tf

    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    if rows is not None:
        converter.representative_dataset = lambda: (
            [image.astype(np.float32)] for image in pixels.batches(1, rows)
        )
    with quiet_native_code():
        return bytes(converter.convert())


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, tuple[float, float]]:
    """Wall and CPU seconds of each stage."""
    from edgedistill.tf.export import convert_quantised
    from edgedistill.tf.kernel_quantizer import quantise_layers
    from edgedistill.tf.networks import STUDENT_ARCH, build
    from edgedistill.tf.qat import quantise_aware

    pixels = noise_photos(folder / "p", max(N_RANGE_PHOTOS, arguments.photos), arguments.size)
    seen: dict[str, tuple[float, float]] = {}
    network, *seen_of = timed(lambda: build(STUDENT_ARCH, arguments.size, arguments.classes))
    seen["build"] = seen_of[0], seen_of[1]
    _, *of_layers = timed(lambda: quantise_layers(network))
    quantised, *of_all = timed(
        lambda: quantise_aware(network, pixels, range_rows(pixels), full_input_range=True)
    )
    seen["quantise"] = of_layers[0], of_layers[1]
    seen["ranges"] = of_all[0] - of_layers[0], of_all[1] - of_layers[1]
    _, *of_file = timed(lambda: convert_quantised(quantised, **INT8))
    seen["QAT file"] = of_file[0], of_file[1]
    if not arguments.skip_slow:
        _, *of_slow = timed(lambda: straightforward(quantised))
        seen["QAT file, straightforward"] = of_slow[0], of_slow[1]
    ours = partial(quantised_file, network, pixels)
    theirs = partial(straightforward, network, pixels)
    for name, way in (("post-training", ours), ("converter", theirs)):
        few, many = (np.array(timed(partial(way, np.arange(n)))[1:]) for n in (2, arguments.photos))
        each = (many - few) / (arguments.photos - 2)
        seen[f"{name}, 2 photos"] = few[0], few[1]
        seen[f"{name}, one more"] = each[0], each[1]
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=240)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--skip-slow", action="store_true", help="leave out the straightforward")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as folder:
        seen = measure(arguments, Path(folder))
    reference = seen["QAT file"][0]
    rows = [f"{'stage':28}{'wall s':>9}{'CPU s':>9}{'of QAT file':>13}"]
    for name, (wall, cpu) in seen.items():
        rows.append(f"{name:28}{wall:9.2f}{cpu:9.2f}{wall / reference:13.2f}")
    rows.append(f"wanted: QAT file in at most {WANTED_S} s; took {reference:.1f} s")
    print("\n".join(rows))  # noqa: T201


if __name__ == "__main__":
    main()
