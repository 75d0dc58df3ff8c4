"""The whole step: networks with random weights, and files made by hand, on plain colours."""

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kfp.dsl import HTML, ClassificationMetrics, Dataset, Metrics, Model
from PIL import Image
from scipy.special import softmax
from sklearn.metrics import accuracy_score

from edgedistill.artifacts import EVALUATION, GATE, METRICS, TEACHERS
from edgedistill.errors import ArtifactError, SettingError
from edgedistill.settings import EvaluateSettings
from tests.calibrate.bundle.model_folder import write_model_folder
from tests.evaluate.photo_folders import CLASSES, photo, plain, write_colours, write_packed
from tests.evaluate.test_dashboard import require_shown
from tests.tflite_files import tiny_int8_model

pytestmark = pytest.mark.slow

SIDE_PX = 32
RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)
# Twelve photos; the third red one is green, as a wrong label would have it.
COLOURS = [RED, GREEN, BLUE] * 3 + [RED, RED, GREEN]
LABELS = [0, 1, 2] * 3 + [0, 1, 1]
N_RIGHT = 11
FILES = {
    "predictions.json", "predictions.csv", "logits.npy", "confusion_matrix.csv",
    "confusion_matrix.png", "metrics.json", "evaluation.json", "gate.json",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Everything that steps before may leave, and what the networks among it answer."""

    folder: Path
    predicted: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("inputs")
    write_test_photos(folder / "test")
    write_files(folder)
    return Inputs(folder, write_networks(folder))


def write_test_photos(folder: Path) -> None:
    write_colours(folder, COLOURS, LABELS, SIDE_PX)
    for kind in ("bilinear", "nearest"):
        images = [plain(RED, SIDE_PX), plain(GREEN, SIDE_PX)]
        write_packed(folder / "resized" / kind, images, [photo(0, 0), photo(1, 1)])
    unknown = [photo(0, 0, filepath="odd.jpg", label_name="_unknown")]
    write_packed(folder / "unknown", [plain(BLUE, SIDE_PX)], unknown, label_names=["_unknown"])


def write_files(folder: Path) -> None:
    file = tiny_int8_model(SIDE_PX, 3)
    write_model_folder(folder / "tflite", CLASSES, model=file)
    (folder / "tflite/candidates").mkdir()
    (folder / "tflite/candidates/quantisation_aware.tflite").write_bytes(file)
    other = tiny_int8_model(SIDE_PX, 3, "uint8")
    (folder / "tflite/candidates/post_training.tflite").write_bytes(other)
    # The earlier bundle calls red green and green red: right on the blue photos and the odd one.
    write_model_folder(folder / "earlier", ["green", "red", "blue"], model=file)


def write_networks(folder: Path) -> dict[str, np.ndarray]:
    """One network thrice, each time with another bias, so that each answers otherwise."""
    from edgedistill.tf.networks import NetworkRecord, build, save_network
    from edgedistill.tf.runtime import seed_everything

    seed_everything(1)
    arch = "efficientnet_lite1"
    network = build(arch, SIDE_PX, len(CLASSES))
    record = NetworkRecord(arch, SIDE_PX, CLASSES, "none", [], "0123456789abcdef")
    images = np.stack([plain(c, SIDE_PX) for c in COLOURS]).astype(np.float32)
    logits = np.asarray(network(images, training=False))
    predicted = {}
    for number, (name, place) in enumerate(
        [
            ("student", "student"),
            ("student_without_teacher", "student/without_teacher"),
            ("teacher", f"teacher/{arch}"),
        ]
    ):
        bias = 100 * np.eye(3)[number]
        network.get_layer("logits").bias.assign(bias)
        (folder / place).mkdir(parents=True)
        save_network(network, folder / place, record)
        predicted[name] = (logits + bias).argmax(axis=1)
    TEACHERS.write(folder / "teacher", dict.fromkeys(TEACHERS.keys) | {"archs": [arch]})
    return predicted


def run_component(inputs: Path, out: Path, **changes: Any) -> dict[str, Any]:
    """The step as KFP runs it; gives its artifacts by name."""
    from edgedistill.components import evaluate

    kinds = {
        "test": Dataset, "tflite": Model, "student": Model, "teacher": Model,
        "predictions": Dataset, "metrics": Metrics, "confusion": ClassificationMetrics,
        "roc": ClassificationMetrics, "report": HTML,
    }  # fmt: skip
    taken = ("test", "tflite", "student", "teacher")
    artifacts = {
        name: kind(name, str((inputs if name in taken else out) / name))
        for name, kind in kinds.items()
    }
    settings = dataclasses.asdict(EvaluateSettings.choose(changes))
    evaluate.python_func(**artifacts, **settings)
    return artifacts


@pytest.fixture(scope="module")
def everything(
    inputs: Inputs, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("everything")
    baseline_uri = str(inputs.folder / "earlier")
    return out, run_component(
        inputs.folder, out, robustness_photos=4, min_top1=0.95, baseline_uri=baseline_uri
    )


def test_every_file_of_the_contract_is_written(everything):
    out, _ = everything
    names = {p.relative_to(out / "predictions").as_posix() for p in out.rglob("predictions/**/*")}
    assert names == FILES | {
        "unknown_logits.npy", "unknown.csv", "mistakes", "mistakes/0001.webp",
    }  # fmt: skip


def test_every_model_that_is_there_is_judged_in_order(everything):
    told = EVALUATION.read(everything[0] / "predictions")
    assert [m["name"] for m in told["models"]] == [
        "teacher", "student_without_teacher", "student", "post_training", "quantisation_aware",
        "file",
    ]  # fmt: skip
    figures = {m["name"]: m["top1"] for m in told["models"]}
    assert figures["file"] == figures["quantisation_aware"] == figures["post_training"]
    assert figures["file"] == pytest.approx(N_RIGHT / 12)
    pairs = [(c["from"], c["to"]) for c in told["comparisons"]]
    assert len(pairs) == 7
    assert pairs[-3:] == [
        ("quantisation_aware", "file"), ("teacher", "student"), ("student", "file"),
    ]  # fmt: skip


def test_a_network_is_judged_by_its_own_answers(everything, inputs):
    metrics = METRICS.read(everything[0] / "predictions")
    for name, predicted in inputs.predicted.items():
        assert metrics[f"top1_{name}"] == pytest.approx(accuracy_score(LABELS, predicted))
    # Each says one class throughout: of the labels 4 are red, 5 green and 3 blue.
    assert [metrics[f"top1_{n}"] for n in inputs.predicted] == [4 / 12, 5 / 12, 3 / 12]


def test_figures_are_the_files_own(everything):
    folder = everything[0] / "predictions"
    # The integer of class c is round(mean / 4) + c; 200 gives 50, and a step is 1 / 8.
    levels = {RED: (50, 1, 2), GREEN: (0, 51, 2), BLUE: (0, 1, 52)}
    logits = np.array([levels[c] for c in COLOURS]) / 8
    np.testing.assert_allclose(np.load(folder / "logits.npy"), logits)
    confidence = softmax(logits, axis=1).max(axis=1)
    metrics = METRICS.read(folder)
    assert metrics["n_test"] == 12
    assert metrics["top1"] == pytest.approx(N_RIGHT / 12)
    with (folder / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [r["predicted_index"] for r in rows] == [str(i) for i in logits.argmax(axis=1)]
    assert [float(r["confidence"]) for r in rows] == pytest.approx(confidence, abs=1e-6)
    assert metrics["per_class"]["green"] == {
        "precision": 1.0, "recall": 0.8, "f1": pytest.approx(2 * 0.8 / 1.8), "support": 5,
    }  # fmt: skip
    assert set(metrics["intervals"]) == {
        f"{figure}{suffix}"
        for figure in ("top1", "macro_f1", "ece")
        for suffix in (
            "", "_student", "_teacher", "_student_without_teacher", "_post_training",
            "_quantisation_aware",
        )
    }  # fmt: skip
    assert all(low <= high for low, high in metrics["intervals"].values())


def test_the_mistake_is_shown_with_its_pixels(everything):
    folder = everything[0] / "predictions"
    (mistake,) = EVALUATION.read(folder)["mistakes"]
    assert (mistake["label_name"], mistake["predicted_name"]) == ("green", "red")
    assert mistake["filepath"] == "green/10.jpg"
    with Image.open(folder / mistake["image"]) as picture:
        np.testing.assert_array_equal(np.asarray(picture), plain(RED, SIDE_PX))
    assert EVALUATION.read(folder)["confused_pairs"] == [
        {"true": "green", "predicted": "red", "count": 1}
    ]


def test_damaged_and_unknown_photos_are_asked_about(everything):
    folder = everything[0] / "predictions"
    told = EVALUATION.read(folder)
    assert told["n_unknown"] == 1
    assert np.load(folder / "unknown_logits.npy").tolist() == [[0, 1 / 8, 52 / 8]]
    with (folder / "unknown.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["filepath"], row["predicted_name"]) == ("odd.jpg", "blue")
    robustness = told["robustness"]
    assert robustness["n_photos"] == 4
    assert [(d["name"], d["n_photos"]) for d in robustness["damages"][-3:]] == [
        ("crop", 4), ("plain resize", 2), ("plain resize", 2),
    ]  # fmt: skip
    assert METRICS.read(folder)["robustness_mean_top1"] == robustness["mean_top1"]


def test_the_gate_is_held_against_accuracy_and_the_earlier_bundle(everything):
    gate = GATE.read(everything[0] / "predictions")
    assert not gate["ship"]
    (reason,) = gate["reasons"]
    assert reason.startswith("The file is right on 91.67% of 12 test photos")
    # Red and green change places: right on the three blue photos and the one with a wrong label.
    assert gate["baseline"]["top1"] == pytest.approx(4 / 12)
    assert gate["baseline"]["difference"] == pytest.approx(7 / 12)


def test_the_dashboard_shows_metrics_matrix_and_curve(everything):
    _, artifacts = everything
    require_shown(artifacts["metrics"], artifacts["confusion"], artifacts["roc"])
    assert artifacts["metrics"].metadata["ship"] == 0.0
    assert artifacts["metrics"].metadata["top1"] == pytest.approx(N_RIGHT / 12)


def test_the_page_tells_the_verdict_and_is_one_small_file(everything):
    page = (everything[0] / "report").read_text(encoding="utf-8")
    assert len(page) < 2_000_000
    assert "Do not ship" in page
    assert "The int8 file is right on 91.7% of 12 test photos" in page
    assert "green, taken for red with" in page
    assert "data:image/webp;base64," in page
    assert 'src="http' not in page
    for heading in ("May it ship?", "From the teacher to the file", "Damaged photos"):
        assert f"<h2>{heading}</h2>" in page


def test_what_does_not_fit_is_told_before_any_network_is_asked(inputs, tmp_path):
    write_model_folder(tmp_path / "small", CLASSES)  # for images of 16 px
    with pytest.raises(SettingError, match="takes 16 px"):
        run_component(inputs.folder, tmp_path, baseline_uri=str(tmp_path / "small"))
    write_model_folder(tmp_path / "tflite", CLASSES)
    path = tmp_path / "tflite/quantization.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"data_digest": "other"}))
    for name in ("test", "student", "teacher"):
        (tmp_path / name).symlink_to(inputs.folder / name)
    with pytest.raises(ArtifactError, match="comes from another split"):
        run_component(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out/predictions").exists()
