"""What a finished local run hands on: where its artifacts lie, and how each step went."""

from dataclasses import dataclass
from pathlib import Path

from edgedistill.json_file import JsonFile

STEP_RECORD = JsonFile("step.json", 1, frozenset({"step", "started_utc", "seconds"}))
"""Beside a step's outputs once it succeeded, written by the run that did it."""

STEP_LOG = "log.txt"


@dataclass(frozen=True)
class FinishedStep:
    """One step of a run that succeeded; `folder` holds its log and its record."""

    name: str
    folder: Path
    reused: bool

    @property
    def seconds(self) -> float:
        """Wall seconds of the run that did the step."""
        return float(STEP_RECORD.read(self.folder)["seconds"])

    @property
    def log(self) -> str:
        """What the step wrote while it ran."""
        return (self.folder / STEP_LOG).read_text(encoding="utf-8")


@dataclass(frozen=True)
class FinishedRun:
    """A run that succeeded: the folders of its declared outputs by name, its steps in order."""

    artifacts: dict[str, Path]
    steps: list[FinishedStep]
