"""Output folders of finished runs as `pipeline.py run` leaves them, for tests that compare them."""

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgedistill.artifacts import (
    EVALUATION,
    GATE,
    METRICS,
    MODEL_METADATA,
    PERFORMANCE,
    PREDICTIONS_CSV,
    QUANTIZATION,
    RUN_METADATA,
    THRESHOLD,
    TRAINING_CONFIG,
    split_csv,
    write_labels,
)
from edgedistill.datasets import Photo, write_photos
from edgedistill.presets import resolve
from tests import example_documents

CLASSES = ("cup", "fork", "mug")


@dataclass(frozen=True)
class Said:
    """A test photo, and what a run's file said of it; its pixels follow its place, if not given."""

    filepath: str
    label_name: str
    predicted_name: str
    confidence: float = 0.9
    pixels: str = ""

    @property
    def digest(self) -> str:
        return hashlib.sha256((self.pixels or self.filepath).encode()).hexdigest()


@dataclass(frozen=True)
class Run:
    """What a run left; the parts of its documents that a test is about can be set."""

    said: Sequence[Said]
    classes: Sequence[str] = CLASSES
    settings: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    threshold: Mapping[str, Any] = field(default_factory=dict)
    performance: Mapping[str, Any] = field(default_factory=dict)
    gate: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    f1: Mapping[str, float] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True)
        write_labels(folder, list(self.classes))
        self._write_answers(folder)
        METRICS.write(folder, self._metrics())
        EVALUATION.write(folder, {**evaluation(self.top1, **self.figures), **self.evaluation})
        THRESHOLD.write(folder, {**threshold(), **self.threshold})
        GATE.write(folder, {
            "ship": True, "reasons": [], "min_top1": 0.0, "max_regression": 1.0, "baseline": None,
            **self.gate,
        })  # fmt: skip
        PERFORMANCE.write(folder, example_documents.performance(**self.performance))
        QUANTIZATION.write(folder, example_documents.quantization())
        MODEL_METADATA.write(folder, {
            **dict.fromkeys(MODEL_METADATA.keys), "input": {"width": 240, "height": 240},
        })  # fmt: skip
        settings = {**resolve({"data_dir": "/photos"}), **self.settings}
        TRAINING_CONFIG.write(folder, {"settings": settings})
        RUN_METADATA.write(folder, {**run_metadata(**self.machine), **self.metadata})
        return folder

    @property
    def top1(self) -> float:
        return sum(s.predicted_name == s.label_name for s in self.said) / len(self.said)

    def _metrics(self) -> dict[str, Any]:
        counts = {name: sum(s.label_name == name for s in self.said) for name in self.classes}
        return {
            **dict.fromkeys(METRICS.keys),
            "n_test": len(self.said),
            "per_class": {
                name: {"precision": 0.5, "recall": 0.5, "f1": self.f1.get(name, 0.5),
                       "support": counts[name]}
                for name in self.classes
            },
        }  # fmt: skip

    def _write_answers(self, folder: Path) -> None:
        index = {name: i for i, name in enumerate(self.classes)}
        write_photos(folder / split_csv("test"), (
            Photo(s.filepath, index[s.label_name], s.label_name, 30, 40, s.digest, "test",
                  data_dir="/photos")
            for s in self.said
        ))  # fmt: skip
        with (folder / PREDICTIONS_CSV).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("filepath", "label_index", "label_name", "predicted_index",
                             "predicted_name", "confidence"))  # fmt: skip
            for s in self.said:
                writer.writerow((s.filepath, index[s.label_name], s.label_name,
                                 index[s.predicted_name], s.predicted_name,
                                 f"{s.confidence:.6f}"))  # fmt: skip


def evaluation(top1: float, **figures: float) -> dict[str, Any]:
    """evaluation.json of a file of that accuracy and a teacher of 95 %."""
    return {
        **dict.fromkeys(EVALUATION.keys),
        "confidence_level": 0.95,
        "models": [model("teacher", "teacher", 0.95), model("file", "int8 file", top1, **figures)],
        "robustness": None,
    }


def model(name: str, title: str, top1: float, **figures: float) -> dict[str, Any]:
    """A model of evaluation.json, each interval 2 points to either side, within [0, 1]."""
    found = {"top1": top1, "macro_f1": 0.8, "ece": 0.04, **figures}
    intervals = {f"{k}_interval": [max(0.0, v - 0.02), min(1.0, v + 0.02)]
                 for k, v in found.items()}  # fmt: skip
    return {
        "name": name, "title": title, **found, **intervals, "ece_equal_mass": 0.05, "brier": 0.125,
        "nll": 0.375,
    }  # fmt: skip


def threshold(**of_test: Any) -> dict[str, Any]:
    """threshold_recommendation.json: 0.61 is recommended, 31 photos are missing for a guarantee."""
    recommended = {
        "threshold": 0.61, "n_accepted": 8, "n_correct": 8, "accept_accuracy": 0.96,
        "accept_accuracy_interval": [0.91, 0.99], "coverage": 0.8, "coverage_interval": [0.7, 0.9],
        "kept": True, **of_test,
    }  # fmt: skip
    return {
        **dict.fromkeys(THRESHOLD.keys),
        "recommended_threshold": 0.61,
        "target_accept_accuracy": 0.95,
        "guaranteed_threshold": None,
        "guarantee": {"photos_missing": 31},
        "test": {"recommended": recommended, "guaranteed": None},
    }


def run_metadata(**machine: Any) -> dict[str, Any]:
    """run_metadata.json of a run on two cores."""
    return {
        **dict.fromkeys(RUN_METADATA.keys),
        "finished_utc": "2026-01-01T11:00:00+00:00",
        "python": "3.11.9",
        "packages": {"numpy": "2.4.6", "tensorflow": "2.21.0"},
        "machine": {
            "system": "Linux", "processor": "any", "gpus": "none", "n_cpus": 2, "n_cpus_usable": 2,
            "memory_bytes": 8_000_000_000, **machine,
        },
        "git_revision": "a1",
        "compute_threads": 2,
        "digests": dict.fromkeys(("data", "split", "teacher", "student", "file"), "0" * 64),
    }  # fmt: skip
