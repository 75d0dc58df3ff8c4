import csv
import hashlib
import json
import logging
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgedistill.artifacts import (
    METRICS,
    PACKED_DATASET,
    PREDICTIONS,
    QUANTIZATION,
    THRESHOLD,
    TO_SHIP,
    write_labels,
)
from edgedistill.calibrate.answers import Answers, read_test_answers
from edgedistill.calibrate.page import calibration_notes
from edgedistill.calibrate.step import (
    calibrate_threshold,
    metrics_of,
    recommendation_document,
    write_bundle,
)
from edgedistill.core.threshold import recommend_threshold, threshold_curve
from edgedistill.datasets import Photo, write_photos
from edgedistill.errors import ArtifactError, StorageError
from edgedistill.pixels import ShardWriter
from edgedistill.settings import CalibrateSettings
from edgedistill.tf.tasks_metadata import read_metadata
from tests.calibrate.bundle.model_folder import SIDE_PX, scores_document, write_model_folder

SETTINGS = CalibrateSettings()
CLASSES = ("cup", "plate")
# Ten validation photos: at 0.51 six are answered, all right; see tests/core/test_threshold.py.
ON_VAL = Answers(
    np.array([0.3, 0.3, 0.5, 0.5, 0.7, 0.7, 0.8, 0.8, 0.9, 0.9]),
    np.array([True, False, True, False, True, True, True, True, True, True]),
)
# Four test photos: at 0.51 three are answered, two of them right.
ON_TEST = Answers(np.array([0.4, 0.6, 0.7, 0.9]), np.array([True, True, False, True]))


