"""What a run is held against, and what is said of it, on small documents of every kind."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from edgedistill.artifacts import (
    DATASET_MANIFEST,
    MODEL_FILE,
    NETWORK,
    PACKED_DATASET,
    RUN_METADATA,
    TEACHERS,
    TRAINING_CONFIG,
)
from edgedistill.declaration import Value
from edgedistill.errors import ArtifactError, EdgedistillError, SettingError, StorageError
from edgedistill.presets import resolve
from edgedistill.run_metadata import environment
from edgedistill.verification import Comparison, Judged, RecordedRun, work_beside

MODEL = b"an int8 file"
STEPS = ("scan", "split", "teacher", "distiller", "qat_export")
DIGESTS = {
    "data": "photos",
    "split": "parts",
    "teacher": hashlib.sha256(b"resnet101 t1\nefficientnet_b3 t2\n").hexdigest(),
    "student": "s",
    "file": hashlib.sha256(MODEL).hexdigest(),
}


def write_network(folder: Path, weights_sha256: str) -> None:
    folder.mkdir(parents=True)
    NETWORK.write(folder, {
        "arch": "any", "img_size_px": 32, "label_names": ["cup", "mug"], "weights": "imagenet",
        "weights_sha256": weights_sha256, "history": [], "data_digest": "d",
    })  # fmt: skip


def write_teachers(folder: Path, weights: Mapping[str, str]) -> None:
    folder.mkdir(parents=True)
    TEACHERS.write(
        folder, {"archs": list(weights), "val_accuracy": 0.5, "val_loss": 0.6, "label_review": {}}
    )
    for arch, digest in weights.items():
        write_network(folder / arch, digest)


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    """A folder a step, as a run leaves them, whose digests are `DIGESTS`."""
    folder = tmp_path / "steps"
    for step, output in (("scan", "catalog"), ("split", "train"), ("qat_export", "tflite")):
        (folder / step / output).mkdir(parents=True)
    DATASET_MANIFEST.write(folder / "scan" / "catalog", {
        **dict.fromkeys(DATASET_MANIFEST.keys), "digest": "photos",
    })  # fmt: skip
    PACKED_DATASET.write(folder / "split" / "train", {
        **dict.fromkeys(PACKED_DATASET.keys), "digest": "of train", "split_digest": "parts",
    })  # fmt: skip
    write_teachers(folder / "teacher" / "model", {"resnet101": "t1", "efficientnet_b3": "t2"})
    write_network(folder / "distiller" / "model", "s")
    (folder / "qat_export" / "tflite" / MODEL_FILE).write_bytes(MODEL)
    return folder


def repeated(steps: Path, recorded: Mapping[str, str]) -> tuple[Comparison, list[str]]:
    """The steps told of in order until the verdict is known, and those that were."""
    comparison = Comparison(recorded)
    for number, step in enumerate(STEPS, start=1):
        try:
            comparison.step_done(step, steps / step)
        except Judged:
            return comparison, list(STEPS[:number])
    raise AssertionError("no verdict")


def test_a_run_whose_digests_all_come_again_was_repeated(steps: Path) -> None:
    comparison, told = repeated(steps, DIGESTS)
    assert told == list(STEPS)  # evaluate and calibrate are not waited for
    assert comparison.agrees
    assert comparison.first_difference is None
    assert comparison.lines(Path("/runs/out")) == [
        "data      same", "split     same", "teacher   same", "student   same", "file      same",
        "/runs/out was repeated: model_qat_int8.tflite came out the same, byte for byte.",
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(5))
def test_the_first_difference_ends_the_repetition(steps: Path, number: int) -> None:
    part = list(DIGESTS)[number]
    comparison, told = repeated(steps, {**DIGESTS, part: "another"})
    assert told == list(STEPS[: number + 1])
    assert not comparison.agrees
    assert comparison.first_difference == part
    *table, verdict = comparison.lines(Path("/runs/out"))
    words = ["same"] * number + ["differs"] + ["not reached"] * (4 - number)
    assert [line.split(maxsplit=1) for line in table] == [
        [name, word] for name, word in zip(DIGESTS, words, strict=True)
    ]
    assert verdict.startswith(
        f"/runs/out was not repeated; the first difference is in the {part}: "
    )


def test_a_run_of_which_the_file_is_not_there_yet_was_not_repeated(steps: Path) -> None:
    comparison = Comparison(DIGESTS)
    for step in STEPS[:4]:
        comparison.step_done(step, steps / step)
    assert comparison.first_difference is None
    assert not comparison.agrees


@pytest.mark.parametrize(
    "weights",
    [
        {"resnet101": "t1", "efficientnet_b3": "other"},
        {"efficientnet_b3": "t2", "resnet101": "t1"},
        {"resnet101": "t1"},
    ],
)
def test_one_other_teacher_of_several_is_a_difference(
    steps: Path, tmp_path: Path, weights: dict[str, str]
) -> None:
    write_teachers(tmp_path / "other" / "teacher" / "model", weights)
    comparison = Comparison(DIGESTS)
    with pytest.raises(Judged):
        comparison.step_done("teacher", tmp_path / "other" / "teacher")
    assert comparison.first_difference == "teacher"


def test_a_step_without_its_file_is_no_difference_but_an_error(steps: Path) -> None:
    (steps / "qat_export" / "tflite" / MODEL_FILE).unlink()
    with pytest.raises(ArtifactError, match=r"model_qat_int8\.tflite is missing"):
        Comparison(DIGESTS).step_done("qat_export", steps / "qat_export")


@pytest.fixture
def settings() -> dict[str, Value]:
    return resolve({
        "data_dir": "/photos", "seed": 7, "checkpoint_uri": "gs://states/a",
        "export_uri": "gs://shelf",
    })  # fmt: skip


@pytest.fixture
def out(tmp_path: Path, settings: dict[str, Value]) -> Path:
    """The folder of a run that was made here, with 3 threads."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / MODEL_FILE).write_bytes(MODEL)
    TRAINING_CONFIG.write(folder, {"settings": settings})
    RUN_METADATA.write(folder, {
        **dict.fromkeys(RUN_METADATA.keys), **environment(), "compute_threads": 3,
        "digests": DIGESTS,
    })  # fmt: skip
    return folder


