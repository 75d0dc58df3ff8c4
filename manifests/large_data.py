#!/usr/bin/env python3
"""Bytes, disks and hours of a run on many photos, from figures that you can put in yourself.

    python manifests/large_data.py --photos 1000000 --scan_shards 16 --bucket_mb_s 200

Prints the tables of manifests/LARGE_DATA.md. Python alone is enough to run it.
"""

import argparse
from collections.abc import Iterator
from typing import NamedTuple

STUDENT, TEACHER = 240**2 * 3, 300**2 * 3
"""Bytes of a packed photo at the student's and at EfficientNet-B3's size."""

# Name, default, meaning. Those marked (measured) are this repository's; the others are assumptions.
INPUTS = (
    ("photos", 1_000_000, "photos of the collection"),
    ("photo_mb", 4.0, "MB of a photo's file; a phone's 12 megapixels"),
    ("bucket_mb_s", 200.0, "MB/s between a pod and the bucket, one stream, as KFP copies"),
    ("scan_shards", 16, "pods that scan at once"),
    ("scan_cores", 4, "cores of each of them"),
    ("scan_cpu_ms", 230.0, "CPU ms of scan for a photo, all in (measured: 221 for 12 MP)"),
    ("sum_mb_s", 1000.0, "MB/s at which a step reads its photos and checks their SHA-256"),
    ("teacher_images_s", 400.0, "images/s of a training step of B3 at 300 px"),
    ("student_images_s", 500.0, "images/s of the student's, the teacher asked in each step"),
    ("qat_images_s", 250.0, "images/s of the quantised student's, in float32"),
    ("epochs_teacher", 10, "all of them, as if none ended early"),
    ("epochs_student", 20, "all of them"),
    ("epochs_qat", 10, "all of them"),
    ("evaluate_cores", 4, "cores of evaluate, and of the int8 files in qat_export"),
    ("calibrate_cores", 2, "cores of calibrate"),
    ("int8_cpu_ms", 18.0, "CPU ms of the int8 file for a photo (measured, without AVX-512)"),
    ("float_cpu_ms", 200.0, "CPU ms of teacher and float student for a photo"),
)


class Step(NamedTuple):
    """What one pod moves and does.

    Bytes are those of one pod, `n_pods` of which run at once. Work overlaps with what the step
    reads by itself (`reads_own`), but not with KFP's copies before and after it.
    """

    name: str
    n_pods: int
    reads_own: float
    copies_in: float
    copies_out: float
    work_s: float

    def hours(self, bytes_s: float) -> float:
        """Of the clock, from the first byte to the last."""
        own = max(self.reads_own / bytes_s, self.work_s)
        return (self.copies_in / bytes_s + own + self.copies_out / bytes_s) / 3600


def steps(given: argparse.Namespace) -> Iterator[Step]:
    """The steps in their order; shares 0.8, 0.1, 0.1, and calib is val at the student's size."""
    n, packed = given.photos, STUDENT + TEACHER
    train, val = 0.8 * n, 0.1 * n
    shards, sums = given.scan_shards, given.sum_mb_s * 1e6
    read, whole = n * given.photo_mb * 1e6, n * packed
    scan_s = n * given.scan_cpu_ms / 1000 / given.scan_cores
    name = "scan" if shards == 1 else "scan_shard"
    yield Step(name, shards, read / shards, 0, whole / shards, scan_s / shards)
    if shards > 1:
        # The search for near duplicates took 200 s for a million photos.
        yield Step("merge_shards", 1, 0, whole, whole, 200 * n / 1e6 + whole / sums)
    yield Step("split", 1, 0, whole, whole + val * STUDENT, whole / sums)

    both = (train + val) * packed

    def trained(epochs: int, images_s: float) -> float:
        # An answer alone, as to the validation photos, is a third of a training step.
        return epochs * (train + val / 3) / images_s

    # Once more: the teacher's features of all training photos, which judge their labels.
    judged_s = train / 3 / given.teacher_images_s
    checked_s = (train + val) * TEACHER / sums  # it reads its own size alone
    teacher_s = trained(given.epochs_teacher, given.teacher_images_s) + judged_s + checked_s
    yield Step("teacher", 1, 0, both, 0, teacher_s)
    student_s = trained(given.epochs_student, given.student_images_s) + both / sums
    yield Step("distiller", 1, 0, both, 0, student_s)
    # Both candidates and the file for MediaPipe answer every validation photo.
    int8_s = given.int8_cpu_ms / 1000 / given.evaluate_cores
    qat_s = trained(given.epochs_qat, given.qat_images_s) + 3 * val * int8_s
    qat_s += both / sums
    yield Step("qat_export", 1, 0, both, 0, qat_s)
    answer_s = 3 * int8_s + given.float_cpu_ms / 1000 / given.evaluate_cores
    yield Step("evaluate", 1, 0, val * packed, 0, val * answer_s)
    calibrate_s = val * given.int8_cpu_ms / 1000 / given.calibrate_cores
    yield Step("calibrate", 1, 0, val * STUDENT, 0, calibrate_s)


def rows(given: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    """The cells of the table of steps, its last row the sum."""
    bytes_s = given.bucket_mb_s * 1e6
    moved = hours = 0.0
    for step in steps(given):
        all_in = step.n_pods * (step.reads_own + step.copies_in)
        all_out = step.n_pods * step.copies_out
        moved, hours = moved + all_in + all_out, hours + step.hours(bytes_s)
        yield (
            step.name,
            f"{step.n_pods}",
            f"{all_in / 1e9:,.0f}",
            f"{all_out / 1e9:,.0f}",
            f"{(step.copies_in + step.copies_out) / 1e9:,.0f}",
            f"{(step.copies_in + step.copies_out) / bytes_s / 3600:.1f}",
            f"{max(step.reads_own / bytes_s, step.work_s) / 3600:.1f}",
            f"{step.hours(bytes_s):.1f}",
        )
    yield ("together", "", f"{moved / 1e9:,.0f} in and out", "", "", "", "", f"{hours:.1f}")


HEAD = ("step", "pods", "reads, GB", "writes, GB", "disk of a pod, GB", "copies, h", "work, h", "h")


def table(given: argparse.Namespace) -> str:
    """Markdown."""
    lines = [HEAD, ("---",) * len(HEAD), *rows(given)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def read_arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The inputs, each with its default where it is not given."""
    parser = argparse.ArgumentParser(description="Plans a run on many photos.")
    for name, default, meaning in INPUTS:
        parser.add_argument(f"--{name}", type=type(default), default=default, help=meaning)
    given = parser.parse_args(words)
    for name, value in vars(given).items():
        least = 0 if name.startswith("epochs_") else 1
        if not (value >= least if isinstance(value, int) else value > 0):
            parser.error(f"{name} must be at least {least}, or a rate above 0; got {value}")
    return given


if __name__ == "__main__":
    print(table(read_arguments()))  # noqa: T201
