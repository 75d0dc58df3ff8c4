"""The whole pipeline through its command line, on a few real photos, one epoch each."""

import base64
import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import confusion_matrix, f1_score

from edgedistill.artifacts import OUTPUT_FILES
from tests.whole_pipeline import N_UNKNOWN, PHOTOS, PHOTOS_PER_CLASS, QUICK, ROOT, run

pytestmark = pytest.mark.pipeline
pytest_plugins = ("tests.finished_pipeline",)


def _verify(output_dir: Path, **flags: str) -> subprocess.CompletedProcess[str]:
    words = [word for name, value in flags.items() for word in (f"--{name}", value)]
    return subprocess.run(
        [sys.executable, str(ROOT / "pipeline.py"), "verify", str(output_dir), *words],
        capture_output=True, text=True, timeout=1500, check=False,
    )  # fmt: skip


@pytest.fixture
def out(finished: tuple[Path, Any]) -> Path:
    return finished[0]


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _labels(out: Path) -> list[str]:
    return (out / "labels.txt").read_text(encoding="utf-8").splitlines()


def test_every_promised_file_is_there(out: Path) -> None:
    assert {p.name for p in out.iterdir() if p.is_file()} == set(OUTPUT_FILES)
    assert all((out / name).stat().st_size for name in OUTPUT_FILES)


def test_the_summary_has_four_lines_and_the_place_of_the_report(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    out, done = finished
    lines = done.stdout.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("int8 file"))
    first_words = [line.split()[0] for line in lines[start : start + 4]]
    assert first_words == ["int8", "float", "threshold", "size"]
    assert str(out / "report.html") in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_labels_are_the_folder_names_in_order_of_code_points(out: Path) -> None:
    assert _labels(out) == sorted(p.name for p in PHOTOS.iterdir())