def change(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, **changes}), encoding="utf-8")


def test_a_run_is_read_back_as_it_was_written(out: Path, settings: dict[str, Value]) -> None:
    recorded = RecordedRun.read(out)
    assert recorded.settings == settings
    assert recorded.digests == DIGESTS
    assert recorded.other_environment() == []
    assert recorded.heading(Path("/runs/out.verify-1")) == [
        f"Repeats the run of {out} from nothing, with 3 compute threads, in /runs/out.verify-1"
    ]


def test_a_repetition_takes_the_recorded_threads_and_writes_nowhere_else(
    out: Path, settings: dict[str, Value]
) -> None:
    again = RecordedRun.read(out).settings_again(None)
    changed = {name: value for name, value in again.items() if value != settings[name]}
    assert changed == {"compute_threads": 3, "checkpoint_uri": "", "export_uri": ""}
    assert RecordedRun.read(out).settings_again("/moved")["data_dir"] == "/moved"


@pytest.mark.parametrize("inside", ["", "out/photos"])
def test_photos_around_or_within_the_run_are_refused(
    out: Path, tmp_path: Path, inside: str
) -> None:
    with pytest.raises(SettingError, match="must not lie inside each other"):
        RecordedRun.read(out).settings_again(str(tmp_path / inside))


def test_what_may_explain_a_difference_is_named_with_what_it_was(out: Path) -> None:
    here = environment()
    then = {
        "machine": {**here["machine"], "processor": "Z80", "memory_bytes": 1, "n_cpus": 1000},
        "packages": {**here["packages"], "numpy": "1.0", "theano": "0.9"},
        "git_revision": None,
    }
    change(out / RUN_METADATA.name, **then)
    revision = here["git_revision"] or "unknown"
    expected = [
        f"numpy {here['packages']['numpy']}, was 1.0",
        f"processor {here['machine']['processor']}, was Z80",
        *([f"git revision {revision}, was unknown"] if revision != "unknown" else []),
        "theano absent, was 0.9",
    ]
    recorded = RecordedRun.read(out)
    assert recorded.other_environment() == expected
    _, second = recorded.heading(Path("work"))
    assert second == f"Not as in that run, if it should differ: {'; '.join(expected)}."


@pytest.mark.parametrize("name", [TRAINING_CONFIG.name, RUN_METADATA.name])
def test_a_folder_without_a_run_is_refused(out: Path, name: str) -> None:
    (out / name).unlink()
    with pytest.raises(SettingError, match="needs the output folder of a finished run"):
        RecordedRun.read(out)


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        (RUN_METADATA.name, {"version": 1}, "run_metadata.json must have version 2; got 1."),
        (RUN_METADATA.name, {"digests": {"data": "d"}}, "run_metadata.json is damaged"),
        (RUN_METADATA.name, {"digests": {**DIGESTS, "data": 5}}, "damaged: its digests."),
        (RUN_METADATA.name, {"digests": {**DIGESTS, "file": "f"}}, "it was changed since"),
        (RUN_METADATA.name, {"machine": None}, "run_metadata.json is damaged: its machine."),
        (RUN_METADATA.name, {"machine": {"gpus": "none"}}, "is damaged: its machine."),
        (RUN_METADATA.name, {"packages": []}, "run_metadata.json is damaged: its packages."),
        (RUN_METADATA.name, {"packages": {"numpy": 2}}, "damaged: its packages."),
        (RUN_METADATA.name, {"compute_threads": None}, "damaged: its compute_threads."),
        (TRAINING_CONFIG.name, {"settings": {"seed": 7, "epochs": 3}}, "another version of edged"),
        (TRAINING_CONFIG.name, {"settings": []}, "another version of edgedistill"),
    ],
)
def test_what_another_version_wrote_or_somebody_changed_cannot_be_judged(
    out: Path, name: str, changes: dict[str, Any], sentence: str
) -> None:
    change(out / name, **changes)
    with pytest.raises(EdgedistillError, match=sentence):
        RecordedRun.read(out)


def test_a_run_whose_file_is_gone_or_was_changed_cannot_be_judged(out: Path) -> None:
    (out / MODEL_FILE).write_bytes(MODEL + b"\0")
    with pytest.raises(ArtifactError, match="it was changed since"):
        RecordedRun.read(out)
    (out / MODEL_FILE).unlink()
    with pytest.raises(ArtifactError, match="is missing"):
        RecordedRun.read(out)


@pytest.mark.parametrize("keep", [True, False])
def test_the_steps_lie_beside_the_run_and_go_unless_they_are_to_be_kept(
    out: Path, keep: bool
) -> None:
    with suppress(KeyboardInterrupt), work_beside(out, keep=keep) as work:
        assert work.parent == out.parent
        assert work.name.startswith("out.verify-")
        (work / "scan").mkdir()
        raise KeyboardInterrupt
    assert (work / "scan").is_dir() == keep
    assert work.exists() == keep


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(StorageError, match=r"gone cannot be written: No such file"),
        work_beside(tmp_path / "gone" / "out", keep=False),
    ):
        pass
