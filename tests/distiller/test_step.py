"""The step distiller with real networks on tiny photos."""

import html
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from edgedistill.artifacts import NETWORK, TEACHERS, WEIGHTS_FILE, WITHOUT_TEACHER_FOLDER
from edgedistill.core.best_epoch import best_epoch
from edgedistill.errors import SettingError
from edgedistill.settings import DistillerSettings
from tests.teacher import test_step as teacher

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def steps_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both splits, and a teacher whose head alone was trained."""
    folder = tmp_path_factory.mktemp("distiller")
    teacher.write_splits(folder, teacher.SIZE_PX)
    teacher.train(folder, "teacher", teacher_arch="efficientnet_lite2")
    return folder


def distil(
    steps_before: Path, folder: Path, *, teacher_accuracy: float, **settings: Any
) -> tuple[dict[str, float], str]:
    """Metrics and report of a student whose teacher says of itself that it is so accurate."""
    from edgedistill.distiller.step import distil_student

    shutil.copytree(steps_before / "teacher", folder / "teacher")
    told = TEACHERS.read(folder / "teacher")
    TEACHERS.write(folder / "teacher", {**told, "val_accuracy": teacher_accuracy})
    metrics = distil_student(
        str(steps_before / "train"), str(steps_before / "val"), str(folder / "teacher"),
        str(folder / "student"), str(folder / "page.html"),
        DistillerSettings(save_tensorboard=False, **settings),
    )  # fmt: skip
    return metrics, html.unescape((folder / "page.html").read_text(encoding="utf-8"))


def test_a_teacher_worse_than_a_plain_student_is_said_loudly_with_what_to_do(
    steps_before: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    metrics, page = distil(
        steps_before, tmp_path, teacher_accuracy=0.0, epochs_student=2, teacher_views=2
    )
    # No plain student that has learned anything is right on none of them.
    assert metrics["teacher_gain"] < 0
    points = f"{-100 * metrics['teacher_gain']:.1f} points worse than a plain student"
    (said,) = [text for text in caplog.messages if "teacher_gain" in text]
    for text in (said, page):
        assert points in text
        assert "Raise epochs_teacher or teacher_img_size, choose another teacher_arch" in text
    assert "one of 2 views of every photo, in turn" in page
    assert "Photo by photo: the photo and 2 of its views" in page


# At such a rate a network is worse after one epoch.
TOO_FAST = {"epochs_student": 1, "lr_student": 0.1, "augment_flip": False}


def test_what_a_training_without_a_teacher_did_not_gain_is_put_down_to_its_epochs(
    steps_before: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "edgedistill")
    metrics, page = distil(
        steps_before, tmp_path, teacher_accuracy=1.0, distill_alpha=1, **TOO_FAST
    )
    assert metrics["best_epoch"] == 0
    assert metrics["teacher_gain"] >= 0
    assert caplog.messages == [
        "no epoch improved on the head alone, which is kept: raise epochs_student (now 1)"
    ]
    assert "this training did not ask it, as distill_alpha is 1." in page
    assert "Each epoch shows another view of every photo: nearer" in page


def test_the_gain_of_distillation_is_over_a_student_trained_alike_but_without_the_teacher(
    steps_before: Path, tmp_path: Path
) -> None:
    metrics, page = distil(
        steps_before, tmp_path, teacher_accuracy=1.0, measure_kd_gain=True, epochs_student=1
    )
    plain_accuracy = metrics["val_accuracy"] - metrics["kd_gain"]
    assert metrics["teacher_gain"] == pytest.approx(1.0 - plain_accuracy)
    assert "a plain student, which was trained alike but without it" in page
    without = tmp_path / "student" / WITHOUT_TEACHER_FOLDER
    assert (without / WEIGHTS_FILE).is_file()
    taught, plain = (NETWORK.read(f)["history"] for f in (tmp_path / "student", without))
    assert [row["stage"] for row in plain] == [row["stage"] for row in taught]
    assert plain[0]["loss"] == taught[0]["loss"]  # the head, which no teacher has a say in
    assert (plain[1]["distillation_loss"], plain[1]["lr"]) == (0, taught[1]["lr"])
    assert taught[1]["distillation_loss"] > 0
    accuracies = [rows[best_epoch(rows)]["val_accuracy"] for rows in (taught, plain)]
    assert metrics["kd_gain"] == pytest.approx(accuracies[0] - accuracies[1])
    assert f"Distillation gains {100 * metrics['kd_gain']:+.1f} points on 12 validation" in page
    assert {"val_accuracy", "val_macro_f1", "val_ece", "val_loss"} <= set(metrics)
    assert len(metrics) <= 20


def test_a_gain_of_no_distillation_is_refused() -> None:
    with pytest.raises(SettingError, match="measure_kd_gain must be false where distill_alpha"):
        DistillerSettings(measure_kd_gain=True, distill_alpha=1.0)
