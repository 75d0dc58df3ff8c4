"""What a finished local run hands on: where its artifacts lie, and how each step went."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgedistill.errors import ArtifactError
from edgedistill.json_file import JsonFile

STEP_RECORD = JsonFile("step.json", 1, frozenset({"step", "started_utc", "seconds"}))
"""Beside a step's outputs once it succeeded, written by the run that did it."""

STEP_LOG = "log.txt"

_KEPT_BY_KFP = "executor_output.json"
"""Beside a step's outputs: what KFP keeps of them."""


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
    """A run that succeeded: the folders of its declared outputs by name, its steps in order.

    `environment`: as `run_metadata.environment` gives it, of the image that the steps ran in; None
    where they ran in this Python.
    """

    artifacts: dict[str, Path]
    steps: list[FinishedStep]
    environment: Mapping[str, Any] | None = None

    def metadata(self, artifact: str) -> dict[str, Any]:
        """What the component wrote into the metadata of its output, as KFP keeps it.

        Args:
            artifact: its name in `artifacts`, which is also that of the step's output.

        Raises:
            ArtifactError: KFP's record of the step is missing.
        """
        path = self.artifacts[artifact].parent / _KEPT_BY_KFP
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ArtifactError(f"{path} is missing; did its step finish?") from None
        (output,) = kept["artifacts"][artifact]["artifacts"]
        return dict(output["metadata"])
