"""Collects what the finished steps wrote into the flat folder that a local run leaves."""

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from edgedistill.artifacts import (
    BAD_FILES,
    CONFIDENCE_PNG,
    CONFUSION_CSV,
    CONFUSION_PNG,
    DATASET_MANIFEST,
    FINDINGS_CSV,
    METRICS,
    MODEL_FILE,
    MODEL_METADATA,
    NETWORK,
    PERFORMANCE,
    PHOTOS_CSV,
    QUANTIZATION,
    RELIABILITY_PNG,
    REPORT_HTML,
    RUN_METADATA,
    SCAN_REPORT_HTML,
    SPLITS,
    TEACHERS,
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
from edgedistill.report.run_facts import RunFacts
from edgedistill.report.run_page import render_run_page
from edgedistill.run_metadata import run_metadata
from edgedistill.runs import FinishedRun

_COPIED = {
    "catalog": (DATASET_MANIFEST.name, FINDINGS_CSV, BAD_FILES),
    "tflite": (QUANTIZATION.name, PERFORMANCE.name),
    "predictions": (METRICS.name, CONFUSION_CSV, CONFUSION_PNG),
    "bundle": (*TO_SHIP, THRESHOLD_CURVE_CSV, THRESHOLD_PNG, RELIABILITY_PNG, CONFIDENCE_PNG),
}  # fmt: skip
"""By artifact, the files that go into the output folder as they are."""

_TRAINED = {"teacher": "teacher", "student": "student", "tflite": "qat"}
"""By artifact, the name of its training."""


def collect(
    run: FinishedRun, output_dir: Path, settings: dict[str, Value], started: datetime
) -> list[str]:
    """Writes the output folder, complete or not at all; gives the summary's lines.

    There are four, and a fifth where the bundle was put somewhere besides.

    Raises:
        ArtifactError: a step left out a file that it promised; the earlier folder stays.
    """
    with replaced_folder(output_dir) as folder:
        for artifact, names in _COPIED.items():
            for name in names:
                _copy(run.artifacts[artifact] / name, folder / name)
        _copy(run.artifacts["scan_report"], folder / SCAN_REPORT_HTML)
        for split in SPLITS:
            _copy(run.artifacts[split] / PHOTOS_CSV, folder / split_csv(split))
        for artifact, training in _TRAINED.items():
            curves = run.artifacts[artifact] / TENSORBOARD_FOLDER
            if curves.is_dir():
                shutil.copytree(curves, folder / TENSORBOARD_FOLDER / training)
        (folder / TRAINING_LOG).write_text(_joined_logs(run), encoding="utf-8")
        TRAINING_CONFIG.write(folder, {"settings": settings})
        RUN_METADATA.write(folder, run_metadata(run, folder, settings, started))
        page = render_run_page(_facts(run, folder))
        (folder / REPORT_HTML).write_text(page, encoding="utf-8")
        return [*_summary(folder), *_exported(run)]


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except FileNotFoundError:
        raise ArtifactError(f"{source} is missing; did its step finish?") from None


def _joined_logs(run: FinishedRun) -> str:
    """The steps' logs one after the other, each below a heading that says how the step went."""
    parts = []
    for number, step in enumerate(run.steps, start=1):
        how = "reused from an earlier run, which took" if step.reused else "took"
        heading = f"[{number}/{len(run.steps)}] {step.name}: {how} {step.seconds:.1f} s"
        parts.append(f"{heading}\n{step.log}")
    return "\n".join(parts)


def _facts(run: FinishedRun, folder: Path) -> RunFacts:
    return RunFacts(
        metrics=METRICS.read(folder),
        threshold=THRESHOLD.read(folder),
        manifest=DATASET_MANIFEST.read(folder),
        config=TRAINING_CONFIG.read(folder),
        run=RUN_METADATA.read(folder),
        model=MODEL_METADATA.read(folder),
        teachers=_teachers(run.artifacts["teacher"]),
        together=TEACHERS.read(run.artifacts["teacher"]),
        student=NETWORK.read(run.artifacts["student"]),
        quantization=QUANTIZATION.read(run.artifacts["tflite"]),
        performance=PERFORMANCE.read(folder),
        bad_files=(folder / BAD_FILES).read_text(encoding="utf-8").splitlines(),
        images={
            name: (folder / name).read_bytes()
            for name in (CONFUSION_PNG, THRESHOLD_PNG, RELIABILITY_PNG, CONFIDENCE_PNG)
        },
    )


def _teachers(folder: Path) -> list[dict[str, Any]]:
    """The records of the teachers' networks."""
    return [NETWORK.read(folder / arch) for arch in TEACHERS.read(folder)["archs"]]


def _summary(folder: Path) -> list[str]:
    """What came out, in four lines."""
    metrics, threshold = METRICS.read(folder), THRESHOLD.read(folder)
    right = threshold["achieved_accept_accuracy"]
    share_right = "none" if right is None else f"{right:.1%}"  # of no photos at all
    size_bytes = (folder / MODEL_FILE).stat().st_size
    return [
        f"int8 file      {metrics['top1']:.1%} of {metrics['n_test']} test photos right",
        f"float student  {metrics['top1_student']:.1%}",
        f"threshold      {threshold['recommended_threshold']:.2f} answers "
        f"{threshold['achieved_coverage']:.1%} of validation photos, {share_right} of them right",
        f"size           {size_bytes / 1e6:.1f} MB, {MODEL_FILE}",
    ]


def _exported(run: FinishedRun) -> list[str]:
    """The line that says where the bundle was put besides, if it was."""
    address = run.metadata("bundle").get("exported_to")
    return [f"exported       {address}"] if address else []
