"""Whole pipelines elsewhere: stopped in each training, and with large teachers."""

import hashlib
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from edgedistill.artifacts import OUTPUT_FILES
from tests.whole_pipeline import command, run

pytestmark = pytest.mark.pipeline
pytest_plugins = ("tests.finished_pipeline",)


def _run_with_stops(data_dir: Path, output_dir: Path, **settings: str) -> tuple[set[str], str]:
    """Stops the run once in each training, as soon as it has saved a state.

    Gives the names of the trainings' states, and what the run that was not stopped any more wrote.
    """
    words = command(data_dir, output_dir, **settings)
    states = output_dir.with_name(f"{output_dir.name}.work") / "checkpoints"
    stopped: set[str] = set()
    while True:
        with subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            while process.poll() is None:
                saved = {path.parent.name for path in states.glob("*/checkpoint-*.ckpt")}
                if saved - stopped:
                    stopped |= saved
                    process.terminate()
                    break
                time.sleep(0.05)
            output, errors = process.communicate(timeout=600)
        if process.returncode == 0:
            return stopped, output
        assert process.returncode == 128 + signal.SIGTERM, errors


# First: the run that the other test needs may not be finished yet.
def test_large_teachers_teach_together_one_from_random_weights_and_one_from_a_file(
    photos: Path, tmp_path: Path
) -> None:
    from edgedistill.tf.runtime import keras

    file, out = tmp_path / "b3 notop.h5", tmp_path / "out"
    keras.applications.EfficientNetB3(include_top=False, weights=None).save_weights(file)
    done = run(
        photos, out, teacher_arch="resnet101,efficientnet_b3", teacher_weights=f"none,{file}",
        student_weights="none", teacher_img_size="64", student_img_size="64",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert {p.name for p in out.iterdir() if p.is_file()} == set(OUTPUT_FILES)
    # A random network's features are nothing to fit a head on.
    log = (out / "training.log").read_text(encoding="utf-8")
    assert log.count("head on frozen") == 1
    page = (out / "report.html").read_text(encoding="utf-8")
    for arch in ("resnet101", "efficientnet_b3"):
        assert f"Training of the teacher ({arch})" in page


def test_another_run_elsewhere_that_is_stopped_in_each_training_gives_the_same_bytes(
    finished: tuple[Path, Any], photos: Path, tmp_path: Path
) -> None:
    elsewhere, shelf = tmp_path / "else where" / "out", tmp_path / "shelf"
    stopped, output = _run_with_stops(
        photos, elsewhere, export_uri=str(shelf), data_workers="1", checkpoint_steps="1"
    )
    trainings = {name.rpartition("-")[0] for name in stopped}
    assert trainings == {"teacher-efficientnet_lite2", "student", "qat"}
    for name in ("model_qat_int8.tflite", "bundle.zip"):
        first = photos.parent / f"first {name}"
        assert (elsewhere / name).read_bytes() == first.read_bytes(), name
    made = (elsewhere / "bundle.zip").read_bytes()
    (exported,) = shelf.iterdir()
    assert exported.read_bytes() == made
    assert exported.name == f"edgedistill-1-{hashlib.sha256(made).hexdigest()[:12]}.zip"
    assert f"exported       {exported}" in output
