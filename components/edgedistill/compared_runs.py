"""Reads what a finished run left in its output folder, to be held against other runs."""

import contextlib
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from edgedistill.artifacts import (
    EVALUATION,
    GATE,
    LABELS_FILE,
    METRICS,
    MODEL_FILE,
    MODEL_METADATA,
    PERFORMANCE,
    PREDICTIONS_CSV,
    QUANTIZATION,
    RUN_METADATA,
    THRESHOLD,
    TRAINING_CONFIG,
    read_labels,
    split_csv,
)
from edgedistill.datasets import read_photos
from edgedistill.errors import ArtifactError, SettingError
from edgedistill.json_file import JsonFile
from edgedistill.report.comparison_facts import (
    ComparedRun,
    Estimate,
    ModelFigures,
    Robustness,
    SpeedFacts,
    ThresholdFacts,
)

_TEST_CSV = split_csv("test")
_OF_A_RUN = (TRAINING_CONFIG.name, RUN_METADATA.name)
"""A folder without these is none of ours."""
_DOCUMENTS = (
    TRAINING_CONFIG, RUN_METADATA, METRICS, EVALUATION, GATE, THRESHOLD, MODEL_METADATA,
    QUANTIZATION, PERFORMANCE,
)  # fmt: skip
_TABLES = (LABELS_FILE, PREDICTIONS_CSV, _TEST_CSV)
_AGAIN = "runs are compared only as this version of edgedistill writes them: run it again."
_FILE = "file"
"""The int8 file among the models of evaluation.json."""
_MACHINE = {
    "system": "system",
    "processor": "processor",
    "gpus": "GPUs",
    "n_cpus": "cores",
    "n_cpus_usable": "cores that the run could use",
}
"""By key in run_metadata.json, what of the machine users call how; its memory changes nothing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run's int8 file said of one of the run's test photos.

    `digest` is the SHA-256 of the photo's decoded pixels, in hexadecimal.
    """

    filepath: str
    label_name: str
    digest: str
    predicted_name: str
    confidence: float

    @property
    def is_right(self) -> bool:
        """Whether the photo's own class was named."""
        return self.predicted_name == self.label_name


@dataclass(frozen=True)
class ReadRun:
    """A run's figures, and its file's answers to the test photos in the order of test.csv."""

    run: ComparedRun
    answers: Sequence[Answer]


def read_run(folder: Path, name: str) -> ReadRun:
    """Reads the output folder of a finished run.

    Args:
        folder: where it is.
        name: what the run is called beside the others.

    Raises:
        SettingError: the folder holds no finished run, or lacks a file that this version writes.
        ArtifactError: a file in it is damaged or of another version.
    """
    _check_folder(folder)
    documents = {file: _read(file, folder) for file in _DOCUMENTS}
    config, metadata, gate = (documents[d] for d in (TRAINING_CONFIG, RUN_METADATA, GATE))
    with _undamaged(folder / TRAINING_CONFIG.name):
        settings = dict(config["settings"].items())
    with _undamaged(folder / RUN_METADATA.name):
        environment, digests = _environment(metadata), _texts(metadata["digests"])
        finished = datetime.fromisoformat(metadata["finished_utc"])
    with _undamaged(folder / LABELS_FILE):
        label_names = read_labels(folder)
    with _undamaged(folder / GATE.name):
        reasons = [str(reason) for reason in gate["reasons"]]
    with _undamaged(folder / METRICS.name):
        n_test, scores = int(documents[METRICS]["n_test"]), _scores(documents[METRICS])
    with _undamaged(folder / EVALUATION.name):
        level, models, robustness = _evaluation(documents[EVALUATION])
    with _undamaged(folder / THRESHOLD.name):
        threshold = _threshold(documents[THRESHOLD])
    with _undamaged(folder / MODEL_METADATA.name):
        entry = documents[MODEL_METADATA]["input"]
        sides_px = int(entry["width"]), int(entry["height"])
    with _undamaged(folder / PERFORMANCE.name):
        speed = _speed(documents[PERFORMANCE], *sides_px)
    run = ComparedRun(
        name=name, folder=str(folder), finished_utc=f"{finished:%Y-%m-%d %H:%M}",
        label_names=label_names, n_test=n_test, confidence_level=level,
        ships=gate["ship"] is True, reasons=reasons,
        quantised_by=str(documents[QUANTIZATION]["method"]), models=models, f1_of_classes=scores,
        threshold=threshold, speed=speed, robustness=robustness, settings=settings,
        environment=environment, digests=digests,
    )  # fmt: skip
    return ReadRun(run, _answers(folder))


def _check_folder(folder: Path) -> None:
    """Refuses what is no output folder of a run, or not all of one."""
    wanted = "compare needs output folders of finished runs"
    if not folder.is_dir():
        raise SettingError(f"{wanted}; {folder} is no folder.")
    if not all((folder / name).is_file() for name in _OF_A_RUN):
        raise SettingError(f"{wanted}; {folder} holds none.")
    names = (*(file.name for file in _DOCUMENTS), *_TABLES)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise SettingError(f"the run in {folder} has no {', '.join(missing)}; {_AGAIN}")


