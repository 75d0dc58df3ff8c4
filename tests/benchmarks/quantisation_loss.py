"""What int8 costs: the float student against files from each way of quantising it.

    python -m tests.benchmarks.quantisation_loss --train FOLDER --val FOLDER --test FOLDER
        --student FOLDER [--converter 300] [--representative 128 512]

The folders are those of a finished run. Ways:

- float student: the network that all others are made from.
- converter N: TensorFlow's own post-training quantisation with N training photos.
- post-training N: `quantised_file`, ours, with N: the network that the fine-tuning starts from.

Top-1 and macro-F1 on validation and test photos; on both together the share of photos with the
float student's class, and the ratio of the float logits to their difference in decibel (far less
noisy than accuracies); seconds. Accuracies of two ways that differ by a few photos prove nothing.

What the fine-tuning adds is in quantization.json of a run; the rows QAT S:R, S steps of 32 photos
at the highest rate R, are from an earlier form of this script.

Seen on 2 shared cores, 22 November 2026, on clothing (341 validation and 372 test photos, teacher
Lite2), in three runs:

    way                      val   F1 val      test   F1 test     agree      dB
    float student         0.9238    0.9088    0.9301    0.9349    1.0000
    converter 32          0.9208    0.9025    0.9274    0.9316    0.9832
    converter 128         0.9179    0.9023    0.9167    0.9128    0.9888
    converter 300         0.9179    0.9017    0.9194    0.9205    0.9832    27.5
    post-training 128     0.9179    0.9048    0.9301    0.9349    0.9958    30.6
    post-training 512     0.9179    0.9048    0.9274    0.9274    0.9944    30.9
    QAT 40:3e-5           0.9208    0.9089    0.9328    0.9317    0.9762

Before biases were corrected:

    post-training 128     0.9179    0.9009    0.9194    0.9253    0.9860
    QAT 40:1e-4           0.9238    0.9165    0.9382    0.9390    0.9593
    QAT 40:3e-5           0.9208    0.9083    0.9382    0.9379    0.9776
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.metrics import classification_scores
from edgedistill.datasets import PackedDataset
from edgedistill.settings import QatExportSettings
from tests.tf.tiny import quantised_file

SETTINGS = QatExportSettings()
SEED = SETTINGS.seed
INT8: dict[str, Any] = {"input_type": "int8", "output_type": "int8"}


@dataclass(frozen=True)
class Run:
    """A finished run's photos and its student."""

    train: PackedDataset
    judged: tuple[PackedDataset, PackedDataset]
    student: Any


def rows_of(run: Run, count: int) -> NDArray[np.int64]:
    rows: NDArray[np.int64] = np.random.default_rng(SEED).permutation(len(run.train))[:count]
    return rows


def post_training(run: Run, count: int) -> bytes:
    return quantised_file(run.student, run.train.student_pixels, rows_of(run, count))


def by_converter(run: Run, count: int) -> bytes:
    from edgedistill.tf.quiet import quiet_native_code
    from edgedistill.tf.runtime import tf

    pixels = run.train.student_pixels
    photos = (image.astype(np.float32) for image in pixels.batches(1, rows_of(run, count)))
    ends = (np.full((1, pixels.size_px, pixels.size_px, 3), end, np.float32) for end in (0, 255))
    converter = tf.lite.TFLiteConverter.from_keras_model(run.student)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image] for image in chain(ends, photos))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    with quiet_native_code():
        return bytes(converter.convert())


def file_logits(run: Run, model: bytes) -> list[NDArray[np.float32]]:
    from edgedistill.tf.interpreter import predict_outputs

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(model)
        return [predict_outputs(path, part.student_pixels) for part in run.judged]


def student_logits(run: Run) -> list[NDArray[np.float32]]:
    from edgedistill.tf.inference import Predictor

    predictor = Predictor(run.student)
    return [predictor.outputs(part.student_pixels) for part in run.judged]


def line(
    name: str, logits: Sequence[NDArray[np.float32]], by_float: Any, run: Run, seconds: float
) -> str:
    figures = []
    n_same = 0
    signal = noise = 0.0
    for part, answers, of_float in zip(run.judged, logits, by_float, strict=True):
        predicted = answers.argmax(axis=1)
        scores = classification_scores(part.label_indices, predicted, len(part.label_names))
        figures += [float(np.mean(predicted == part.label_indices)), scores.macro_f1]
        signal += float(np.square(of_float, dtype=np.float64).sum())
        noise += float(np.square(answers - of_float, dtype=np.float64).sum())
        n_same += int((predicted == of_float.argmax(axis=1)).sum())
    n_photos = sum(map(len, run.judged))
    cells = "".join(f"{figure:10.4f}" for figure in figures)
    sqnr = f"{10 * np.log10(signal / noise):8.1f}" if noise else " " * 8
    return f"{name:22}{cells}{n_same / n_photos:10.4f}{sqnr}{seconds:8.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("train", "val", "test", "student"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--converter", type=int, nargs="*", default=[300])
    parser.add_argument("--representative", type=int, nargs="*", default=[128])
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from edgedistill.tf.networks import load_network
    from edgedistill.tf.runtime import seed_everything

    seed_everything(SEED)
    run = Run(
        PackedDataset.open(arguments.train),
        (PackedDataset.open(arguments.val), PackedDataset.open(arguments.test)),
        load_network(arguments.student)[0],
    )
    ways: dict[str, Callable[[], bytes]] = {
        f"post-training {n}": partial(post_training, run, n) for n in arguments.representative
    }
    ways |= {f"converter {n}": partial(by_converter, run, n) for n in arguments.converter}
    by_float = student_logits(run)
    heads = ("val", "F1", "test", "F1", "agree")
    print(f"{'way':22}{''.join(f'{head:>10}' for head in heads)}{'dB':>8}{'s':>8}")  # noqa: T201
    print(line("float student", by_float, by_float, run, 0))  # noqa: T201
    for name, make in ways.items():
        begun = time.perf_counter()
        model = make()
        seconds = time.perf_counter() - begun
        row = line(name, file_logits(run, model), by_float, run, seconds)
        print(row, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
