"""The output folder of a run whose steps wrote small files of every kind."""

import csv
import hashlib
import io
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from edgedistill.artifacts import (
    BAD_FILES,
    BUNDLE_ZIP,
    CONFIDENCE_PNG,
    CONFUSION_CSV,
    CONFUSION_PNG,
    DATASET_MANIFEST,
    EVALUATION,
    FINDINGS_CSV,
    GATE,
    LABEL_REVIEW_CSV,
    LABELS_FILE,
    METRICS,
    MISTAKES_FOLDER,
    MODEL_FILE,
    MODEL_METADATA,
    NETWORK,
    OUTPUT_FILES,
    PACKED_DATASET,
    PERFORMANCE,
    PHOTOS_CSV,
    PREDICTIONS_CSV,
    QUANTIZATION,
    RELIABILITY_PNG,
    RUN_METADATA,
    SPLITS,
    TASKS_FILE,
    TEACHERS,
    TENSORBOARD_FOLDER,
    THRESHOLD,
    THRESHOLD_CURVE_CSV,
    THRESHOLD_PNG,
    TRAINING_CONFIG,
    TRAINING_LOG,
)
from edgedistill.datasets import COLUMNS, Photo, write_photos
from edgedistill.declaration import Value
from edgedistill.errors import ArtifactError
from edgedistill.machine import available_cores
from edgedistill.outputs import collect, may_ship
from edgedistill.presets import resolve
from edgedistill.runs import STEP_LOG, STEP_RECORD, FinishedRun, FinishedStep
from edgedistill.settings import STEP_SETTINGS
from edgedistill.teacher.label_review import REVIEW_COLUMNS
from tests import example_documents
from tests.calibrate.bundle.model_folder import threshold_document
from tests.report.example_run import example_run

STARTED = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
PRODUCERS = {
    "catalog": "scan", "scan_report": "scan", "train": "split", "val": "split", "test": "split",
    "calib": "split",
    "teacher": "teacher", "student": "distiller", "tflite": "qat_export",
    "predictions": "evaluate", "bundle": "calibrate",
}  # fmt: skip
ROW = {
    "stage": "network", "epoch": 1, "loss": 0.5, "train_accuracy": 0.75, "val_loss": 0.6,
    "hard_loss": 0.5, "distillation_loss": 0.0, "images_per_s": 20.0, "input_wait_share": 0.0,
    "photos_at_once": 32,
    "val_accuracy": 0.5, "lr": 0.001, "seconds": 2.0,
}  # fmt: skip
MODEL = b"\0" * 1_500_000
PER_CLASS = {"precision": 0.75, "recall": 0.75, "f1": 0.75, "support": 2}


def picture() -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (4, 3), (200, 30, 30)).save(held, "PNG")
    return held.getvalue()


def write_catalog(folder: Path) -> None:
    DATASET_MANIFEST.write(folder, {
        "data_dir": "/photos", "n_photos": 10, "n_bad_files": 1,
        "classes": {"cup": 5, "mug": 5}, "splits": {}, "findings": {"bad file": 1},
        "sizes_px": {"student": 32, "teacher": [32]}, "digest": "d",
    })  # fmt: skip
    (folder / BAD_FILES).write_text("cup/broken.jpg\ttruncated\n", encoding="utf-8")
    (folder / FINDINGS_CSV).write_text("kind,filepath\nbad file,cup/broken.jpg\n", encoding="utf-8")


def write_split(folder: Path, n_photos: int) -> None:
    photos = [Photo(f"cup/{n},\n.jpg", 0, "cup", 40, 30, "a" * 64) for n in range(n_photos)]
    write_photos(folder / PHOTOS_CSV, photos)
    PACKED_DATASET.write(folder, {
        "n_photos": n_photos, "student_px": 32, "teacher_sizes_px": [32], "digest": folder.name,
        "split_digest": "of all parts", "sha256": {},
    })  # fmt: skip


def write_network(folder: Path, arch: str) -> None:
    folder.mkdir(exist_ok=True)
    NETWORK.write(folder, {
        "arch": arch, "img_size_px": 32, "label_names": ["cup", "mug"], "weights": "imagenet",
        "weights_sha256": "0" * 64, "history": [ROW], "data_digest": "d",
    })  # fmt: skip


def write_curves(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "events").write_bytes(b"events")


