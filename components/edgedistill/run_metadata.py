"""What run_metadata.json says of a run: when, where and with what it was done, and what came out.

Its digests are what a repetition of the run is held against: one of each part of the run that
decides the parts after it.
"""

import csv
import hashlib
import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edgedistill import reuse
from edgedistill.artifacts import (
    CALIB_CSV,
    DATASET_MANIFEST,
    MODEL_FILE,
    NETWORK,
    PACKED_DATASET,
    SPLITS,
    TEACHERS,
    split_csv,
)
from edgedistill.declaration import Value
from edgedistill.file_sums import file_sum
from edgedistill.machine import available_cores, gpu_names, processor_name
from edgedistill.runs import FinishedRun


@dataclass(frozen=True)
class Part:
    """A part of a run that decides the parts after it.

    `output` is what its step calls the folder that `digest` reads; `artifact` what the run does.
    """

    name: str
    step: str
    output: str
    artifact: str
    digest: Callable[[Path], str]


def _teachers_digest(folder: Path) -> str:
    """Over each teacher's name and weights, in their order."""
    archs = TEACHERS.read(folder)["archs"]
    lines = [f"{arch} {NETWORK.read(folder / arch)['weights_sha256']}\n" for arch in archs]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


PARTS = (
    Part("data", "scan", "catalog", "catalog",
         lambda folder: str(DATASET_MANIFEST.read(folder)["digest"])),
    Part("split", "split", "train", "train",
         lambda folder: str(PACKED_DATASET.read(folder)["split_digest"])),
    Part("teacher", "teacher", "model", "teacher", _teachers_digest),
    Part("student", "distiller", "model", "student",
         lambda folder: str(NETWORK.read(folder)["weights_sha256"])),
    Part("file", "qat_export", "tflite", "tflite", lambda folder: file_sum(folder / MODEL_FILE)),
)  # fmt: skip
"""In the order in which a run does them."""


def run_metadata(
    run: FinishedRun, folder: Path, settings: Mapping[str, Value], started: datetime
) -> dict[str, Any]:
    """The content of run_metadata.json.

    Args:
        run: the digests are those of its artifacts, whichever run made them.
        folder: the output folder, which holds the manifest and the splits' tables already.
        settings: every setting with its value.
        started: when.

    Raises:
        ArtifactError: a step left out a file that it promised.
    """
    return {
        "started_utc": started.astimezone(UTC).isoformat(timespec="seconds"),
        "finished_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        **(run.environment or environment()),
        "seed": settings["seed"],
        "compute_threads": reuse.compute_threads(settings),
        "digests": {part.name: part.digest(run.artifacts[part.artifact]) for part in PARTS},
        "counts": _counts(folder),
        "seconds": {step.name: step.seconds for step in run.steps},
        "reused_steps": [step.name for step in run.steps if step.reused],
    }


def environment() -> dict[str, Any]:
    """Versions, machine and git revision: what decides a result beside data and settings."""
    return {
        "python": platform.python_version(),
        "packages": reuse.package_versions(),
        "machine": _machine(),
        "git_revision": git_revision(Path(__file__).parent),
    }


def git_revision(folder: Path) -> str | None:
    """The commit that `folder` stands at, with "-dirty" where files differ; None without git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()


def _machine() -> dict[str, Any]:
    return {
        "system": platform.platform(),
        "processor": processor_name(),
        "gpus": ", ".join(gpu_names()) or "none",
        "n_cpus": os.cpu_count(),
        "n_cpus_usable": available_cores(),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
    }


def _counts(folder: Path) -> dict[str, int]:
    """Photos, bad files and classes, and the photos of each split; `calib` where there is one."""
    manifest = DATASET_MANIFEST.read(folder)
    counts = {
        "photos": manifest["n_photos"],
        "bad_files": manifest["n_bad_files"],
        "classes": len(manifest["classes"]),
    }
    tables = {split: folder / split_csv(split) for split in SPLITS}
    if (folder / CALIB_CSV).exists():
        tables["calib"] = folder / CALIB_CSV
    for split, table in tables.items():
        with table.open(encoding="utf-8", newline="") as file:
            counts[split] = sum(1 for _ in csv.reader(file)) - 1
    return counts
