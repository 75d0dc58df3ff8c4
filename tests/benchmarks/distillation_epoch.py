"""An epoch of distillation, ours against the usual script, on real photos.

    python -m tests.benchmarks.distillation_epoch [--limit 512] [--rounds 3] [--layers later]

Needs `../shared/data/clothing`. Student EfficientNet-Lite1 at 240 px, teacher EfficientNet-B3 at
300 px with random weights (its ImageNet weights cannot be had everywhere; time does not depend on
them), batches of 32, all layers trained (with `--layers later` ours trains the later ones, as by
default), in one process, in turns:

- usual script: tests/benchmarks/usual_script.py, `model.fit` over tf.data that decodes, letterboxes
  and varies the JPEGs anew, the teacher asked for each batch.
- ours, stored answers: packed pixels, augment standard, what the teacher said of each view stored.
- ours, asked: the same, the teacher asked in each step (`teacher_views` 0).
- ours, no teacher: the plain student.

What ours spends once, not in each epoch, stands below the table: packing the photos, and asking the
teacher about one view of each. A ratio is the median over the rounds of the ratio in each.

Wanted: stored answers at most 0.6 of the usual script, and at most 1.05 of no teacher.

Seen on 29 November 2026, 2 cores (AMD EPYC with AVX-512), `--limit 384 --rounds 2`, all layers:

    ours, stored answers / usual script       CPU 0.42, wall 0.34
    ours, stored answers / ours, no teacher   CPU 1.02, wall 1.02
    ours, asked / usual script                CPU 0.86, wall 0.69
    ours, asked / ours, no teacher            CPU 2.06, wall 2.09
    once: packing the photos 1.7 CPU s, asking about one view of each 32.2 (an epoch: 26.5)

Before batch normalisation was folded into the convolutions of ours the first was 0.49.
"""

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from edgedistill.settings import DistillerSettings
from tests.benchmarks import usual_script
from tests.benchmarks.clothing import Jpegs, jpegs, pack
from tests.benchmarks.our_epochs import SEED, OurEpochs
from tests.benchmarks.timing import Spent, in_turns, median, ratio_line, timed

USUAL, STORED = "usual script", "ours, stored answers"
ASKED, PLAIN = "ours, asked", "ours, no teacher"
TEACHER_ARCH = "efficientnet_b3"
N_WORKERS = 2


def usual_epochs(
    photos: Jpegs, teacher: Any, arguments: argparse.Namespace
) -> Callable[[], object]:
    from edgedistill.tf.networks import STUDENT_ARCH, build

    student = build(STUDENT_ARCH, arguments.student_px, len(photos.label_names))
    distiller = usual_script.compiled_distiller(student, teacher, 1e-4)
    data = usual_script.batches(photos, arguments.teacher_px, arguments.batch, training=True)
    return partial(distiller.fit, data, epochs=1, verbose=0)


def measure(photos: Jpegs, folder: Path, arguments: argparse.Namespace) -> list[str]:
    from edgedistill.tf.batches import training_photos
    from edgedistill.tf.fine_tuning import LATER, freeze_early_layers, freeze_normalisation
    from edgedistill.tf.networks import STUDENT_ARCH, build
    from edgedistill.tf.runtime import prepare
    from edgedistill.tf.teachers import Teachers
    from edgedistill.tf.teaching import taught_by

    prepare(SEED, 0)
    once: dict[str, Spent] = {}
    sizes_px = arguments.student_px, arguments.teacher_px
    dataset, once["packing the photos"] = timed(lambda: pack(photos, folder, *sizes_px))
    plain = training_photos(dataset, dataset.student_pixels, DistillerSettings())
    teacher = build(TEACHER_ARCH, arguments.teacher_px, len(photos.label_names))

    def in_epochs(photos: Any, distillation: Any = None) -> Callable[[], None]:
        student = build(STUDENT_ARCH, arguments.student_px, len(photos.class_weights))
        freeze_normalisation(student)
        if arguments.layers == LATER:
            freeze_early_layers(student)
        return OurEpochs(student, photos, arguments.batch, N_WORKERS, distillation=distillation)

    def ours(views: int) -> Callable[[], None]:
        taught = taught_by(
            Teachers((teacher,)), dataset, plain, DistillerSettings(teacher_views=views),
            epochs=100, seed=SEED, data_workers=N_WORKERS,
        )  # fmt: skip
        return in_epochs(*taught)

    stored, once["asking about one view of each"] = timed(lambda: ours(1))
    ways = {
        USUAL: usual_epochs(photos, teacher, arguments),
        STORED: stored,
        PLAIN: in_epochs(plain),
        ASKED: ours(0),
    }
    taken = in_turns(ways, arguments.rounds)
    lines = [
        ratio_line(taken, STORED, USUAL, 0.6),
        ratio_line(taken, STORED, PLAIN, 1.05),
        ratio_line(taken, ASKED, USUAL, None),
        ratio_line(taken, ASKED, PLAIN, None),
    ]
    for name in ways:
        each = median(taken[name])
        lines.append(f"  {name:32}{each.cpu_s:8.1f} CPU s an epoch{each.wall_s:8.1f} s")
    for name, took in once.items():
        lines.append(f"  once: {name:32}{took.cpu_s:8.1f} CPU s{took.wall_s:8.1f} s")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, default=512, help="photos")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--student-px", type=int, default=240)
    parser.add_argument("--teacher-px", type=int, default=300)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--layers", default="all", choices=("all", "later"), help="ours")
    parser.add_argument("--quick", action="store_true", help="a try: 48 photos, 64 px, 1 round")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.limit, arguments.rounds = 48, 1
        arguments.student_px, arguments.teacher_px = 64, 75
    photos = jpegs("train", arguments.limit)
    print(  # noqa: T201
        f"{len(photos.places)} photos, student {arguments.student_px} px, "
        f"teacher {TEACHER_ARCH} {arguments.teacher_px} px"
    )
    with tempfile.TemporaryDirectory() as folder:
        print("\n".join(measure(photos, Path(folder) / "packed", arguments)))  # noqa: T201


if __name__ == "__main__":
    main()
