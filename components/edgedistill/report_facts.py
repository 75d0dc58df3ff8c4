"""Reads what the final report is made of: documents, tables and pictures of a finished run."""

import csv
from collections.abc import Mapping, Sequence
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

from edgedistill.artifacts import (
    BAD_FILES,
    CONFUSION_CSV,
    DATASET_MANIFEST,
    EVALUATION,
    GATE,
    LABEL_REVIEW_CSV,
    METRICS,
    MODEL_METADATA,
    NETWORK,
    PERFORMANCE,
    QUANTIZATION,
    RUN_METADATA,
    TEACHERS,
    THRESHOLD,
    THRESHOLD_CURVE_CSV,
    TRAINING_CONFIG,
    WITHOUT_TEACHER_FOLDER,
)
from edgedistill.report.run_facts import RunFacts
from edgedistill.runs import FinishedRun

_SHOWN_SUSPECTS = 30


def gather_facts(run: FinishedRun, folder: Path) -> RunFacts:
    """The facts of a run.

    Args:
        run: its steps' artifacts, for what the output folder does not hold.
        folder: its output folder, whole but for the report.

    Raises:
        ArtifactError: a document is missing or damaged.
    """
    predictions = run.artifacts["predictions"]
    evaluation = EVALUATION.read(folder)
    return RunFacts(
        metrics=METRICS.read(folder),
        evaluation=evaluation,
        gate=GATE.read(folder),
        threshold=THRESHOLD.read(folder),
        curve=_curve(folder / THRESHOLD_CURVE_CSV),
        confusion=_confusion(folder / CONFUSION_CSV),
        mistakes=_mistakes(evaluation["mistakes"], predictions),
        manifest=DATASET_MANIFEST.read(folder),
        config=TRAINING_CONFIG.read(folder),
        run=RUN_METADATA.read(folder),
        model=MODEL_METADATA.read(folder),
        teachers=_teachers(run.artifacts["teacher"]),
        together=TEACHERS.read(run.artifacts["teacher"]),
        label_review=_suspects(folder / LABEL_REVIEW_CSV),
        student=NETWORK.read(run.artifacts["student"]),
        plain_student=_plain_student(run.artifacts["student"]),
        quantization=QUANTIZATION.read(run.artifacts["tflite"]),
        performance=PERFORMANCE.read(folder),
        bad_files=(folder / BAD_FILES).read_text(encoding="utf-8").splitlines(),
    )


def _plain_student(student: Path) -> Mapping[str, Any] | None:
    folder = student / WITHOUT_TEACHER_FOLDER
    return NETWORK.read(folder) if folder.is_dir() else None


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _curve(path: Path) -> list[dict[str, float | None]]:
    """An empty cell, an accuracy of no photos at all, is None."""
    return [
        {name: float(text) if text else None for name, text in row.items()} for row in _rows(path)
    ]


def _confusion(path: Path) -> list[list[int]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [[int(cell) for cell in row[1:]] for row in islice(csv.reader(file), 1, None)]


def _mistakes(mistakes: Sequence[Mapping[str, Any]], folder: Path) -> dict[str, bytes]:
    files = [folder / mistake["image"] for mistake in mistakes]
    return {file.name: file.read_bytes() for file in files}


def _suspects(path: Path) -> list[dict[str, str]]:
    """The first rows with a doubt; they stand before all others."""
    with path.open(encoding="utf-8", newline="") as file:
        doubted = takewhile(lambda row: row["suggested_label"], csv.DictReader(file))
        return list(islice(doubted, _SHOWN_SUSPECTS))


def _teachers(folder: Path) -> list[dict[str, Any]]:
    """The records of the teachers' networks."""
    return [NETWORK.read(folder / arch) for arch in TEACHERS.read(folder)["archs"]]
