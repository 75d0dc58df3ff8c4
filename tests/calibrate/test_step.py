import csv
import hashlib
import json
import logging
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import beta, binomtest

from edgedistill.artifacts import (
    GATE,
    METRICS,
    PREDICTIONS,
    QUANTIZATION,
    THRESHOLD,
    TO_SHIP,
)
from edgedistill.calibrate.answers import Answers, read_test_answers, read_unknown_logits
from edgedistill.calibrate.beside import temperature_document, unknown_document
from edgedistill.calibrate.recommendation import Evidence, recommendation_document
from edgedistill.calibrate.step import (
    calibrate_threshold,
    gather_evidence,
    metrics_of,
    write_bundle,
)
from edgedistill.datasets import (
    PackedDataset,
    Photo,
    read_photos,
    write_dataset_tables,
    write_photos,
)
from edgedistill.errors import ArtifactError, StorageError
from edgedistill.pixel_writing import ShardWriter
from edgedistill.settings import CalibrateSettings
from edgedistill.tf.tasks_metadata import read_metadata
from tests.calibrate.bundle.model_folder import (
    SIDE_PX,
    gate_document,
    scores_document,
    write_model_folder,
)
from tests.calibrate.made_answers import answers

SETTINGS = CalibrateSettings()
CLASSES = ("bowl", "cup", "fork", "knife", "plate")
# Ten validation photos: at 0.51 six are answered, all right; see tests/core/test_threshold.py.
ON_VAL = answers(
    [0.3, 0.3, 0.5, 0.5, 0.7, 0.7, 0.8, 0.8, 0.9, 0.9],
    [True, False, True, False, True, True, True, True, True, True],
)
# Four test photos: at 0.51 three are answered, two of them right.
ON_TEST = answers([0.4, 0.6, 0.7, 0.9], [True, True, False, True])
EVIDENCE = Evidence(ON_VAL, ON_TEST, None, CLASSES, "validation")


