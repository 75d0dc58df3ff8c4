"""Collects what the finished steps wrote into the flat folder that a local run leaves."""

import csv
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from edgedistill.artifacts import (
    BAD_FILES,
    BUNDLE_ZIP,
    CALIB_CSV,
    CONFIDENCE_PNG,
    CONFUSION_CSV,
    CONFUSION_PNG,
    DATASET_MANIFEST,
    EVALUATION,
    FINDINGS_CSV,
    GATE,
    LABEL_REVIEW_CSV,
    METRICS,
    MODEL_FILE,
    PERFORMANCE,
    PHOTOS_CSV,
    PREDICTIONS_CSV,
    QUANTIZATION,
    RELIABILITY_PNG,
    REPORT_HTML,
    RUN_METADATA,
    SCAN_REPORT_HTML,
    SPLITS,
    TENSORBOARD_FOLDER,
    THRESHOLD,
    THRESHOLD_CURVE_CSV,
    THRESHOLD_PNG,
    TO_SHIP,
    TRAINING_CONFIG,
    TRAINING_LOG,
    split_csv,
)
from edgedistill.declaration import Value
from edgedistill.errors import ArtifactError
from edgedistill.output_folder import replaced_folder
from edgedistill.report.run_page import render_run_page
from edgedistill.report_facts import gather_facts
from edgedistill.run_metadata import run_metadata
from edgedistill.runs import FinishedRun

_COPIED = {
    "catalog": (DATASET_MANIFEST.name, FINDINGS_CSV, BAD_FILES),
    "tflite": (QUANTIZATION.name, PERFORMANCE.name),
    "predictions": (
        METRICS.name, EVALUATION.name, GATE.name, PREDICTIONS_CSV, CONFUSION_CSV, CONFUSION_PNG,
    ),
    "bundle": (
        *(name for name in TO_SHIP if name != BUNDLE_ZIP),
        THRESHOLD_CURVE_CSV, THRESHOLD_PNG, RELIABILITY_PNG, CONFIDENCE_PNG,
    ),
}  # fmt: skip
"""By artifact, the files that go into the output folder as they are."""

_TRAINED = {"teacher": "teacher", "student": "student", "tflite": "qat"}
"""By artifact, the name of its training."""


def collect(
    run: FinishedRun, output_dir: Path, settings: dict[str, Value], started: datetime
) -> list[str]:
    """Writes the output folder, complete or not at all; gives the summary's lines.

    There are four; a fifth where the bundle was put somewhere besides, or where the model must not
    ship.

    Raises:
        ArtifactError: a step left out a file that it promised; the earlier folder stays.
    """
    with replaced_folder(output_dir) as folder:
        for artifact, names in _COPIED.items():
            for name in names:
                _copy(run.artifacts[artifact] / name, folder / name)
        if may_ship(folder):
            _copy(run.artifacts["bundle"] / BUNDLE_ZIP, folder / BUNDLE_ZIP)
        _copy(run.artifacts["scan_report"], folder / SCAN_REPORT_HTML)
        _copy_tables(run, folder, settings)
        _copy_curves(run, folder)
        (folder / TRAINING_LOG).write_text(_joined_logs(run), encoding="utf-8")
        TRAINING_CONFIG.write(folder, {"settings": settings})
        RUN_METADATA.write(folder, run_metadata(run, folder, settings, started))
        page = render_run_page(gather_facts(run, folder))
        (folder / REPORT_HTML).write_text(page, encoding="utf-8")
        return [*_summary(folder), *_refusal(folder), *_exported(run)]


def may_ship(output_dir: Path) -> bool:
    """Whether the gate of a finished run lets its model ship.

    Raises:
        ArtifactError: gate.json is missing or damaged.
    """
    return bool(GATE.read(output_dir)["ship"])


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except FileNotFoundError:
        raise ArtifactError(f"{source} is missing; did its step finish?") from None


def _copy_tables(run: FinishedRun, folder: Path, settings: dict[str, Value]) -> None:
    """The photos of each part, and all of them as the teacher sees their labels."""
    for split in SPLITS:
        _copy(run.artifacts[split] / PHOTOS_CSV, folder / split_csv(split))
    others = [folder / split_csv("test")]
    if settings["calib_frac"]:
        _copy(run.artifacts["calib"] / PHOTOS_CSV, folder / CALIB_CSV)
        others.append(folder / CALIB_CSV)
    _copy(run.artifacts["teacher"] / LABEL_REVIEW_CSV, folder / LABEL_REVIEW_CSV)
    with (folder / LABEL_REVIEW_CSV).open("a", encoding="utf-8", newline="") as review:
        # The parts that the teacher does not judge: without them the manifest were not whole.
        writer = csv.writer(review, lineterminator="\n")
        writer.writerows(row for table in others for row in _unjudged(table, folder))


def _unjudged(table: Path, folder: Path) -> Iterator[list[str]]:
    """Rows of a part, with empty cells for what the review says of a doubtful label."""
    with (folder / LABEL_REVIEW_CSV).open(encoding="utf-8", newline="") as review:
        n_columns = len(next(csv.reader(review)))
    with table.open(encoding="utf-8", newline="") as photos:
        reader = csv.reader(photos)
        next(reader)
        for row in reader:
            yield row + [""] * (n_columns - len(row))


def _copy_curves(run: FinishedRun, folder: Path) -> None:
    for artifact, training in _TRAINED.items():
        curves = run.artifacts[artifact] / TENSORBOARD_FOLDER
        if curves.is_dir():
            shutil.copytree(curves, folder / TENSORBOARD_FOLDER / training)


def _joined_logs(run: FinishedRun) -> str:
    """The steps' logs one after the other, each below a heading that says how the step went."""
    parts = []
    for number, step in enumerate(run.steps, start=1):
        how = "reused from an earlier run, which took" if step.reused else "took"
        heading = f"[{number}/{len(run.steps)}] {step.name}: {how} {step.seconds:.1f} s"
        parts.append(f"{heading}\n{step.log}")
    return "\n".join(parts)


def _summary(folder: Path) -> list[str]:
    """What came out, in four lines."""
    metrics, threshold = METRICS.read(folder), THRESHOLD.read(folder)
    right = threshold["achieved_accept_accuracy"]
    share_right = "none" if right is None else f"{right:.1%}"  # of no photos at all
    low, high = metrics["intervals"]["top1"]
    size_bytes = (folder / MODEL_FILE).stat().st_size
    part = threshold["chosen_on"]
    return [
        f"int8 file      {metrics['top1']:.1%} of {metrics['n_test']} test photos right "
        f"({low:.1%} to {high:.1%})",
        f"float student  {metrics['top1_student']:.1%}",
        f"threshold      {threshold['recommended_threshold']:.2f} answers "
        f"{threshold['achieved_coverage']:.1%} of {part} photos, {share_right} of them right",
        f"size           {size_bytes / 1e6:.1f} MB, {MODEL_FILE}",
    ]


def _refusal(folder: Path) -> list[str]:
    """The line that says that the model must not ship, if so, and why."""
    reasons = GATE.read(folder)["reasons"]
    return [f"do not ship    {' '.join(reasons)}"] if reasons else []


def _exported(run: FinishedRun) -> list[str]:
    """The line that says where the bundle was put besides, if it was."""
    address = run.metadata("bundle").get("exported_to")
    return [f"exported       {address}"] if address else []
