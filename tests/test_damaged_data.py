"""Packed photos that were damaged after they were written: no step goes to work on them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgedistill.artifacts import NETWORK, PREDICTIONS, QUANTIZATION, TEACHERS
from edgedistill.datasets import Photo, write_dataset_tables
from edgedistill.errors import ArtifactError
from edgedistill.pixel_writing import ShardWriter
from edgedistill.settings import (
    CalibrateSettings,
    DistillerSettings,
    EvaluateSettings,
    QatExportSettings,
    SplitSettings,
    TeacherSettings,
)

N_PHOTOS = 8
STUDENT_PX, TEACHER_PX = 32, 48


def write_part(folder: Path) -> None:
    for size in (STUDENT_PX, TEACHER_PX):
        with ShardWriter(folder / "pixels" / str(size), size) as writer:
            for number in range(N_PHOTOS):
                writer.append(np.full((size, size, 3), number, np.uint8))
    photos = [
        Photo(f"{n}.png", n % 2, "ab"[n % 2], 9, 9, f"{n:064x}", folder.name)
        for n in range(N_PHOTOS)
    ]
    write_dataset_tables(
        folder, photos, ["a", "b"], student_px=STUDENT_PX, teacher_sizes_px=[TEACHER_PX],
        digest=folder.name, split_digest="one",
    )  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """What the steps before would have left, as far as a step reads it before its own work."""
    for name in ("train", "val", "test", "catalog"):
        write_part(tmp_path / name)
    (tmp_path / "teacher" / "efficientnet_lite2").mkdir(parents=True)
    TEACHERS.write(
        tmp_path / "teacher",
        {**dict.fromkeys(TEACHERS.keys), "archs": ["efficientnet_lite2"]},
    )
    NETWORK.write(
        tmp_path / "teacher" / "efficientnet_lite2",
        {**dict.fromkeys(NETWORK.keys), "img_size_px": TEACHER_PX},
    )
    for name, document in (("tflite", QUANTIZATION), ("predictions", PREDICTIONS)):
        (tmp_path / name).mkdir()
        document.write(tmp_path / name, {**dict.fromkeys(document.keys), "data_digest": "one"})
    return tmp_path


def call(step: Callable[..., Any], run: Path, names: Sequence[str], settings: Any) -> None:
    """Calls a step with inputs and outputs of these names, in the order of its parameters."""
    step(*(str(run / name) for name in names), settings)


def train_teacher(run: Path) -> None:
    from edgedistill.teacher.step import train_teacher

    settings = TeacherSettings(teacher_arch="efficientnet_lite2", teacher_weights="none")
    call(train_teacher, run, ["train", "val", "model", "report.html"], settings)


def distil(run: Path) -> None:
    from edgedistill.distiller.step import distil_student

    names = ("train", "val", "teacher", "model", "report.html")
    call(distil_student, run, names, DistillerSettings())


def distil_without_teacher(run: Path) -> None:
    from edgedistill.distiller.step import distil_student

    names = ("train", "val", "teacher", "model", "report.html")
    call(distil_student, run, names, DistillerSettings(distill_alpha=1.0))


def export(run: Path) -> None:
    from edgedistill.qat_export.step import export_int8

    names = ("train", "val", "student", "teacher", "model", "report.html")
    call(export_int8, run, names, QatExportSettings())


def evaluate(run: Path) -> None:
    from edgedistill.evaluate.step import evaluate_file

    names = ("test", "tflite", "student", "teacher", "model", "report.html")
    call(evaluate_file, run, names, EvaluateSettings())


def calibrate(run: Path) -> None:
    from edgedistill.calibrate.step import calibrate_threshold

    names = ("val", "predictions", "tflite", "model", "report.html")
    call(calibrate_threshold, run, names, CalibrateSettings())


def split(run: Path) -> None:
    from edgedistill.split.step import split_catalog

    names = ("catalog", "model", "val2", "test2", "calib", "report.html")
    call(split_catalog, run, names, SplitSettings())


SLOW = pytest.mark.slow  # they import TensorFlow
READS = [
    pytest.param(train_teacher, "train", TEACHER_PX, marks=SLOW),
    pytest.param(train_teacher, "val", TEACHER_PX, marks=SLOW),
    pytest.param(distil, "train", STUDENT_PX, marks=SLOW),
    pytest.param(distil, "train", TEACHER_PX, marks=SLOW),
    pytest.param(distil, "val", STUDENT_PX, marks=SLOW),
    pytest.param(export, "train", STUDENT_PX, marks=SLOW),
    pytest.param(export, "train", TEACHER_PX, marks=SLOW),
    pytest.param(export, "val", STUDENT_PX, marks=SLOW),
    pytest.param(evaluate, "test", STUDENT_PX, marks=SLOW),
    pytest.param(evaluate, "test", TEACHER_PX, marks=SLOW),
    pytest.param(calibrate, "val", STUDENT_PX, marks=SLOW),
    (split, "catalog", STUDENT_PX),
    (split, "catalog", TEACHER_PX),
]


@pytest.mark.parametrize(("step", "part", "size"), READS)
def test_a_step_refuses_one_changed_byte_in_what_it_reads(
    run: Path, step: Callable[[Path], None], part: str, size: int
) -> None:
    shard = run / part / "pixels" / str(size) / "00000.npy"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    with pytest.raises(ArtifactError, match=rf"{size}/00000\.npy must have the SHA-256"):
        step(run)
    assert not (run / "model").exists()


@SLOW
@pytest.mark.parametrize(
    ("step", "part"),
    [(train_teacher, "train"), (distil, "val"), (export, "train"), (evaluate, "test")],
)
def test_a_step_refuses_a_changed_label(run: Path, step: Callable[[Path], None], part: str) -> None:
    table = run / part / "photos.csv"
    table.write_text(table.read_text().replace("0.png,0,a,", "0.png,1,b,"))
    with pytest.raises(ArtifactError, match=r"photos\.csv must have the SHA-256"):
        step(run)
    assert not (run / "model").exists()


@SLOW
@pytest.mark.parametrize("step", [train_teacher, distil_without_teacher])
def test_a_step_does_not_read_a_size_that_it_does_not_need(
    run: Path, step: Callable[[Path], None]
) -> None:
    unread = STUDENT_PX if step is train_teacher else TEACHER_PX
    (run / "train" / "pixels" / str(unread) / "00000.npy").unlink()
    # train is read first: that val is refused tells that train was not.
    (run / "val" / "labels.txt").write_text("b\na\n")
    with pytest.raises(ArtifactError, match=r"val/labels\.txt must have the SHA-256"):
        step(run)
