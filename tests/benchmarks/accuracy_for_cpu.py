"""CPU seconds to an accuracy: the usual script's against ours, from JPEGs on, teacher included.

    python -m tests.benchmarks.accuracy_for_cpu [--limit N] [--quick] [--script-curve FILE] ...

Needs `../shared/data/clothing`. Teacher EfficientNet-Lite2 at 260 px (B3's ImageNet weights cannot
be had everywhere), student EfficientNet-Lite1 at 240 px, both from ImageNet weights. Each side in a
process of its own, whose CPU seconds count from its start: imports, decoding, teacher, validation
and all.

- usual script (tests/benchmarks/usual_script.py): JPEGs anew in each epoch; the whole teacher by
  `fit` with Adam, then the whole student with the teacher asked for each batch; each until the
  validation accuracy rises no more, `--epochs` at most. Its rate, `--script-rate`, is that of
  pretrained networks: at 1e-3 it is the script that suffers.
- ours: photos packed once, heads by logistic regression, then the teacher for `--epochs-teacher`
  and the student for `--epochs-student`, of the later layers (`--layers`), the teacher's answers
  stored for `--views` views of each photo (0: asked in each step). All else is default.

Prints both curves of (CPU seconds, validation accuracy), and at each accuracy that the script's
student comes to, the CPU seconds of ours to at least the same, over the script's. Accuracy is on
341 photos: one photo is 0.003. `--script-curve FILE` keeps the script's curve there, or reads it,
so that another of ours can be held against it.

Wanted: at the script's best accuracy at most a third.

Seen on 29 November 2026, 2 cores (AMD EPYC with AVX-512), fast tests beside ours at low priority,
before batch normalisation was folded into the convolutions of ours:

    at 0.9091, the script's best:  0.20   (564 of 2794 CPU s)
    usual script, teacher:   442 s 0.7830    847 s 0.8944   1241 s 0.9062   1636 s 0.9208
                  student:  2034 s 0.7771   2412 s 0.8798   2794 s 0.9091   3174 s 0.9062
    ours,         teacher:   124 s 0.8944    389 s 0.9120
                  student:   564 s 0.9150    765 s 0.9296    946 s 0.9326   1126 s 0.9413

Ours is past it with the head alone, which is the first figure of each network.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.benchmarks.clothing import jpegs, pack
from tests.benchmarks.timing import in_fresh_process

TEACHER_ARCH, STUDENT_ARCH = "efficientnet_lite2", "efficientnet_lite1"
TEACHER, STUDENT = "teacher", "student"
WANTED = 1 / 3

Curve = list[tuple[str, float, float]]
"""Stage, CPU seconds since the start of the process, validation accuracy."""


def pretrained(arch: str, size_px: int, n_classes: int) -> Any:
    from edgedistill.tf.networks import build
    from edgedistill.tf.weights import IMAGENET, load_pretrained

    network = build(arch, size_px, n_classes)
    load_pretrained(network, arch, IMAGENET)
    return network


def by_usual_script(arguments: argparse.Namespace) -> Curve:
    """In a fresh process."""
    from edgedistill.tf.runtime import keras
    from tests.benchmarks import usual_script

    keras.utils.set_random_seed(arguments.seed)
    photos = jpegs("train", arguments.limit)
    validation = jpegs("validation", arguments.limit)
    curve: Curve = []

    def fit(model: Any, stage: str) -> None:
        def note(epoch: int, logs: Mapping[str, float]) -> None:
            curve.append((stage, time.process_time(), float(logs["val_accuracy"])))

        side, batch = arguments.teacher_px, arguments.batch
        model.fit(
            usual_script.batches(photos, side, batch, training=True),
            validation_data=usual_script.batches(validation, side, batch, training=False),
            epochs=arguments.epochs,
            verbose=0,
            callbacks=[
                keras.callbacks.LambdaCallback(on_epoch_end=note),
                keras.callbacks.EarlyStopping(
                    "val_accuracy", mode="max", patience=1, restore_best_weights=True
                ),
            ],
        )

    n_classes = len(photos.label_names)
    teacher = pretrained(TEACHER_ARCH, arguments.teacher_px, n_classes)
    fit(usual_script.compiled_classifier(teacher, arguments.script_rate), TEACHER)
    student = pretrained(STUDENT_ARCH, arguments.student_px, n_classes)
    fit(usual_script.compiled_distiller(student, teacher, arguments.script_rate), STUDENT)
    return curve


class Noted:
    """Stands where a training saves its state, after the head and each epoch: notes when."""

    def __init__(self, stage: str, curve: Curve):
        self._stage, self._curve = stage, curve

    def save(self, arrays: object, progress: Mapping[str, Any]) -> None:
        accuracy = float(progress["history"][-1]["val_accuracy"])
        self._curve.append((self._stage, time.process_time(), accuracy))

    def latest(self) -> None:
        """There is never a state to go on from."""


def by_ours(arguments: argparse.Namespace, folder: Path) -> Curve:
    """In a fresh process."""
    from edgedistill.settings import DistillerSettings, TeacherSettings
    from edgedistill.tf.batches import training_photos
    from edgedistill.tf.fine_tuning import Pretrained, fine_tune
    from edgedistill.tf.inference import Validation
    from edgedistill.tf.optimizers import Schedule
    from edgedistill.tf.runtime import prepare
    from edgedistill.tf.surroundings import Surroundings
    from edgedistill.tf.teachers import Teachers
    from edgedistill.tf.teaching import taught_by

    prepare(arguments.seed, 0)
    sizes_px = arguments.student_px, arguments.teacher_px
    photos = pack(jpegs("train", arguments.limit), folder / "train", *sizes_px)
    validation = pack(jpegs("validation", arguments.limit), folder / "val", *sizes_px)
    curve: Curve = []

    def tune(
        arch: str, size_px: int, what: Any, stage: str, settings: Any, epochs: int, rate: float,
        distillation: Any = None,
    ) -> Any:  # fmt: skip
        network = pretrained(arch, size_px, len(photos.label_names))
        fine_tune(
            network,
            what,
            Validation(validation.pixels_at(size_px), validation.label_indices),
            Schedule.of(settings, stage=stage, epochs=epochs, learning_rate=rate),
            pretrained=replace(Pretrained.of(settings), layers=arguments.layers),
            distillation=distillation,
            surroundings=Surroundings(
                checkpoints=Noted(stage, curve), data_workers=settings.data_workers
            ),
        )
        return network

    common = {"seed": arguments.seed, "batch_size": arguments.batch, "augment": arguments.augment}
    settings = TeacherSettings(teacher_arch=TEACHER_ARCH, **common)
    pixels = photos.pixels_at(arguments.teacher_px)
    teacher = tune(
        TEACHER_ARCH, arguments.teacher_px, training_photos(photos, pixels, settings), TEACHER,
        settings, arguments.epochs_teacher, settings.lr_teacher,
    )  # fmt: skip
    distilled = DistillerSettings(teacher_views=arguments.views, **common)
    taught, distillation = taught_by(
        Teachers((teacher,)),
        photos,
        training_photos(photos, photos.student_pixels, distilled),
        distilled,
        epochs=arguments.epochs_student,
        seed=arguments.seed,
        data_workers=distilled.data_workers,
    )
    tune(
        STUDENT_ARCH, arguments.student_px, taught, STUDENT, distilled, arguments.epochs_student,
        distilled.lr_student, distillation,
    )  # fmt: skip
    return curve


def ratios(script: Curve, ours: Curve) -> list[str]:
    """At each accuracy that the script's student was the first time at, the highest first."""
    lines, highest = [], -1.0
    for stage, script_s, accuracy in script:
        if stage != STUDENT or accuracy <= highest:
            continue
        highest = accuracy
        ours_s = [s for own, s, a in ours if own == STUDENT and a >= accuracy]
        found = f"{ours_s[0] / script_s:7.2f}" if ours_s else "    not reached"
        reached = f"{ours_s[0]:.0f} of" if ours_s else "more than"
        lines.append(f"  at {accuracy:.4f}: {found}   ({reached} {script_s:.0f} CPU s)")
    return lines[::-1]


