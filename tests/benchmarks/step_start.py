"""Seconds until each TensorFlow step is at work: its imports, its networks, its first batch.

    python -m tests.benchmarks.step_start [--rounds 3] [--size 240] [--quick]

Each step in fresh processes, in turns, and in each process one after the other:

- import: of the step's module, TensorFlow included.
- TensorFlow alone: importing TensorFlow and tf_keras and nothing of ours, in a process of its own:
  what no step can avoid.
- networks: building and loading those that the step begins with (teacher: Lite2 with ImageNet
  weights; distiller: Lite1 with ImageNet weights, and Lite2; qat_export: Lite1 quantised; evaluate:
  Lite1, Lite2 and Lite1's int8 file).
- first batch: until the first batch of 32 photos is through, its graph traced (of evaluate: through
  both networks), and beside it the second batch, traced no more.

Then, from `python -X importtime` with TensorFlow loaded before it, which would hide its own: the
share of imports by package and the ten modules that cost most by themselves.

Wanted: measured, and everything avoidable avoided.

Seen on 29 November 2026, 2 cores (AMD EPYC with AVX-512), nothing beside it; CPU seconds, medians
of two:

                        import  of TensorFlow alone   networks   first batch   second batch
    TensorFlow alone       2.3                 1.00
    teacher                2.6                 1.14        1.6           5.6            2.4
    distiller              2.6                 1.14        2.6           6.7            2.8
    qat_export             3.6                 1.56       10.5           7.0            2.4
    evaluate               3.5                 1.53        2.7           2.9            1.5

So tracing a first batch takes 3 to 5 s: each network has one graph for training and one for
inference. Beyond TensorFlow teacher and distiller import little but matplotlib for their curves,
evaluate scikit-learn with scipy.stats, and qat_export, by tfmot, pkg_resources and Keras 3 besides.
Most of qat_export's networks is what tfmot's quantisation takes.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.timing import Spent, in_fresh_process, median, timed

STEPS = ("teacher", "distiller", "qat_export", "evaluate")
TENSORFLOW_ALONE = "TensorFlow alone"
PHASES = ("import", "networks", "first batch", "second batch")
N_CLASSES, BATCH_SIZE, N_SHOWN = 10, 32, 10
LOAD_TENSORFLOW = (
    "import os; os.environ['TF_USE_LEGACY_KERAS'] = '1'; import tensorflow, tf_keras; "
)
IMPORT_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \| \s*(\S+)")

Infer = Callable[[], Any]


def network(arch: str, size_px: int) -> Any:
    from edgedistill.tf.networks import build
    from edgedistill.tf.weights import IMAGENET, load_pretrained

    made = build(arch, size_px, N_CLASSES)
    load_pretrained(made, arch, IMAGENET)
    return made


def step_of(trained: Any, images: Any, taught: tuple[Any, ...], distillation: Any) -> Infer:
    """A function that makes one step of training."""
    from edgedistill.tf.batches import Batch
    from edgedistill.tf.optimizers import Optimizers, Schedule
    from edgedistill.tf.training_step import TrainingStep

    schedule = Schedule(
        stage="network", epochs=2, batch_size=BATCH_SIZE, learning_rate=1e-3, weight_decay=0.0,
        seed=0,
    )  # fmt: skip
    targets = np.eye(N_CLASSES, dtype=np.float32)[np.arange(BATCH_SIZE) % N_CLASSES]
    rows = np.arange(BATCH_SIZE)
    batch = Batch(rows, images, taught, targets, np.ones(BATCH_SIZE, np.float32))
    step = TrainingStep(trained, Optimizers(trained, schedule, 10), distillation=distillation)
    return partial(step, batch, 1)


def begin(step: str, file: Path, folder: Path, size_px: int) -> Infer:
    """Makes the step's networks; gives a function that takes a batch through them."""
    from edgedistill.tf.fine_tuning import freeze_normalisation
    from edgedistill.tf.inference import Predictor
    from edgedistill.tf.interpreter import predict_outputs
    from edgedistill.tf.runtime import prepare
    from edgedistill.tf.teachers import Teachers
    from edgedistill.tf.training_step import Distillation
    from tests.benchmarks.conversion import noise_photos

    prepare(0, 0)
    pixels = noise_photos(folder / "p", BATCH_SIZE, size_px)
    images = pixels.take(np.arange(BATCH_SIZE))
    if step == "teacher":
        trained = network("efficientnet_lite2", size_px)
        freeze_normalisation(trained)
        return step_of(trained, images, (), None)
    student = network("efficientnet_lite1", size_px)
    if step == "qat_export":
        from edgedistill.tf.qat import quantise_aware

        rows = np.arange(BATCH_SIZE)
        quantised = quantise_aware(student, pixels, rows, full_input_range=True)
        return step_of(quantised, images, (), None)
    teacher = network("efficientnet_lite2", size_px)
    if step == "distiller":
        freeze_normalisation(student)
        return step_of(student, images, (images,), Distillation(Teachers((teacher,)), 0.5, 4.0))
    predictors = Predictor(student), Predictor(teacher)
    return lambda: (predict_outputs(file, pixels), [p.outputs(pixels) for p in predictors])


