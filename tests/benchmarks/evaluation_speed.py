"""Images a second through the int8 file: predict_outputs, the usual loop, and LiteRT by itself.

    python -m tests.benchmarks.evaluation_speed [--photos 1000] [--rounds 5]

Three ways over the same photos of ../shared/data/clothing and the same file, EfficientNet-Lite1 at
240 px with random weights, which is as fast as any, in turn in one run:

- ours: `predict_outputs` on packed photos, as the step evaluate calls it, from the making of its
  interpreters on.
- usual: one interpreter with one thread, fed image by image from JPEG files: decoded, letterboxed,
  quantised by arithmetic, and asked.
- bare: as many interpreters with one thread each as there are cores, each of which is asked again
  and again about one image that lies in it already.

The packing, which scan does once for all steps, is not counted. Where the machine has other work,
the ratios by CPU time say what threads with a core each would give.

Seen on 2026-11-28, 2 cores (AMD EPYC with AVX2 alone), no other work, --photos 300 --rounds 3:

    ours     107.4 images a second   18.45 CPU ms each
    usual     45.6 images a second   21.94 CPU ms each
    bare     108.8 images a second   18.21 CPU ms each
    ours over usual: 2.34 times by the clock, 2.36 by CPU time, wanted at least 2.5
    ours over bare: 0.98 times by the clock, 0.98 by CPU time, wanted at least 0.95

Without AVX-512 the network takes 18 ms of CPU where it takes 6.6 ms with it (benchmark latency),
so that decoding, letterboxing and quantising, 3.7 ms of the usual way, are a smaller part of it:
two threads that lose nothing come to 2 * 21.94 / 18.21 = 2.41 times there, below the wish, and to
2 * 10.3 / 6.6 = 3.1 times with AVX-512, which is arithmetic and was not measured.
What ours adds to the network itself is 0.04 ms an image: 0.03 for reading the row, the rest for
quantising; the look-up by NumPy's indexing that quantised before took 0.75 ms.
"""

# ruff: noqa: T201

import argparse
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from edgedistill.core.decode import decode_photo
from edgedistill.core.letterbox import letterbox
from edgedistill.machine import available_cores
from tests.benchmarks.clothing import Jpegs, jpegs, pack
from tests.benchmarks.latency import PUBLISHED_PX, random_lite1
from tests.benchmarks.timing import Spent, in_turns, median, ratio

WANTED = {"usual": 2.5, "bare": 0.95}


def new_interpreter(model: bytes) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def usual_way(model: bytes, photos: Jpegs) -> Callable[[], Any]:
    interpreter = new_interpreter(model)
    (entry,), (end,) = interpreter.get_input_details(), interpreter.get_output_details()
    (in_scale, in_zero), (scale, zero) = entry["quantization"], end["quantization"]

    def ask_about_each() -> Any:
        outputs = []
        for place in photos.places:
            pixels = letterbox(decode_photo(place.read_bytes()), PUBLISHED_PX)
            whole = np.round(pixels.astype(np.float32) / in_scale + in_zero)
            interpreter.set_tensor(entry["index"], whole.astype(np.int8)[None])
            interpreter.invoke()
            raw = interpreter.get_tensor(end["index"])[0]
            outputs.append((raw.astype(np.float32) - zero) * scale)
        return np.stack(outputs)

    return ask_about_each


def bare_way(model: bytes, n_photos: int, n_threads: int) -> Callable[[], Any]:
    interpreters = [new_interpreter(model) for _ in range(n_threads)]
    image = np.random.default_rng(0).integers(-128, 128, (1, PUBLISHED_PX, PUBLISHED_PX, 3))
    for interpreter in interpreters:
        (entry,) = interpreter.get_input_details()
        interpreter.set_tensor(entry["index"], image.astype(np.int8))

    def ask_again_and_again() -> None:
        left = iter(range(n_photos))

        def work(interpreter: Any) -> None:
            for _ in left:
                interpreter.invoke()

        with ThreadPoolExecutor(n_threads) as pool:
            list(pool.map(work, interpreters))

    return ask_again_and_again


def main() -> None:
    """Prints images a second and CPU time of each way, and how many times as fast ours is."""
    from edgedistill.tf.interpreter import predict_outputs

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    photos, model = jpegs("train", arguments.photos), random_lite1(PUBLISHED_PX)
    n_photos, n_threads = len(photos.places), available_cores()
    with tempfile.TemporaryDirectory() as folder:
        pixels = pack(photos, Path(folder) / "packed", PUBLISHED_PX, PUBLISHED_PX).student_pixels
        ways = {
            "ours": lambda: predict_outputs(model, pixels),
            "usual": usual_way(model, photos),
            "bare": bare_way(model, n_photos, n_threads),
        }
        if not np.array_equal(ways["ours"](), ways["usual"]()):
            raise SystemExit("the two ways do not give the same answers")
        taken = in_turns(ways, arguments.rounds)
    print(f"{n_photos} photos, {n_threads} threads, median of {arguments.rounds} rounds")
    print_rates(taken, n_photos)
    print_ratios(taken, n_threads)


def print_rates(taken: dict[str, list[Spent]], n_photos: int) -> None:
    for name, spent in taken.items():
        each = median(spent) / n_photos
        print(f"{name:6}{1 / each.wall_s:8.1f} images a second{1e3 * each.cpu_s:8.2f} CPU ms each")


def print_ratios(taken: dict[str, list[Spent]], n_threads: int) -> None:
    """By the clock, and by CPU time: what it would be if every thread had a core for itself."""
    for name, wanted in WANTED.items():
        found = ratio(taken, name, "ours")
        by_cpu = found.cpu_s * (n_threads if name == "usual" else 1)
        print(
            f"ours over {name}: {found.wall_s:.2f} times by the clock, {by_cpu:.2f} by CPU time, "
            f"wanted at least {wanted}"
        )


if __name__ == "__main__":
    main()
