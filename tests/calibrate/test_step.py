import csv
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgedistill.artifacts import MODEL_METADATA, THRESHOLD, TO_SHIP
from edgedistill.calibrate.answers import Answers, read_test_answers
from edgedistill.calibrate.page import calibration_notes
from edgedistill.calibrate.step import metrics_of, recommendation_document, write_bundle
from edgedistill.core.threshold import recommend_threshold, threshold_curve
from edgedistill.errors import ArtifactError
from edgedistill.settings import CalibrateSettings

SETTINGS = CalibrateSettings()
# Ten validation photos: at 0.51 six are answered, all right; see tests/core/test_threshold.py.
ON_VAL = Answers(
    np.array([0.3, 0.3, 0.5, 0.5, 0.7, 0.7, 0.8, 0.8, 0.9, 0.9]),
    np.array([True, False, True, False, True, True, True, True, True, True]),
)
# Four test photos: at 0.51 three are answered, two of them right.
ON_TEST = Answers(np.array([0.4, 0.6, 0.7, 0.9]), np.array([True, True, False, True]))


def write_tflite(folder: Path) -> Path:
    """Stands in for qat_export's folder; no step here reads into the file."""
    folder.mkdir()
    (folder / "model_qat_int8.tflite").write_bytes(b"a model")
    (folder / "labels.txt").write_text("cup\nplate\n")
    MODEL_METADATA.write(folder, {key: key for key in MODEL_METADATA.keys})
    return folder


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
        write_tflite(tmp_path / "tflite")
    out = tmp_path / f"bundle{len(list(tmp_path.iterdir()))}"
    chosen = CalibrateSettings.choose(settings)
    write_bundle(out, tmp_path / "tflite", ON_VAL, on_test, chosen)
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


def test_the_bundle_holds_what_ships_and_its_evidence(made):
    assert {p.name for p in made.iterdir()} == {
        *TO_SHIP, "bundle.zip", "threshold_curve.csv", "threshold_analysis.png",
        "reliability_diagram.png", "confidence_histogram.png",
    }  # fmt: skip
    assert (made / "model_qat_int8.tflite").read_bytes() == b"a model"
    for picture in made.glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_zip_holds_the_files_to_ship_as_they_are(made):
    with zipfile.ZipFile(made / "bundle.zip") as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == sorted(TO_SHIP)
        for name in TO_SHIP:
            assert archive.read(name) == (made / name).read_bytes()
        document = json.loads(archive.read("threshold_recommendation.json"))
    assert document["recommended_threshold"] == 0.51


def test_the_same_inputs_give_the_same_bytes(made, tmp_path):
    again = bundle(tmp_path)
    for path in made.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_a_missing_model_is_told_and_no_bundle_is_left(tmp_path):
    write_tflite(tmp_path / "tflite")
    (tmp_path / "tflite/model_qat_int8.tflite").unlink()
    with pytest.raises(ArtifactError, match=r"model_qat_int8\.tflite is missing"):
        bundle(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["tflite"]
