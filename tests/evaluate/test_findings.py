"""What is written where the steps before have left no more than they must; no TensorFlow."""

from pathlib import Path

import numpy as np
import pytest

from edgedistill.artifacts import EVALUATION, GATE, METRICS
from edgedistill.errors import ArtifactError
from edgedistill.evaluate.file_answers import answers_of_files
from edgedistill.evaluate.findings import judge_file
from edgedistill.evaluate.judged import Judged
from edgedistill.evaluate.page import render_evaluation_page
from edgedistill.settings import EvaluateSettings
from tests.calibrate.bundle.model_folder import write_model_folder
from tests.evaluate.photo_folders import CLASSES, SIDE_PX, write_colours
from tests.tflite_files import tiny_int8_model

COLOURS = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
LABELS = np.array([0, 1, 2])
PNG = b"\x89PNG"


def test_only_what_is_there_is_written_and_shown(tmp_path: Path) -> None:
    tflite = write_model_folder(tmp_path / "tflite", CLASSES)
    photos = write_colours(tmp_path / "test", COLOURS, LABELS.tolist())
    answers = answers_of_files(photos, tflite)
    assert list(answers) == ["file"]
    wrong = np.roll(answers["file"], 1, axis=1)
    models = [
        Judged.of(name, logits, LABELS, seed=1)
        for name, logits in (("teacher", wrong), ("student", wrong), ("file", answers["file"]))
    ]
    settings = EvaluateSettings(robustness_photos=0)
    out = tmp_path / "out"
    out.mkdir()
    judge_file(photos, models, tflite, None, settings).write(out, photos)
    assert {p.name for p in out.iterdir()} == {
        "predictions.json", "predictions.csv", "logits.npy", "confusion_matrix.csv",
        "metrics.json", "evaluation.json", "gate.json",
    }  # fmt: skip
    told, metrics = EVALUATION.read(out), METRICS.read(out)
    assert (told["robustness"], told["n_unknown"], told["mistakes"]) == (None, 0, [])
    assert (metrics["top1"], metrics["top1_teacher"]) == (1.0, 0.0)
    assert "robustness_mean_top1" not in metrics
    assert GATE.read(out) == {
        "ship": True, "reasons": [], "min_top1": 0.0, "max_regression": 0.01, "baseline": None,
    }  # fmt: skip
    page = render_evaluation_page(out, PNG)
    assert "The int8 file is right on 100.0% of 3 test photos" in page
    for heading in ("May it ship?", "Damaged photos", "The worst mistakes"):
        assert heading not in page


def test_each_candidate_answers_for_itself_and_equal_ones_are_asked_once(tmp_path: Path) -> None:
    tflite = write_model_folder(tmp_path / "tflite", CLASSES)
    photos = write_colours(tmp_path / "test", COLOURS, LABELS.tolist())
    (tflite / "candidates").mkdir()
    shipped = (tflite / "model_qat_int8.tflite").read_bytes()
    (tflite / "candidates/quantisation_aware.tflite").write_bytes(shipped)
    (tflite / "candidates/post_training.tflite").write_bytes(tiny_int8_model(SIDE_PX, 2))
    answers = answers_of_files(photos, tflite)
    assert list(answers) == ["post_training", "quantisation_aware", "file"]
    assert answers["quantisation_aware"] is answers["file"]
    assert answers["file"].shape == (3, 3)
    assert answers["post_training"].shape == (3, 2)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    photos = write_colours(tmp_path / "test", COLOURS, LABELS.tolist())
    with pytest.raises(ArtifactError, match=r"model_qat_int8\.tflite is missing; did the step"):
        answers_of_files(photos, tmp_path)