def write_teachers(folder: Path, *archs: str) -> None:
    review = example_run(2).together["label_review"]
    TEACHERS.write(
        folder, {"archs": archs, "val_accuracy": 0.5, "val_loss": 0.6, "label_review": review}
    )
    with (folder / LABEL_REVIEW_CSV).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerow((*COLUMNS, *REVIEW_COLUMNS))
    for arch in archs:
        write_network(folder / arch, arch)
        write_curves(folder / TENSORBOARD_FOLDER / arch)


def write_tflite(folder: Path) -> None:
    QUANTIZATION.write(folder, example_documents.quantization(history=[ROW]))
    PERFORMANCE.write(folder, example_documents.performance())
    (folder / MODEL_FILE).write_bytes(MODEL)


def write_predictions(folder: Path) -> None:
    facts = example_run(2)
    headline = {"top1": 0.75, "n_test": 4, "top1_student": 0.8}
    intervals = {**facts.metrics["intervals"], "top1": [0.3006, 0.9544]}
    METRICS.write(folder, {**facts.metrics, **headline, "intervals": intervals})
    EVALUATION.write(folder, facts.evaluation)
    GATE.write(folder, facts.gate)
    (folder / MISTAKES_FOLDER).mkdir()
    for name, data in facts.mistakes.items():
        (folder / MISTAKES_FOLDER / name).write_bytes(data)
    (folder / PREDICTIONS_CSV).write_text("filepath,predicted_name\n", encoding="utf-8")
    rows = "".join(f"x,{','.join(map(str, row))}\n" for row in facts.confusion)
    (folder / CONFUSION_CSV).write_text(f",cup,mug\n{rows}", encoding="utf-8")
    (folder / CONFUSION_PNG).write_bytes(picture())


def write_bundle(folder: Path) -> None:
    quantization = {"scale": 1.0, "zero_point": -128}
    side = {"width": 32, "height": 32, "channels": 3, "color_space": "RGB"}
    (folder / MODEL_FILE).write_bytes(MODEL)
    (folder / TASKS_FILE).write_bytes(b"tasks")
    (folder / BUNDLE_ZIP).write_bytes(b"zip")
    (folder / LABELS_FILE).write_text("cup\nmug\n", encoding="utf-8")
    MODEL_METADATA.write(folder, {
        "model_file": MODEL_FILE, "labels_file": LABELS_FILE,
        "input": {**side, "dtype": "int8", "quantization": quantization},
        "preprocess": {"letterbox": True, "keep_aspect_ratio": True, "pad_color_rgb": [0, 0, 0],
                       "interpolation": "bilinear", "resize_rule": "..."},
        "output": {"dtype": "int8", "quantization": quantization, "is_logits": True,
                   "softmax_in_model": False},
        "tasks_model": {}, "multiply_adds": 1, "estimated_latency": {},
        "quantization_method": "quantisation-aware training", "size_bytes": 1_500_000,
        "sha256": "0" * 64,
    })  # fmt: skip
    THRESHOLD.write(folder, threshold_document(
        recommended_threshold=0.42, calibration_notes="Show the answer at 0.42.",
        achieved_accept_accuracy=0.96, achieved_coverage=0.875, n_val=8,
        test_accept_accuracy=1.0, test_coverage=0.75, n_test=4,
    ))  # fmt: skip
    with (folder / THRESHOLD_CURVE_CSV).open("w", encoding="utf-8", newline="") as file:
        rows = example_run(2).curve
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    for name in (THRESHOLD_PNG, RELIABILITY_PNG, CONFIDENCE_PNG):
        (folder / name).write_bytes(picture())


def tell_kfp(bundle: Path, metadata: dict[str, str]) -> None:
    """What KFP writes when calibrate ends; seen in a run of its own: tests/test_local_run.py."""
    entry = {"name": "bundle", "uri": str(bundle), "metadata": metadata}
    told = json.dumps({"artifacts": {"bundle": {"artifacts": [entry]}}})
    (bundle.parent / "executor_output.json").write_text(told, encoding="utf-8")


