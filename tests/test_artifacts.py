import json
from pathlib import Path

import pytest

from edgedistill.artifacts import (
    NETWORK,
    OUTPUT_FILES,
    QUANTIZATION,
    TRAINING_CONFIG,
    log_metrics,
    read_labels,
    write_labels,
)
from edgedistill.errors import ArtifactError
from edgedistill.json_file import JsonFile

NOTE = JsonFile("note.json", 2, frozenset({"text", "value"}))


def test_a_document_comes_back_as_it_was_written(tmp_path):
    content = {"text": "Tür", "value": [1, 2.5, None, True]}
    path = NOTE.write(tmp_path, content)
    assert NOTE.read(tmp_path) == content
    assert json.loads(path.read_text(encoding="utf-8"))["version"] == 2
    assert "Tür" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "is missing; did the step before this one finish?"),
        ("{", "cannot be read"),
        ("[]", "must hold a JSON object; got list"),
        ('{"text": 1, "value": 2}', "must have version 2; got None"),
        ('{"text": 1, "value": 2, "version": 1}', "must have version 2; got 1"),
        ('{"text": 1, "version": 2}', "has missing or unknown keys: value"),
        ('{"text": 1, "value": 2, "more": 3, "version": 2}', "missing or unknown keys: more"),
    ],
)
def test_a_document_that_is_not_what_was_declared_is_told_with_its_path(tmp_path, text, sentence):
    if text is not None:
        (tmp_path / "note.json").write_text(text)
    with pytest.raises(ArtifactError) as caught:
        NOTE.read(tmp_path)
    assert sentence in str(caught.value)
    assert str(tmp_path / "note.json") in str(caught.value)


@pytest.mark.parametrize(
    "content", [{"text": 1}, {"text": 1, "value": 2, "x": 3}, {"text": 1, "value": float("nan")}]
)
def test_a_document_with_other_keys_or_nan_is_not_written(tmp_path, content):
    with pytest.raises(ValueError, match=r"keys|JSON compliant"):
        NOTE.write(tmp_path, content)


def test_the_output_folder_has_the_names_that_were_promised():
    assert set(OUTPUT_FILES) == {
        "model_qat_int8.tflite", "model_tasks.tflite", "bundle.zip", "performance.json",
        "quantization.json",
        "labels.txt", "model_metadata.json",
        "threshold_recommendation.json", "metrics.json", "evaluation.json", "gate.json",
        "predictions.csv", "label_review.csv", "confusion_matrix.png",
        "confusion_matrix.csv", "threshold_curve.csv", "threshold_analysis.png",
        "reliability_diagram.png", "confidence_histogram.png", "report.html",
        "training_config.json", "run_metadata.json", "dataset_manifest.json", "train.csv",
        "val.csv", "test.csv", "bad_files.txt", "findings.csv",
        "scan_report.html", "training.log",
    }  # fmt: skip
    assert len(OUTPUT_FILES) == len(set(OUTPUT_FILES)) == 30
    assert TRAINING_CONFIG.keys == {"settings"}


@pytest.mark.parametrize("document", [NETWORK, QUANTIZATION])
def test_a_history_of_an_earlier_version_is_refused(tmp_path, document):
    # Rows of version 2 had neither the parts of the loss nor the speed, which pages now show.
    (tmp_path / document.name).write_text('{"version": 2, "history": []}')
    with pytest.raises(ArtifactError, match="must have version 3; got 2"):
        document.read(tmp_path)


def test_labels_come_back_in_their_order(tmp_path):
    names = ["b", "a", "Tür", "with space"]
    write_labels(tmp_path, names)
    assert (tmp_path / "labels.txt").read_bytes() == "b\na\nTür\nwith space\n".encode()
    assert read_labels(tmp_path) == names


def test_missing_labels_are_told(tmp_path):
    with pytest.raises(ArtifactError, match=r"labels\.txt is missing"):
        read_labels(tmp_path)


class Metrics:
    def __init__(self) -> None:
        self.logged: dict[str, float] = {}

    def log_metric(self, metric: str, value: float) -> None:
        self.logged[metric] = value


def test_metrics_are_logged_as_floats():
    metrics = Metrics()
    log_metrics(metrics, {"n_photos": 3, "top1": 0.5})
    assert metrics.logged == {"n_photos": 3.0, "top1": 0.5}
    assert type(metrics.logged["n_photos"]) is float


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_a_metric_that_is_not_finite_is_refused(odd):
    with pytest.raises(ValueError, match="top1 must be finite"):
        log_metrics(Metrics(), {"top1": odd})


def test_written_files_lie_where_they_were_asked_for(tmp_path):
    assert NOTE.write(tmp_path, {"text": 1, "value": 2}) == Path(tmp_path / "note.json")