def write_predictions(folder: Path, logits: np.ndarray, labels: list[int]) -> Path:
    folder.mkdir()
    np.save(folder / "logits.npy", logits)
    with (folder / "predictions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("filepath", "label_index", "label_name"))
        writer.writerows((f"a{i}.jpg", label, "x") for i, label in enumerate(labels))
    return folder


def bundle(tmp_path: Path, on_test: Answers = ON_TEST, **settings: float) -> Path:
    if not (tmp_path / "tflite").exists():
        write_model_folder(tmp_path / "tflite", CLASSES)
    out = tmp_path / f"bundle{len(list(tmp_path.iterdir()))}"
    chosen = CalibrateSettings.choose(settings)
    scores = scores_document(CLASSES)
    write_bundle(out, tmp_path / "tflite", scores, ON_VAL, on_test, chosen)
    return out


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the photos above; drawn once, because pictures take time."""
    return bundle(tmp_path_factory.mktemp("made"))


def test_answers_are_the_softmax_of_the_logits():
    # exp(log 3) = 3 of 4: confidence 0.75, class 1.
    logits = np.log(np.array([[1.0, 3.0], [3.0, 1.0]], np.float32))
    answers = Answers.of(logits, np.array([1, 1]))
    np.testing.assert_allclose(answers.confidence, [0.75, 0.75])
    assert answers.correct.tolist() == [True, False]


def test_the_test_photos_are_read_from_what_evaluate_wrote(tmp_path):
    logits = np.array([[5, 0], [5, 0], [0, 5]], np.float32)
    answers = read_test_answers(write_predictions(tmp_path / "p", logits, [0, 1, 1]))
    assert answers.correct.tolist() == [True, False, True]


@pytest.mark.parametrize("missing", ["logits.npy", "predictions.csv"])
def test_a_missing_file_of_evaluate_is_told(tmp_path, missing):
    folder = write_predictions(tmp_path / "p", np.zeros((2, 2), np.float32), [0, 1])
    (folder / missing).unlink()
    with pytest.raises(ArtifactError, match=f"{missing} is missing; did the step before"):
        read_test_answers(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("logits.npy", b""),
        ("logits.npy", b"no array"),
        ("predictions.csv", b"filepath\na.jpg\n"),
        ("predictions.csv", b"filepath,label_index\na.jpg,one\n"),
        ("predictions.csv", b"filepath,label_index\na.jpg,1\n"),
    ],
)
def test_a_damaged_file_of_evaluate_is_told(tmp_path, name, content):
    folder = write_predictions(tmp_path / "p", np.zeros((2, 2), np.float32), [0, 1])
    (folder / name).write_bytes(content)
    with pytest.raises(ArtifactError):
        read_test_answers(folder)


def test_the_recommendation_tells_val_and_test(made):
    document = THRESHOLD.read(made)
    notes = document.pop("calibration_notes")
    assert document == {
        "recommended_threshold": 0.51,
        "target_accept_accuracy": 0.95,
        "min_coverage": 0.6,
        "penalty_incorrect": 3.0,
        "achieved_accept_accuracy": 1.0,
        "achieved_coverage": 0.6,
        "selection_method": "constraint_feasible",
        "grid_step": 0.01,
        "n_val": 10,
        "test_accept_accuracy": pytest.approx(2 / 3),
        "test_coverage": 0.75,
        "n_test": 4,
    }
    assert notes == (
        "Show the answer where its confidence is at least 0.51 and 'unknown' elsewhere: on 10 "
        "validation photos, 60.0% are answered and 100.0% of those are right (wanted: 95.0% right "
        "with at least 60.0% answered). On 4 test photos, which had no part in it, 75.0% are "
        "answered and 66.7% of those are right."
    )


def test_the_notes_say_where_the_wishes_cannot_be_met(tmp_path):
    document = THRESHOLD.read(bundle(tmp_path, threshold_min_coverage=0.9))
    assert document["selection_method"] == "utility_maximization"
    assert document["calibration_notes"].startswith(
        "No threshold gives 95.0% right with at least 90.0% answered on 10 validation photos; "
        "0.51 is the most useful one where a wrong answer costs 3 right ones: 60.0% are answered"
    )


def test_where_no_test_photo_is_answered_its_accuracy_is_null(tmp_path):
    unsure = Answers(np.array([0.4, 0.5]), np.array([True, True]))
    document = THRESHOLD.read(bundle(tmp_path, unsure))
    assert document["test_accept_accuracy"] is None
    assert document["test_coverage"] == 0
    assert "none is answered" in document["calibration_notes"]
    assert "test_accept_accuracy" not in metrics_of(document, ON_VAL, 1.5)


def test_metrics_are_the_shares_and_the_error_on_val(made):
    document = THRESHOLD.read(made)
    # In photos, bin by bin: at 0.3 and 0.5 confidence 0.6 and 1.0 for 1 right of 2; at 0.7, 0.8
    # and 0.9 both of 2 right.
    gaps = abs(0.6 - 1) + abs(1.0 - 1) + 2 * (0.3 + 0.2 + 0.1)
    assert metrics_of(document, ON_VAL, 1.5) == {
        "recommended_threshold": 0.51,
        "achieved_accept_accuracy": 1.0,
        "achieved_coverage": 0.6,
        "test_accept_accuracy": pytest.approx(2 / 3),
        "test_coverage": 0.75,
        "ece_val": pytest.approx(gaps / 10),
        "seconds": 1.5,
    }


def test_notes_survive_a_threshold_that_answers_nothing_on_val():
    wrong = Answers(np.array([0.4, 0.4]), np.array([False, False]))
    curve = threshold_curve(wrong.confidence, wrong.correct)
    chosen = recommend_threshold(curve, target=0.95, min_coverage=0.6, penalty=3.0)
    document = recommendation_document(chosen, curve, ON_TEST, SETTINGS)
    assert document["achieved_accept_accuracy"] is None
    assert "none is answered" in calibration_notes(document)


def test_the_curve_has_a_row_a_threshold_and_no_nan(made):
    with (made / "threshold_curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["threshold"] for row in rows] == [f"0.{k:02d}" for k in range(100)]
    assert rows[51] == {
        "threshold": "0.51", "coverage": "0.6", "accept_accuracy": "1.0",
        "correct_accepted_rate": "0.6", "incorrect_accepted_rate": "0.0",
    }  # fmt: skip
    assert rows[99]["accept_accuracy"] == ""


EVIDENCE = {
    "threshold_curve.csv", "threshold_analysis.png", "reliability_diagram.png",
    "confidence_histogram.png",
}  # fmt: skip


def test_the_bundle_holds_what_ships_and_its_evidence(made):
    names = {p.name for p in made.iterdir()}
    assert {*TO_SHIP, *EVIDENCE, "README.md", "letterbox.h", "parity", "SHA256SUMS"} <= names
    for picture in made.glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_zip_holds_every_file_of_the_folder_but_itself_and_the_evidence(made):
    files = {p.relative_to(made).as_posix() for p in made.rglob("*") if p.is_file()}
    with zipfile.ZipFile(made / "bundle.zip") as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == files - EVIDENCE - {"bundle.zip"}
        for name in archive.namelist():
            assert archive.read(name) == (made / name).read_bytes()
        document = json.loads(archive.read("threshold_recommendation.json"))
    assert document["recommended_threshold"] == 0.51


def test_the_same_inputs_give_the_same_bytes(made, tmp_path):
    again = bundle(tmp_path)
    for path in (p for p in made.iterdir() if p.is_file()):
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_a_missing_model_is_told_and_no_bundle_is_left(tmp_path):
    write_model_folder(tmp_path / "tflite", CLASSES)
    (tmp_path / "tflite/model_qat_int8.tflite").unlink()
    with pytest.raises(ArtifactError, match=r"model_qat_int8\.tflite is missing"):
        bundle(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["tflite"]


def test_the_model_tells_mediapipe_the_classes_and_the_threshold(made):
    told = read_metadata((made / "model_tasks.tflite").read_bytes())
    assert told.label_names == CLASSES
    assert told.score_threshold == pytest.approx(0.51)
    assert told.version == "1"


@pytest.fixture
def steps_before(tmp_path: Path) -> dict[str, str]:
    """Folders of split, evaluate and qat_export that belong together, by parameter."""
    folders = {name: str(tmp_path / name) for name in ("val", "predictions", "tflite")}
    write_model_folder(tmp_path / "tflite", CLASSES)
    digest = QUANTIZATION.read(tmp_path / "tflite")["data_digest"]
    (tmp_path / "val").mkdir()
    draw = np.random.default_rng(0)
    for size_px in (SIDE_PX, 24):
        with ShardWriter(tmp_path / "val" / "pixels" / str(size_px), size_px) as writer:
            for image in draw.integers(0, 256, (12, size_px, size_px, 3), np.uint8):
                writer.append(image)
    photos = [Photo(f"{n}.jpg", n % 2, CLASSES[n % 2], 9, 9, f"{n:064x}") for n in range(12)]
    write_photos(tmp_path / "val" / "photos.csv", photos)
    write_labels(tmp_path / "val", list(CLASSES))
    PACKED_DATASET.write(tmp_path / "val", {
        "n_photos": 12, "student_px": SIDE_PX, "teacher_sizes_px": [24], "digest": "d",
        "split_digest": digest,
    })  # fmt: skip
    logits = np.array([[3, 0], [0, 3], [3, 0], [0, 3]], np.float32)
    write_predictions(tmp_path / "predictions", logits, [0, 1, 0, 0])
    PREDICTIONS.write(tmp_path / "predictions", {"data_digest": digest})
    METRICS.write(tmp_path / "predictions", scores_document(CLASSES))
    return folders


def test_the_bundle_is_exported_under_its_version_and_digest(tmp_path, steps_before, caplog):
    caplog.set_level(logging.INFO, "edgedistill")
    settings = CalibrateSettings(export_uri=str(tmp_path / "shelf"), model_version="7.1")
    done = calibrate_threshold(
        **steps_before, bundle=str(tmp_path / "b"), report=str(tmp_path / "r"), settings=settings
    )
    made = (tmp_path / "b" / "bundle.zip").read_bytes()
    (exported,) = (tmp_path / "shelf").iterdir()
    assert exported.name == f"edgedistill-7.1-{hashlib.sha256(made).hexdigest()[:12]}.zip"
    assert exported.read_bytes() == made
    assert done.exported_to == str(exported)
    assert caplog.messages[-1] == f"calibrate: the bundle is at {exported}"


RUN_COMPONENT = """
import dataclasses, json, sys
from kfp.dsl import HTML, Dataset, Metrics, Model
from edgedistill.components import calibrate
from edgedistill.settings import CalibrateSettings
folder, export_uri = sys.argv[1:]
kinds = {"val": Dataset, "predictions": Dataset, "tflite": Model, "bundle": Model,
         "metrics": Metrics, "report": HTML}
artifacts = {name: kind(name, f"{folder}/{name}") for name, kind in kinds.items()}
settings = dataclasses.asdict(CalibrateSettings(export_uri=export_uri))
calibrate.python_func(**artifacts, **settings)
print(json.dumps([artifacts["bundle"].metadata, artifacts["metrics"].metadata]))
"""


@pytest.mark.parametrize("is_exported", [True, False])
def test_the_component_tells_kfp_where_the_bundle_was_put(tmp_path, steps_before, is_exported):
    shelf = tmp_path / "shelf"
    command = [sys.executable, "-c", RUN_COMPONENT, tmp_path, shelf if is_exported else ""]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    of_bundle, of_metrics = json.loads(done.stdout.splitlines()[-1])
    exported = {"exported_to": str(next(shelf.iterdir()))} if is_exported else {}
    assert of_bundle == exported
    assert "recommended_threshold" in of_metrics
    assert not set(exported) & set(of_metrics)


def test_what_is_put_nowhere_has_no_address(tmp_path, steps_before):
    done = calibrate_threshold(
        **steps_before, bundle=str(tmp_path / "b"), report=str(tmp_path / "r"), settings=SETTINGS
    )
    assert done.exported_to is None
    assert (
        done.metrics["recommended_threshold"]
        == THRESHOLD.read(tmp_path / "b")["recommended_threshold"]
    )


def test_a_place_that_cannot_take_the_bundle_is_told_before_any_work(tmp_path, steps_before):
    (tmp_path / "taken").write_text("a file")
    settings = CalibrateSettings(export_uri=str(tmp_path / "taken"))
    with pytest.raises(StorageError, match="taken"):
        calibrate_threshold(
            **steps_before,
            bundle=str(tmp_path / "b"),
            report=str(tmp_path / "r"),
            settings=settings,
        )
    assert not (tmp_path / "b").exists()