def convert(file: Path, size_px: int) -> None:
    """Writes the int8 file that evaluate begins with."""
    from edgedistill.tf.networks import build
    from tests.benchmarks.conversion import noise_photos
    from tests.tf.tiny import quantised_file

    with tempfile.TemporaryDirectory() as folder:
        pixels = noise_photos(Path(folder) / "p", 4, size_px)
        student = build("efficientnet_lite1", size_px, N_CLASSES)
        file.write_bytes(quantised_file(student, pixels, np.arange(4)))


def phases(step: str, file: Path, size_px: int) -> dict[str, tuple[float, float]]:
    """In a fresh process: CPU and wall seconds of each phase."""
    if step == TENSORFLOW_ALONE:
        _, took = timed(lambda: exec(LOAD_TENSORFLOW))
        return {"import": (took.cpu_s, took.wall_s)}
    seen: dict[str, Spent] = {}
    _, seen["import"] = timed(lambda: import_module(f"edgedistill.{step}.step"))
    with tempfile.TemporaryDirectory() as folder:
        infer, seen["networks"] = timed(lambda: begin(step, file, Path(folder), size_px))
        _, seen["first batch"] = timed(infer)
        _, seen["second batch"] = timed(infer)
    return {phase: (took.cpu_s, took.wall_s) for phase, took in seen.items()}


def imports(step: str) -> list[str]:
    """Where the time of imports beyond TensorFlow goes, by modules' own time."""
    code = f"{LOAD_TENSORFLOW}import sys; print('OURS', file=sys.stderr, flush=True); "
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", f"{code}import edgedistill.{step}.step"],
        capture_output=True, text=True, check=True, env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    before, _, after = done.stderr.partition("OURS")
    tensorflow_us = sum(int(us) for us, _ in IMPORT_LINE.findall(before))
    own_us = {name: int(us) for us, name in IMPORT_LINE.findall(after)}
    packages: dict[str, int] = defaultdict(int)
    for name, us in own_us.items():
        packages[name.partition(".")[0]] += us
    total = tensorflow_us + sum(own_us.values())

    def shares(of: dict[str, int]) -> str:
        largest = sorted(of.items(), key=lambda one: -one[1])[:N_SHOWN]
        return ", ".join(f"{name} {us / total:.1%}" for name, us in largest)

    return [
        f"imports of {step}: TensorFlow and tf_keras {tensorflow_us / total:.0%} of "
        f"{total / 1e6:.1f} s (longer than without the clock of each)",
        f"  beyond, by package: {shares(packages)}",
        f"  beyond, by module: {shares(own_us)}",
    ]


def table(rounds: int, size_px: int) -> list[str]:
    module = "tests.benchmarks.step_start"
    steps = (TENSORFLOW_ALONE, *STEPS)
    seen: dict[str, list[dict[str, list[float]]]] = {step: [] for step in steps}
    with tempfile.TemporaryDirectory() as folder:
        common = ["--file", str(Path(folder) / "model.tflite"), "--size", str(size_px)]
        in_fresh_process(module, "--convert", *common)
        for _ in range(rounds):
            for step in steps:
                seen[step].append(in_fresh_process(module, "--of", step, *common))

    def taken(step: str, phase: str) -> Spent:
        return median([Spent(*one[phase]) for one in seen[step]])

    alone = taken(TENSORFLOW_ALONE, "import")
    lines = [f"medians of {rounds}; {size_px} px; CPU seconds, then wall seconds"]
    lines.append(
        f"{'':18}{'import':>14}{'of TF alone':>13}" + "".join(f"{p:>16}" for p in PHASES[1:])
    )
    for step in steps:
        took = taken(step, "import")
        line = f"{step:18}{took.cpu_s:7.1f}{took.wall_s:7.1f}{took.cpu_s / alone.cpu_s:13.2f}"
        for phase in PHASES[1:] if step in STEPS else ():
            took = taken(step, phase)
            line += f"{took.cpu_s:9.1f}{took.wall_s:7.1f}"
        lines.append(line)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=240)
    parser.add_argument("--quick", action="store_true", help="a try: one round, 64 px")
    parser.add_argument("--of", help=argparse.SUPPRESS)
    parser.add_argument("--convert", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.of:
        print(json.dumps(phases(arguments.of, arguments.file, arguments.size)))  # noqa: T201
        return
    if arguments.convert:
        convert(arguments.file, arguments.size)
        print("null")  # noqa: T201
        return
    if arguments.quick:
        arguments.rounds, arguments.size = 1, 64
    print("\n".join(table(arguments.rounds, arguments.size)), flush=True)  # noqa: T201
    for step in STEPS:
        print("\n".join(imports(step)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
