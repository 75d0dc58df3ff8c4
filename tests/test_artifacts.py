import json
from pathlib import Path

import pytest

from edgedistill.artifacts import (
    OUTPUT_FILES,
    TRAINING_CONFIG,
    JsonFile,
    complete_folder,
    log_metrics,
    read_labels,
    write_file,
    write_labels,
)
from edgedistill.errors import ArtifactError

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
        "model_qat_int8.tflite", "labels.txt", "model_metadata.json",
        "threshold_recommendation.json", "metrics.json", "confusion_matrix.png",
        "confusion_matrix.csv", "threshold_curve.csv", "threshold_analysis.png",
        "reliability_diagram.png", "confidence_histogram.png", "report.html",
        "training_config.json", "run_metadata.json", "dataset_manifest.json", "train.csv",
        "val.csv", "test.csv", "bad_files.txt", "training.log",
    }  # fmt: skip
    assert len(OUTPUT_FILES) == len(set(OUTPUT_FILES)) == 20
    assert TRAINING_CONFIG.keys == {"settings"}


def test_a_folder_appears_only_when_it_is_complete(tmp_path):
    target = tmp_path / "sub" / "out"
    with complete_folder(target) as folder:
        (folder / "a.txt").write_text("a")
        assert not target.exists()
    assert (target / "a.txt").read_text() == "a"
    assert list(target.parent.iterdir()) == [target]


def test_after_an_error_nothing_is_left(tmp_path):
    def stop_half_way() -> None:
        with complete_folder(tmp_path / "out") as folder:
            (folder / "a.txt").write_text("a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_replaced_and_a_full_one_kept(tmp_path):
    (tmp_path / "out").mkdir()
    with complete_folder(tmp_path / "out") as folder:
        (folder / "a.txt").write_text("a")
    with pytest.raises(ArtifactError, match="exists already"), complete_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out" / "a.txt").read_text() == "a"


def test_a_file_in_the_folders_place_is_kept(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ArtifactError, match="exists already"), complete_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out").read_text() == "mine"


def test_others_may_read_a_complete_folder(tmp_path):
    plain = tmp_path / "plain"
    plain.mkdir()
    with complete_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out").stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("content", ["Tür", "Tür".encode()])
def test_a_report_is_written_as_utf8_and_replaces_an_older_one(tmp_path, content):
    path = tmp_path / "sub" / "report.html"
    write_file(path, "old")
    write_file(path, content)
    assert path.read_bytes() == "Tür".encode()
    assert list(path.parent.iterdir()) == [path]


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