def _read(file: JsonFile, folder: Path) -> dict[str, Any]:
    try:
        return file.read(folder)
    except ArtifactError as error:
        raise ArtifactError(f"{str(error).removesuffix('.')}; {_AGAIN}") from None


@contextlib.contextmanager
def _undamaged(path: Path) -> Iterator[None]:
    """Tells a value that is missing or of another kind as damage of the file that it is read from.

    Raises:
        ArtifactError: there is one.
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, csv.Error) as error:
        raise ArtifactError(
            f"{path} is damaged: a value is missing or of another kind ({error!r}); "
            "take the file from the run's steps, or run it again."
        ) from None


def _evaluation(
    document: Mapping[str, Any],
) -> tuple[float, list[ModelFigures], Robustness | None]:
    """Confidence level, models and robustness, from evaluation.json."""
    models = [_model(row) for row in document["models"]]
    if [model.name for model in models].count(_FILE) != 1:
        raise ValueError("models must have one file")
    damaged = document["robustness"]
    robustness = damaged and Robustness(
        n_photos=int(damaged["n_photos"]),
        clean_top1=float(damaged["clean_top1"]),
        mean_top1=float(damaged["mean_top1"]),
    )
    return float(document["confidence_level"]), models, robustness


def _model(row: Mapping[str, Any]) -> ModelFigures:
    top1, macro_f1, ece = (_measured(row, key) for key in ("top1", "macro_f1", "ece"))
    return ModelFigures(
        name=str(row["name"]), title=str(row["title"]), top1=top1, macro_f1=macro_f1, ece=ece,
        ece_equal_mass=float(row["ece_equal_mass"]), brier=float(row["brier"]),
        nll=float(row["nll"]),
    )  # fmt: skip


def _measured(document: Mapping[str, Any], key: str) -> Estimate:
    low, high = document[f"{key}_interval"]
    return Estimate(float(document[key]), float(low), float(high))


def _scores(metrics: Mapping[str, Any]) -> dict[str, tuple[float, int]]:
    """F1 and number of photos by class."""
    per_class = metrics["per_class"].items()
    return {name: (float(score["f1"]), int(score["support"])) for name, score in per_class}


def _threshold(document: Mapping[str, Any]) -> ThresholdFacts:
    on_test, unknown = document["test"]["recommended"], document.get("unknown")
    guaranteed, missing = document["guaranteed_threshold"], document["guarantee"]["photos_missing"]
    has_accepted = on_test["accept_accuracy"] is not None
    return ThresholdFacts(
        recommended=float(document["recommended_threshold"]),
        target=float(document["target_accept_accuracy"]),
        guaranteed=None if guaranteed is None else float(guaranteed),
        photos_missing=None if missing is None else int(missing),
        coverage=_measured(on_test, "coverage"),
        accept_accuracy=_measured(on_test, "accept_accuracy") if has_accepted else None,
        kept=on_test["kept"] is True if has_accepted else None,
        unknown_accepted=None if unknown is None else _measured(unknown, "accepted_share"),
    )


def _speed(performance: Mapping[str, Any], width_px: int, height_px: int) -> SpeedFacts:
    estimate, memory_mb = performance["estimated_latency"], performance["peak_memory_mb"]
    return SpeedFacts(
        size_bytes=int(performance["size_bytes"][MODEL_FILE]),
        width_px=width_px,
        height_px=height_px,
        multiply_adds=int(performance["multiply_adds"]),
        estimate_ms=float(estimate["milliseconds"]),
        estimate_device=f"{estimate['device']}, {estimate['threads']} threads",
        latency_ms={
            n_threads: (float(times["median"]), float(times["p95"]))
            for n_threads, times in performance["latency_ms"][MODEL_FILE].items()
        },
        memory_mb=None if memory_mb[MODEL_FILE] is None else float(memory_mb[MODEL_FILE]),
    )


def _environment(metadata: Mapping[str, Any]) -> dict[str, str]:
    machine = metadata["machine"]
    return {
        "Python": str(metadata["python"]),
        **_texts(metadata["packages"]),
        **{name: str(machine[key]) for key, name in _MACHINE.items()},
        "compute threads": str(metadata["compute_threads"]),
        "git revision": str(metadata["git_revision"] or "unknown"),
    }


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _answers(folder: Path) -> list[Answer]:
    """Each row of predictions.csv, with the digest that test.csv has of the same photo."""
    path = folder / PREDICTIONS_CSV
    photos = read_photos(folder / _TEST_CSV)
    with path.open(encoding="utf-8", newline="") as file, _undamaged(path):
        rows = [
            (row["filepath"], row["label_name"], row["predicted_name"], float(row["confidence"]))
            for row in csv.DictReader(file)
        ]
    if [row[:2] for row in rows] != [(p.filepath, p.label_name) for p in photos]:
        raise ArtifactError(
            f"{path} must have the photos of {_TEST_CSV}, row by row; it has others: "
            "take both files from one run."
        )
    return [
        Answer(filepath, label, photo.digest, predicted, confidence)
        for (filepath, label, predicted, confidence), photo in zip(rows, photos, strict=True)
    ]