def write_predictions(folder: Path, logits: np.ndarray, labels: list[int]) -> Path:
    folder.mkdir()
    np.save(folder / "logits.npy", logits)
    with (folder / "predictions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("filepath", "label_index", "label_name"))
        writer.writerows((f"a{i}.jpg", label, "x") for i, label in enumerate(labels))
    return folder


def bundle(tmp_path: Path, evidence: Evidence = EVIDENCE, **settings: float) -> Path:
    if not (tmp_path / "tflite").exists():
        write_model_folder(tmp_path / "tflite", CLASSES)
    out = tmp_path / f"bundle{len(list(tmp_path.iterdir()))}"
    chosen = CalibrateSettings.choose(settings)
    scores, gate = scores_document(CLASSES), gate_document()
    write_bundle(out, tmp_path / "tflite", scores, gate, evidence, chosen)
    return out


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the photos above; drawn once, because pictures take time."""
    return bundle(tmp_path_factory.mktemp("made"))


def test_answers_are_the_softmax_of_the_logits():
    # exp(log 3) = 3 of 4: confidence 0.75, class 1.
    logits = np.log(np.array([[1.0, 3.0], [3.0, 1.0]], np.float32))
    found = Answers(logits, np.array([1, 1]))
    np.testing.assert_allclose(found.confidence, [0.75, 0.75])
    assert found.predicted_indices.tolist() == [1, 0]
    assert found.correct.tolist() == [True, False]


def test_the_test_photos_are_read_from_what_evaluate_wrote(tmp_path):
    logits = np.array([[5, 0], [5, 0], [0, 5]], np.float32)
    found = read_test_answers(write_predictions(tmp_path / "p", logits, [0, 1, 1]))
    assert found.correct.tolist() == [True, False, True]


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


def test_logits_of_photos_of_no_class_are_read_where_there_are_any(tmp_path):
    logits = np.array([[5, 0], [0, 5]], np.float32)
    folder = write_predictions(tmp_path / "p", logits, [0, 1])
    assert read_unknown_logits(folder) is None
    np.save(folder / "unknown_logits.npy", logits)
    np.testing.assert_array_equal(read_unknown_logits(folder), logits)
    for damaged in (np.zeros((0, 2)), np.zeros(3)):
        np.save(folder / "unknown_logits.npy", damaged)
        with pytest.raises(ArtifactError, match=r"unknown_logits\.npy must be of shape"):
            read_unknown_logits(folder)


def test_the_recommendation_tells_val_and_test(made):
    document = THRESHOLD.read(made)
    notes, temperature = document.pop("calibration_notes"), document.pop("temperature")
    assert set(temperature) == {"value", "ece_before", "ece_after", "nll_before", "nll_after"}
    assert document.pop("guarantee").pop("note").startswith("These photos are too few")
    assert document == {
        "recommended_threshold": 0.51,
        "target_accept_accuracy": 0.95,
        "min_coverage": 0.6,
        "penalty_incorrect": 3.0,
        "achieved_accept_accuracy": 1.0,
        "achieved_coverage": 0.6,
        # All 6 right with probability p**6 = 0.05 / 100.
        "accept_accuracy_lower_bound": pytest.approx(0.0005 ** (1 / 6)),
        "confidence_level": 0.95,
        "guaranteed_threshold": None,
        "selection_method": "constraint_feasible",
        "grid_step": 0.01,
        "chosen_on": "validation",
        "n_val": 10,
        "test": {
            "recommended": {
                "threshold": 0.51,
                "n_accepted": 3,
                "n_correct": 2,
                "accept_accuracy": pytest.approx(2 / 3),
                "accept_accuracy_interval": wilson(2, 3),
                "coverage": 0.75,
                "coverage_interval": wilson(3, 4),
                "kept": False,
            },
            "guaranteed": None,
        },
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


def wilson(n_right: int, n_photos: int) -> Any:
    """Scipy's interval."""
    found = binomtest(n_right, n_photos).proportion_ci(0.95, "wilson")
    return pytest.approx([found.low, found.high], abs=1e-9)


def test_photos_that_are_too_few_for_a_promise_are_told_with_what_is_missing():
    # From 0.51 on 6 without an error of the 59 that it takes.
    document = recommendation_document(EVIDENCE, SETTINGS)
    assert document["guarantee"] == {
        "procedure": "fixed-sequence testing",
        "lower_bound": None,
        "accept_accuracy": None,
        "coverage": None,
        "n_accepted": None,
        "photos_missing": 53,
        "note": "These photos are too few, or too often wrong, to promise that 95.0% of the shown "
        "answers are right: from 0.51 on 6 were shown and none of them wrong. It would take 53 "
        "more that are accepted, all of them right.",
    }


def test_the_bound_is_of_the_answers_that_the_recommended_threshold_lets_through():
    # 8 of all 10 are right, as is wished; Clopper and Pearson at 0.05 / 100 by scipy's beta.
    settings = CalibrateSettings(threshold_target_accept_accuracy=0.8)
    document = recommendation_document(EVIDENCE, settings)
    assert document["recommended_threshold"] == 0
    expected = beta.ppf(0.0005, 8, 3)
    assert document["accept_accuracy_lower_bound"] == pytest.approx(expected, abs=1e-9)


def test_a_promise_is_told_with_its_bound_and_checked_on_the_test_photos():
    # 100 of 100 at 0.9; with 50 at 0.5, half of them right, 125 of 150 fail.
    on_val = answers([0.9] * 100 + [0.5] * 50, [True] * 125 + [False] * 25)
    evidence = replace(EVIDENCE, on_calib=on_val, chosen_on="calibration")
    document = recommendation_document(evidence, SETTINGS)
    # Between the two; thresholds near 0.9 accept as many.
    assert document["guaranteed_threshold"] == 0.51
    assert document["guarantee"] == {
        "procedure": "fixed-sequence testing",
        "lower_bound": pytest.approx(0.05 ** (1 / 100)),
        "accept_accuracy": 1.0,
        "coverage": pytest.approx(2 / 3),
        "n_accepted": 100,
        "photos_missing": None,
        "note": "From 0.51 on, at least 95.0% of the shown answers are right on all photos of this "
        "kind, not only on those counted: there 100 were shown and none of them wrong, which "
        "leaves at least 97.0%. A promise made so is false in 5% of all runs at most, as long as "
        "photos that are answered more surely are not less often right.",
    }
    checked = document["test"]["guaranteed"]
    assert (checked["n_accepted"], checked["n_correct"], checked["kept"]) == (3, 2, False)
    assert "on 150 calibration photos" in document["calibration_notes"]


def test_the_temperature_is_fitted_on_val_and_told_for_test():
    # 3 of 4 right at logits 2 * log(3) apart: 0.9 sure; divided by 2, 0.75 sure, as is right.
    # On test 2 of 4 are right.
    logits = np.array([[2 * np.log(3), 0.0]] * 4)
    on_val = Answers(logits, np.array([0, 0, 0, 1]))
    on_test = Answers(logits, np.array([0, 0, 1, 1]))
    found: Any = temperature_document(on_val, on_test)
    assert found == {
        "value": pytest.approx(2),
        "ece_before": pytest.approx(0.9 - 0.5),
        "ece_after": pytest.approx(0.75 - 0.5),
        "nll_before": pytest.approx(-(np.log(0.9) + np.log(0.1)) / 2),
        "nll_after": pytest.approx(-(np.log(0.75) + np.log(0.25)) / 2),
    }


def test_a_temperature_that_the_photos_do_not_tell_is_left_out():
    sure = answers([0.9] * 20, [True] * 20)
    assert temperature_document(sure, sure) is None
    document = recommendation_document(replace(EVIDENCE, on_calib=sure), SETTINGS)
    assert "temperature" not in document
    assert "temperature" not in metrics_of(document, gate_document(), sure, 1.5)


def test_photos_of_no_class_are_told_with_the_score_that_knows_them_best():
    # All are as sure, 1 / (1 + exp(-4)) = 0.982; the logits of the unknown are lower.
    calib = np.array([[k, k - 4.0] for k in range(1, 21)])
    test, unknown = np.array([[5.0, 1.0], [1.25, -2.75]]), np.array([[1.0, -3.0], [0.0, -4.0]])
    assert unknown_document(calib, test, unknown, 0.98) == {
        "n_photos": 2,
        "accepted_share": 1.0,
        "accepted_share_interval": wilson(2, 2),
        "auroc": {"max_probability": 0.5, "max_logit": 1.0, "energy": 1.0},
        "best_score": "max_logit",
        # 19 of 20 have at least 2, the last one 1.
        "best_score_threshold": 1.5,
        "best_score_known_accepted": 0.5,
        "best_score_unknown_accepted": 0.0,
        "best_score_unknown_accepted_interval": wilson(0, 2),
    }
    assert unknown_document(calib, test, unknown, 0.99)["accepted_share"] == 0


def test_what_may_be_told_besides_is_told_where_it_is_asked_for(made):
    assert not {"unknown", "per_class"} & set(THRESHOLD.read(made))
    evidence = replace(EVIDENCE, unknown_logits=np.zeros((3, 5)))
    document = recommendation_document(evidence, CalibrateSettings(threshold_per_class=True))
    # Every class as likely: 0.2 sure, and below 0.51.
    assert (document["unknown"]["n_photos"], document["unknown"]["accepted_share"]) == (3, 0.0)
    none = {"threshold": None, "coverage": None, "accept_accuracy": None, "n_accepted": 0}
    # All photos are named `bowl`.
    own = {"threshold": 0.51, "coverage": 0.6, "accept_accuracy": 1.0, "n_accepted": 6}
    assert document["per_class"] == {"bowl": own, **dict.fromkeys(CLASSES[1:], none)}


def test_the_notes_say_where_the_wishes_cannot_be_met(tmp_path):
    document = THRESHOLD.read(bundle(tmp_path, threshold_min_coverage=0.9))
    assert document["selection_method"] == "utility_maximization"
    assert document["calibration_notes"].startswith(
        "No threshold gives 95.0% right with at least 90.0% answered on 10 validation photos; "
        "0.51 is the most useful one where a wrong answer costs 3 right ones: 60.0% are answered"
    )


def test_where_no_test_photo_is_answered_its_accuracy_is_null(tmp_path):
    unsure = replace(EVIDENCE, on_test=answers([0.4, 0.5], [True, True]))
    document = THRESHOLD.read(bundle(tmp_path, unsure))
    assert document["test_accept_accuracy"] is None
    assert document["test_coverage"] == 0
    assert "none is answered" in document["calibration_notes"]
    assert document["test"]["recommended"]["kept"] is None
    assert "test_accept_accuracy" not in metrics_of(document, gate_document(), ON_VAL, 1.5)


def test_metrics_are_the_shares_and_the_error_on_val(made):
    document = THRESHOLD.read(made)
    # In photos, bin by bin: at 0.3 and 0.5 confidence 0.6 and 1.0 for 1 right of 2; at 0.7, 0.8
    # and 0.9 both of 2 right.
    gaps = abs(0.6 - 1) + abs(1.0 - 1) + 2 * (0.3 + 0.2 + 0.1)
    assert metrics_of(document, gate_document(), ON_VAL, 1.5) == {
        "recommended_threshold": 0.51,
        "achieved_accept_accuracy": 1.0,
        "achieved_coverage": 0.6,
        "accept_accuracy_lower_bound": document["accept_accuracy_lower_bound"],
        "test_accept_accuracy": pytest.approx(2 / 3),
        "test_coverage": 0.75,
        "guarantee_photos_missing": 53.0,
        "temperature": document["temperature"]["value"],
        "ece_val": pytest.approx(gaps / 10),
        "ship": 1.0,
        "seconds": 1.5,
    }


def test_kfp_gets_at_most_twenty_finite_floats():
    sure = answers([0.9] * 100, [True] * 100)
    evidence = Evidence(sure, sure, np.zeros((3, 5)), CLASSES, "validation")
    document = recommendation_document(evidence, SETTINGS)
    figures = metrics_of(document, gate_document("No."), sure, 1.5)
    assert {"guaranteed_threshold", "guaranteed_test_coverage", "unknown_auroc"} <= set(figures)
    assert figures["ship"] == 0.0
    assert len(figures) <= 20
    assert all(type(value) is float and np.isfinite(value) for value in figures.values())


def test_notes_survive_a_threshold_that_answers_nothing_on_val():
    wrong = replace(EVIDENCE, on_calib=answers([0.4, 0.4], [False, False]))
    document = recommendation_document(wrong, SETTINGS)
    assert document["achieved_accept_accuracy"] is None
    assert document["accept_accuracy_lower_bound"] is None
    assert "none is answered" in document["calibration_notes"]


def test_the_curve_has_a_row_a_threshold_and_no_nan(made):
    with (made / "threshold_curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["threshold"] for row in rows] == [f"0.{k:02d}" for k in range(100)]
    assert rows[51] == {
        "threshold": "0.51", "coverage": "0.6", "accept_accuracy": "1.0",
        "correct_accepted_rate": "0.6", "incorrect_accepted_rate": "0.0",
    }  # fmt: skip
    assert rows[99]["accept_accuracy"] == ""


FOR_JUDGING = {
    "threshold_curve.csv", "threshold_analysis.png", "reliability_diagram.png",
    "confidence_histogram.png",
}  # fmt: skip


def test_the_bundle_holds_what_ships_and_its_evidence(made):
    names = {p.name for p in made.iterdir()}
    assert {*TO_SHIP, *FOR_JUDGING, "README.md", "letterbox.h", "parity", "SHA256SUMS"} <= names
    for picture in made.glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_zip_holds_every_file_of_the_folder_but_itself_and_the_evidence(made):
    files = {p.relative_to(made).as_posix() for p in made.rglob("*") if p.is_file()}
    with zipfile.ZipFile(made / "bundle.zip") as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == files - FOR_JUDGING - {"bundle.zip"}
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
    folders = {name: str(tmp_path / name) for name in ("calib", "predictions", "tflite")}
    write_model_folder(tmp_path / "tflite", CLASSES)
    digest = QUANTIZATION.read(tmp_path / "tflite")["data_digest"]
    (tmp_path / "calib").mkdir()
    draw = np.random.default_rng(0)
    for size_px in (SIDE_PX, 24):
        with ShardWriter(tmp_path / "calib" / "pixels" / str(size_px), size_px) as writer:
            for image in draw.integers(0, 256, (12, size_px, size_px, 3), np.uint8):
                writer.append(image)
    photos = [
        Photo(f"{n}.jpg", n % 2, CLASSES[n % 2], 9, 9, f"{n:064x}", "calib") for n in range(12)
    ]
    write_dataset_tables(
        tmp_path / "calib", photos, list(CLASSES), student_px=SIDE_PX, teacher_sizes_px=[24],
        digest="d", split_digest=digest,
    )  # fmt: skip
    logits = np.array([[3, 0, 0, 0, 0], [0, 3, 0, 0, 0]] * 2, np.float32)
    write_predictions(tmp_path / "predictions", logits, [0, 1, 0, 0])
    PREDICTIONS.write(tmp_path / "predictions", {"data_digest": digest})
    METRICS.write(tmp_path / "predictions", scores_document(CLASSES))
    GATE.write(tmp_path / "predictions", gate_document())
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
kinds = {"calib": Dataset, "predictions": Dataset, "tflite": Model, "bundle": Model,
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


def test_photos_that_were_set_aside_are_told_apart_from_the_validation_photos(
    tmp_path, steps_before
):
    for split, chosen_on in (("calib", "calibration"), ("val", "validation")):
        photos = read_photos(tmp_path / "calib" / "photos.csv")
        write_photos(tmp_path / "calib" / "photos.csv", [replace(p, split=split) for p in photos])
        dataset = PackedDataset.open(tmp_path / "calib")
        found = gather_evidence(dataset, tmp_path / "predictions", tmp_path / "tflite")
        assert found.chosen_on == chosen_on
        assert found.on_calib.label_indices.tolist() == [0, 1] * 6
        assert found.label_names == CLASSES


def test_a_model_that_must_not_ship_has_no_zip_and_is_not_exported(tmp_path, steps_before, caplog):
    GATE.write(tmp_path / "predictions", gate_document("Top-1 is 0.85; min_top1 asks for 0.9."))
    done = calibrate_threshold(
        **steps_before,
        bundle=str(tmp_path / "b"),
        report=str(tmp_path / "r"),
        settings=CalibrateSettings(export_uri=str(tmp_path / "shelf")),
    )
    assert done.exported_to is None
    assert done.metrics["ship"] == 0.0
    assert not (tmp_path / "shelf").exists()
    assert "do not ship, and no bundle.zip: Top-1 is 0.85; min_top1" in caplog.messages[-1]
    assert "Do not ship: Top-1 is 0.85; min_top1 asks for 0.9." in (tmp_path / "r").read_text()
    names = {p.name for p in (tmp_path / "b").iterdir()}
    assert {*TO_SHIP, *FOR_JUDGING, "model_card.md"} - names == {"bundle.zip"}
    readme = (tmp_path / "b" / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("# DO NOT SHIP")


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