@pytest.fixture
def run(tmp_path: Path) -> FinishedRun:
    """Steps that took 1, 2, ... 7 seconds; scan and split are of an earlier run."""
    work = tmp_path / "out.work"
    steps = []
    for number, step in enumerate(STEP_SETTINGS, start=1):
        folder = work / "edgedistill-1" / step
        folder.mkdir(parents=True)
        (folder / STEP_LOG).write_text(f"12:00:0{number} {step} ünder way\n", encoding="utf-8")
        record = {"step": step, "started_utc": "2026-03-01T11:59:00", "seconds": float(number)}
        STEP_RECORD.write(folder, record)
        steps.append(FinishedStep(step, folder, reused=number <= 2))
    places = {name: work / "edgedistill-1" / step / name for name, step in PRODUCERS.items()}
    for name, place in places.items():
        if name == "scan_report":
            place.write_text("<h1>Photos</h1>", encoding="utf-8")
        else:
            place.mkdir()
    write_catalog(places["catalog"])
    for split, n_photos in zip((*SPLITS, "calib"), (8, 1, 1, 1), strict=True):
        write_split(places[split], n_photos)
    write_teachers(places["teacher"], "efficientnet_lite2", "resnet101")
    write_network(places["student"], "efficientnet_lite1")
    write_curves(places["student"] / TENSORBOARD_FOLDER)
    write_tflite(places["tflite"])
    write_predictions(places["predictions"])
    write_bundle(places["bundle"])
    tell_kfp(places["bundle"], {})
    return FinishedRun(places, steps)


@pytest.fixture
def settings() -> dict[str, Value]:
    return resolve({"data_dir": "/photos", "seed": 7})


@pytest.fixture
def out(tmp_path: Path, run: FinishedRun, settings: dict[str, Value]) -> Path:
    collect(run, tmp_path / "out", settings, STARTED)
    return tmp_path / "out"


def test_every_promised_file_is_there_and_none_besides(out: Path) -> None:
    assert {p.name for p in out.iterdir()} == {*OUTPUT_FILES, TENSORBOARD_FOLDER}