def test_the_unreadable_file_is_listed_and_in_no_split(out: Path) -> None:
    bad = (out / "bad_files.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split("\t")[0] for line in bad] == ["glass/cut short.JPG"]
    assert bad[0].split("\t")[1]
    everywhere = [r["filepath"] for s in ("train", "val", "test") for r in _rows(out / f"{s}.csv")]
    assert "glass/cut short.JPG" not in everywhere


def test_the_splits_divide_the_photos_8_1_1_with_every_class_in_each(out: Path) -> None:
    splits = {name: _rows(out / f"{name}.csv") for name in ("train", "val", "test")}
    n_classes = len(_labels(out))
    # 20 photos a class: 16, 2 and 2.
    assert {name: len(rows) for name, rows in splits.items()} == {
        "train": 16 * n_classes, "val": 2 * n_classes, "test": 2 * n_classes,
    }  # fmt: skip
    places = [row["filepath"] for rows in splits.values() for row in rows]
    assert len(set(places)) == len(places) == PHOTOS_PER_CLASS * n_classes
    for rows in splits.values():
        assert list(rows[0])[:3] == ["filepath", "label_index", "label_name"]
        assert {row["label_name"] for row in rows} == set(_labels(out))
        assert all(_labels(out)[int(row["label_index"])] == row["label_name"] for row in rows)


def test_the_metadata_is_what_another_interpreter_says_of_the_file(out: Path) -> None:
    from edgedistill.tf.runtime import tf

    metadata = _json(out / "model_metadata.json")
    interpreter = tf.lite.Interpreter(str(out / metadata["model_file"]))
    (entry,), (end,) = interpreter.get_input_details(), interpreter.get_output_details()
    size = int(QUICK["student_img_size"])
    assert entry["shape"].tolist() == [1, size, size, 3]
    assert end["shape"].tolist() == [1, len(_labels(out))]
    assert metadata["input"] == {
        "width": size, "height": size, "channels": 3, "color_space": "RGB", "dtype": "int8",
        "quantization": {"scale": 1.0, "zero_point": -128},
    }  # fmt: skip
    assert entry["dtype"] is np.int8
    assert entry["quantization"] == (1.0, -128)
    assert metadata["output"]["dtype"] == "int8"
    assert end["dtype"] is np.int8
    scale, zero_point = end["quantization"]
    assert metadata["output"]["quantization"] == {
        "scale": pytest.approx(scale), "zero_point": zero_point
    }  # fmt: skip
    assert metadata["output"]["is_logits"] is True
    assert metadata["output"]["softmax_in_model"] is False
    assert metadata["preprocess"]["pad_color_rgb"] == [0, 0, 0]
    float_tensors = [t for t in interpreter.get_tensor_details() if t["dtype"] is np.float32]
    assert float_tensors == []


def test_the_metrics_are_those_of_the_file_run_by_hand_on_the_raw_photos(
    out: Path, photos: Path
) -> None:
    from edgedistill.core.decode import decode_photo
    from edgedistill.core.letterbox import letterbox
    from edgedistill.tf.runtime import tf

    interpreter = tf.lite.Interpreter(str(out / "model_qat_int8.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    (entry,), (end,) = interpreter.get_input_details(), interpreter.get_output_details()
    rows = _rows(out / "test.csv")
    predicted = []
    for row in rows:
        image = letterbox(decode_photo((photos / row["filepath"]).read_bytes()), 96)
        tensor = (image.astype(np.int16) - 128).astype(np.int8)
        interpreter.set_tensor(entry["index"], tensor[None])
        interpreter.invoke()
        predicted.append(int(interpreter.get_tensor(end["index"])[0].argmax()))
    truth = [int(row["label_index"]) for row in rows]
    metrics = _json(out / "metrics.json")
    assert metrics["top1"] == pytest.approx(np.mean(np.equal(predicted, truth)))
    assert metrics["macro_f1"] == pytest.approx(
        f1_score(truth, predicted, average="macro", labels=range(len(_labels(out))),
                 zero_division=0)
    )  # fmt: skip
    with (out / "confusion_matrix.csv").open(encoding="utf-8", newline="") as file:
        written = [[int(cell) for cell in row[1:]] for row in list(csv.reader(file))[1:]]
    assert written == confusion_matrix(truth, predicted, labels=range(6)).tolist()


def test_both_files_name_the_same_classes_by_another_interpreter(out: Path, photos: Path) -> None:
    from edgedistill.core.decode import decode_photo
    from edgedistill.core.letterbox import letterbox
    from edgedistill.tf.runtime import tf

    answers = []
    for name, shift in (("model_qat_int8.tflite", 128), ("model_tasks.tflite", 0)):
        interpreter = tf.lite.Interpreter(str(out / name), num_threads=1)
        interpreter.allocate_tensors()
        (entry,), (end,) = interpreter.get_input_details(), interpreter.get_output_details()
        rows = []
        for row in _rows(out / "test.csv"):
            image = letterbox(decode_photo((photos / row["filepath"]).read_bytes()), 96)
            tensor = (image.astype(np.int16) - shift).astype(entry["dtype"])
            interpreter.set_tensor(entry["index"], tensor[None])
            interpreter.invoke()
            scale, zero_point = end["quantization"]
            rows.append(
                (interpreter.get_tensor(end["index"])[0].astype(float) - zero_point) * scale
            )
        answers.append(np.array(rows))
    logits, scores = answers
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert np.abs(powers / powers.sum(axis=1, keepdims=True) - scores).max() <= 1 / 256 + 1e-9
    chosen = scores[np.arange(len(scores)), logits.argmax(axis=1)]
    assert (chosen == scores.max(axis=1)).all()


def test_the_bundle_checks_itself_where_edgedistill_is_not_needed(
    out: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(out / "bundle.zip") as archive:
        archive.extractall(tmp_path / "app")
    for line in (tmp_path / "app" / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        digest, name = line.split(maxsplit=1)
        data = (tmp_path / "app" / name.lstrip("*")).read_bytes()
        assert hashlib.sha256(data).hexdigest() == digest, name
    (tmp_path / "dump").mkdir()
    for path in (tmp_path / "app" / "parity").glob("*.input.raw"):
        shutil.copy(path, tmp_path / "dump" / path.name.replace(".input", ""))
    check = [sys.executable, "-I", str(tmp_path / "app" / "parity_check.py")]
    agrees = subprocess.run([*check, str(tmp_path / "dump")], capture_output=True, text=True)
    assert agrees.returncode == 0, agrees.stdout + agrees.stderr


def test_the_threshold_follows_the_rule_on_the_written_curve(out: Path) -> None:
    chosen = _json(out / "threshold_recommendation.json")
    curve = [
        {k: float(v) if v else float("nan") for k, v in row.items()}
        for row in _rows(out / "threshold_curve.csv")
    ]
    assert [row["threshold"] for row in curve] == [k / 100 for k in range(100)]
    feasible = [
        row for row in curve
        if row["accept_accuracy"] >= 0.95 and row["coverage"] >= 0.60
    ]  # fmt: skip
    if feasible:
        assert chosen["selection_method"] == "constraint_feasible"
        best = max(feasible, key=lambda row: (row["coverage"], -row["threshold"]))
    else:
        assert chosen["selection_method"] == "utility_maximization"
        best = max(
            curve,
            key=lambda row: (
                row["correct_accepted_rate"] - 3.0 * row["incorrect_accepted_rate"],
                -row["threshold"],
            ),
        )
    assert chosen["recommended_threshold"] == best["threshold"]
    assert chosen["achieved_coverage"] == pytest.approx(best["coverage"])
    assert chosen["target_accept_accuracy"] == 0.95
    assert chosen["min_coverage"] == 0.60
    assert chosen["grid_step"] == 0.01


def test_pictures_open_and_the_report_shows_them_without_any_network(out: Path) -> None:
    for name in OUTPUT_FILES:
        if name.endswith(".png"):
            with Image.open(out / name) as picture:
                picture.load()
                assert min(picture.size) >= 300
    page = (out / "report.html").read_text(encoding="utf-8")
    pixels = base64.b64decode(re.findall(r"data:image/webp;base64,([\w+/=]+)", page)[0])
    with Image.open(io.BytesIO(pixels)) as mistake:
        assert mistake.size == (96, 96)
    # Whatever the chart library names, the page may load nothing.
    assert "default-src 'none'; img-src data:;" in page
    assert not re.search(r"""(?:src|href)=["']?(?!data:|#)""", page.split("</head>")[1][:5000])
    assert len(page.encode()) < 2_000_000


def test_photos_of_no_class_are_asked_about_and_trained_on_by_nobody(out: Path) -> None:
    assert _json(out / "evaluation.json")["n_unknown"] == N_UNKNOWN
    assert _json(out / "threshold_recommendation.json")["unknown"]["n_photos"] == N_UNKNOWN
    everywhere = [r["filepath"] for s in ("train", "val", "test") for r in _rows(out / f"{s}.csv")]
    assert not [place for place in everywhere if place.startswith("_unknown")]


def test_what_is_judged_and_damaged_is_the_file_and_each_model_before_it(out: Path) -> None:
    evaluation = _json(out / "evaluation.json")
    assert [model["name"] for model in evaluation["models"]] == [
        "teacher", "student", "post_training", "quantisation_aware", "file",
    ]  # fmt: skip
    damages = {(d["name"], d["strength"]) for d in evaluation["robustness"]["damages"]}
    assert len(damages) == 2 * 9
    predictions = _rows(out / "predictions.csv")
    right = [row["predicted_name"] == row["label_name"] for row in predictions]
    assert evaluation["models"][-1]["top1"] == pytest.approx(np.mean(right))


def test_the_label_review_is_a_manifest_of_every_photo_and_its_part(out: Path) -> None:
    review = {row["filepath"]: row["split"] for row in _rows(out / "label_review.csv")}
    parts = {
        row["filepath"]: s for s in ("train", "val", "test") for row in _rows(out / f"{s}.csv")
    }
    assert review == parts


def test_every_task_has_at_most_20_metrics_all_finite(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    work = finished[0].with_name(f"{finished[0].name}.work")
    tasks = {}
    for kept in work.glob("edgedistill-*/*/executor_output.json"):
        (metrics,) = _json(kept)["artifacts"]["metrics"]["artifacts"]
        tasks[kept.parent.name] = metrics["metadata"]
    assert len(tasks) == 7
    for task, values in tasks.items():
        assert len(values) <= 20, task
        assert all(isinstance(v, float) and np.isfinite(v) for v in values.values()), task
    same = {"val_accuracy", "val_macro_f1", "val_ece", "val_loss"}
    trained = {task for task, values in tasks.items() if same <= set(values)}
    assert trained == {"teacher", "distiller", "qat-export"}


def test_the_run_says_what_it_was_made_of(out: Path) -> None:
    config = _json(out / "training_config.json")["settings"]
    assert config["epochs_qat"] == 1
    assert config["batch_size"] == 16
    assert config["lr_teacher"] == 1e-3
    run = _json(out / "run_metadata.json")
    assert datetime.fromisoformat(run["started_utc"]) < datetime.fromisoformat(run["finished_utc"])
    assert run["seed"] == 42
    assert run["counts"]["train"] == 96
    steps = ["scan", "split", "teacher", "distiller", "qat_export", "evaluate", "calibrate"]
    assert list(run["seconds"]) == steps
    assert run["packages"]["tensorflow"]
    log = (out / "training.log").read_text(encoding="utf-8")
    assert "ranges set from 64 photos" in log  # 4 batches of 16
    assert "post-training quantisation: val_accuracy=" in log
    assert "qat epoch 1/1 loss=" in log
    manifest = _json(out / "dataset_manifest.json")
    assert manifest["classes"] == dict.fromkeys(_labels(out), PHOTOS_PER_CLASS)
    assert manifest["n_bad_files"] == 1


def test_the_same_command_again_reuses_every_step_and_gives_the_same_files(
    finished: tuple[Path, Any], photos: Path
) -> None:
    out, _ = finished
    before = (out / "model_qat_int8.tflite").read_bytes()
    again = run(photos, out)
    assert again.returncode == 0, again.stdout + again.stderr
    assert _json(out / "run_metadata.json")["reused_steps"] == [
        "scan", "split", "teacher", "distiller", "qat_export", "evaluate", "calibrate",
    ]  # fmt: skip
    assert (out / "model_qat_int8.tflite").read_bytes() == before


def test_a_repetition_beside_the_run_gives_the_same_file_and_leaves_nothing(out: Path) -> None:
    before = {p.name: p.stat().st_mtime_ns for p in out.parent.iterdir()}
    done = _verify(out)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[5/7] qat_export" in done.stdout
    assert done.stdout.splitlines()[-6:-1] == [
        "data      same", "split     same", "teacher   same", "student   same", "file      same",
    ]  # fmt: skip
    assert "Not as in that run" not in done.stdout
    assert {p.name: p.stat().st_mtime_ns for p in out.parent.iterdir()} == before


def test_one_other_pixel_is_a_difference_in_the_data_that_is_seen_without_training(
    out: Path, photos: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(photos, tmp_path / "moved")
    touched = moved / _rows(out / "train.csv")[0]["filepath"]
    with Image.open(touched) as photo:
        picture = photo.convert("RGB")
    red, green, blue = np.asarray(picture)[5, 3].tolist()
    picture.putpixel((3, 5), (red, green, blue ^ 1))
    picture.save(touched, "PNG")  # lossless, whatever the name says
    done = _verify(out, data_dir=str(moved))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "the first difference is in the data" in done.stdout
    assert "[2/7]" not in done.stdout


def test_other_settings_are_refused_and_leave_the_run_as_it_was(
    finished: tuple[Path, Any], photos: Path
) -> None:
    out, _ = finished
    before = {p.name: p.stat().st_mtime_ns for p in out.iterdir()}
    refused = run(photos, out, seed="7")
    assert refused.returncode == 2
    assert len(refused.stderr.strip().splitlines()) == 1
    assert "seed" in refused.stderr
    assert "--overwrite true" in refused.stderr
    assert {p.name: p.stat().st_mtime_ns for p in out.iterdir()} == before


def test_post_training_quantisation_with_a_uint8_input_reuses_the_student(
    finished: tuple[Path, Any], photos: Path
) -> None:
    out, _ = finished
    first = _json(out / "metrics.json")["top1"]
    done = run(
        photos, out, qat="false", tflite_inference_input_type="uint8", overwrite="true",
        rep_data_num_batches="2", min_top1="1", max_regression="1",
        baseline_uri=str(photos.parent / "first bundle.zip"),
    )  # fmt: skip
    # 12 photos, six classes, one epoch: not all right. The gate holds the model back.
    assert done.returncode == 3, done.stdout + done.stderr
    assert "do not ship    The file is right on" in done.stdout
    assert not (out / "bundle.zip").exists()
    assert _json(out / "gate.json")["ship"] is False
    assert _json(out / "gate.json")["baseline"]["top1"] == pytest.approx(first)
    assert _json(out / "model_metadata.json")["do_not_ship"]
    metadata = _json(out / "model_metadata.json")
    assert metadata["input"]["dtype"] == "uint8"
    assert metadata["input"]["quantization"] == {"scale": 1.0, "zero_point": 0}
    assert metadata["quantization_method"] == "post-training quantisation"
    reused = _json(out / "run_metadata.json")["reused_steps"]
    assert reused == ["scan", "split", "teacher", "distiller"]


def test_a_budget_that_is_exceeded_ends_the_run_and_leaves_the_earlier_one(
    finished: tuple[Path, Any], photos: Path
) -> None:
    out, _ = finished
    before = {p.name: p.stat().st_mtime_ns for p in out.iterdir()}
    refused = run(photos, out, qat="false", budget_size_mb="1", overwrite="true")
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert "a file must have at most 1 MB (budget_size_mb)" in refused.stderr
    assert {p.name: p.stat().st_mtime_ns for p in out.iterdir()} == before