def curve_lines(title: str, curve: Curve) -> list[str]:
    return [f"{title}:", *(f"  {s:8.0f} CPU s   {a:.4f}   {stage}" for stage, s, a in curve)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, help="photos of each part")
    parser.add_argument("--student-px", type=int, default=240)
    parser.add_argument("--teacher-px", type=int, default=260)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=4, help="most of each network, script")
    parser.add_argument("--script-rate", type=float, default=1e-4)
    parser.add_argument("--epochs-teacher", type=int, default=1, help="ours")
    parser.add_argument("--epochs-student", type=int, default=3, help="ours")
    parser.add_argument("--layers", default="later", choices=("all", "later"), help="ours")
    parser.add_argument("--views", type=int, default=1, help="ours; 0: asked in each step")
    parser.add_argument("--augment", default="standard", help="ours")
    parser.add_argument("--script-curve", type=Path, help="file to keep it in, or to read it from")
    parser.add_argument("--quick", action="store_true", help="a try: 48 photos, 64 px, 1 epoch")
    parser.add_argument("--side", choices=("script", "ours"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.limit, arguments.epochs, arguments.epochs_student = 48, 1, 1
        arguments.student_px = arguments.teacher_px = 64
    if arguments.side:
        with tempfile.TemporaryDirectory() as folder:
            is_ours = arguments.side == "ours"
            curve = by_ours(arguments, Path(folder)) if is_ours else by_usual_script(arguments)
        print(json.dumps(curve))  # noqa: T201
        return
    words = sys.argv[1:]
    module = "tests.benchmarks.accuracy_for_cpu"
    kept = arguments.script_curve
    if kept is not None and kept.is_file():
        script = json.loads(kept.read_text(encoding="utf-8"))
    else:
        script = in_fresh_process(module, *words, "--side", "script")
        if kept is not None:
            kept.write_text(json.dumps(script), encoding="utf-8")
    ours = in_fresh_process(module, *words, "--side", "ours")
    lines = [
        f"CPU seconds of ours / usual script, wanted at most {WANTED:.2f} at the first:",
        *ratios(script, ours),
        *curve_lines("usual script", script),
        *curve_lines("ours", ours),
    ]
    print("\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    main()