def test_a_split_is_the_table_that_its_step_wrote(out: Path, run: FinishedRun) -> None:
    assert (out / "val.csv").read_bytes() == (run.artifacts["val"] / PHOTOS_CSV).read_bytes()
    header = (out / "train.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header.startswith("filepath,label_index,label_name,")


def test_the_log_has_every_step_under_a_heading(out: Path) -> None:
    log = (out / TRAINING_LOG).read_text(encoding="utf-8")
    assert log.startswith(
        "[1/7] scan: reused from an earlier run, which took 1.0 s\n12:00:01 scan ünder way\n"
    )
    assert "\n[3/7] teacher: took 3.0 s\n12:00:03 teacher ünder way\n" in log


def test_the_run_can_be_traced(out: Path) -> None:
    found = RUN_METADATA.read(out)
    assert found["started_utc"] == "2026-03-01T12:00:00+00:00"
    assert datetime.fromisoformat(found["finished_utc"]) > STARTED
    assert found["seed"] == 7
    assert found["counts"] == {
        "photos": 10, "bad_files": 1, "classes": 2, "train": 8, "val": 1, "test": 1,
    }  # fmt: skip
    assert found["seconds"] == {step: n for n, step in enumerate(STEP_SETTINGS, start=1)}
    assert found["reused_steps"] == ["scan", "split"]
    assert found["machine"]["n_cpus"] == os.cpu_count()
    assert found["packages"]["numpy"]


def test_what_a_repetition_must_give_is_written_down(out: Path, run: FinishedRun) -> None:
    found = RUN_METADATA.read(out)
    teachers = f"efficientnet_lite2 {'0' * 64}\nresnet101 {'0' * 64}\n"
    assert found["digests"] == {
        "data": "d", "split": "of all parts", "student": "0" * 64,
        "teacher": hashlib.sha256(teachers.encode()).hexdigest(),
        "file": hashlib.sha256(MODEL).hexdigest(),
    }  # fmt: skip


def test_the_number_of_compute_threads_is_a_number_also_where_it_was_left_open(
    out: Path, tmp_path: Path, run: FinishedRun, settings: dict[str, Value]
) -> None:
    assert settings["compute_threads"] == 0
    assert RUN_METADATA.read(out)["compute_threads"] == available_cores()
    collect(run, tmp_path / "given", {**settings, "compute_threads": 3}, STARTED)
    assert RUN_METADATA.read(tmp_path / "given")["compute_threads"] == 3


def test_every_setting_is_written_down(out: Path, settings: dict[str, Value]) -> None:
    assert TRAINING_CONFIG.read(out) == {"settings": settings}


def test_curves_lie_by_training(out: Path) -> None:
    found = {str(p.relative_to(out)) for p in (out / TENSORBOARD_FOLDER).rglob("events")}
    assert found == {
        "tensorboard/teacher/efficientnet_lite2/events",
        "tensorboard/teacher/resnet101/events",
        "tensorboard/student/events",
    }


def test_the_report_is_one_page_of_this_run(out: Path) -> None:
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.lstrip().lower().startswith("<!doctype html")
    assert "75.0" in page
    assert "Training of the teacher (efficientnet_lite2)" in page
    assert "Training of the teacher (resnet101)" in page


def test_the_summary_has_four_lines(
    tmp_path: Path, run: FinishedRun, settings: dict[str, Value]
) -> None:
    assert collect(run, tmp_path / "out", settings, STARTED) == [
        "int8 file      75.0% of 4 test photos right (30.1% to 95.4%)",
        "float student  80.0%",
        "threshold      0.42 answers 87.5% of validation photos, 96.0% of them right",
        "size           1.5 MB, model_qat_int8.tflite",
    ]


def test_where_the_bundle_was_put_is_a_fifth_line(
    tmp_path: Path, run: FinishedRun, settings: dict[str, Value]
) -> None:
    address = "gs://shelf/größe/edgedistill-1-0123456789ab.zip"
    tell_kfp(run.artifacts["bundle"], {"exported_to": address})
    lines = collect(run, tmp_path / "out", settings, STARTED)
    assert lines[4:] == [f"exported       {address}"]


def test_a_model_that_must_not_ship_has_no_bundle_and_its_reason_in_the_summary(
    tmp_path: Path, run: FinishedRun, settings: dict[str, Value]
) -> None:
    held = {**GATE.read(run.artifacts["predictions"]), "ship": False, "reasons": ["Too weak."]}
    GATE.write(run.artifacts["predictions"], held)
    (run.artifacts["bundle"] / BUNDLE_ZIP).unlink()
    lines = collect(run, tmp_path / "out", settings, STARTED)
    assert lines[4:] == ["do not ship    Too weak."]
    assert not may_ship(tmp_path / "out")
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {*OUTPUT_FILES, TENSORBOARD_FOLDER} - {BUNDLE_ZIP}


def test_photos_set_aside_for_the_threshold_have_a_table(
    tmp_path: Path, run: FinishedRun, settings: dict[str, Value], out: Path
) -> None:
    assert not (out / "calib.csv").exists()
    collect(run, tmp_path / "more", {**settings, "calib_frac": 0.1}, STARTED)
    table = (tmp_path / "more" / "calib.csv").read_bytes()
    assert table == (run.artifacts["calib"] / PHOTOS_CSV).read_bytes()
    assert RUN_METADATA.read(tmp_path / "more")["counts"]["calib"] == 1


def test_the_label_review_holds_the_parts_that_the_teacher_does_not_judge_too(out: Path) -> None:
    with (out / LABEL_REVIEW_CSV).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with (out / "test.csv").open(encoding="utf-8", newline="") as file:
        test_rows = list(csv.DictReader(file))
    assert rows == [{**row, **dict.fromkeys(REVIEW_COLUMNS, "")} for row in test_rows]


def test_a_run_of_which_kfp_told_nothing_is_no_run(
    tmp_path: Path, run: FinishedRun, settings: dict[str, Value]
) -> None:
    (run.artifacts["bundle"].parent / "executor_output.json").unlink()
    with pytest.raises(ArtifactError, match=r"executor_output\.json is missing; did its step"):
        collect(run, tmp_path / "out", settings, STARTED)


def test_a_threshold_that_answers_nothing_has_a_summary_too(
    tmp_path: Path, run: FinishedRun, settings: dict[str, Value]
) -> None:
    found = THRESHOLD.read(run.artifacts["bundle"])
    nothing = {**found, "achieved_coverage": 0.0, "achieved_accept_accuracy": None}
    THRESHOLD.write(run.artifacts["bundle"], nothing)
    lines = collect(run, tmp_path / "out", settings, STARTED)
    assert lines[2].endswith("0.42 answers 0.0% of validation photos, none of them right")


def test_a_step_that_left_a_file_out_leaves_the_earlier_run(
    out: Path, run: FinishedRun, settings: dict[str, Value]
) -> None:
    (run.artifacts["bundle"] / THRESHOLD_PNG).unlink()
    before = {p.name: p.stat().st_mtime_ns for p in out.iterdir()}
    with pytest.raises(ArtifactError, match="is missing; did its step finish"):
        collect(run, out, {**settings, "seed": 8}, STARTED)
    assert {p.name: p.stat().st_mtime_ns for p in out.iterdir()} == before
    assert json.loads((out / "run_metadata.json").read_text())["seed"] == 7
