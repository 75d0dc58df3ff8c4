"""Whether a run can be repeated: what it wrote of itself, held against what a repetition gives.

Only digests are compared, and each as soon as its step is done: a difference ends the repetition,
since all that follows is made from what differs.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgedistill.artifacts import MODEL_FILE, RUN_METADATA, TRAINING_CONFIG
from edgedistill.declaration import Value
from edgedistill.errors import ArtifactError, EdgedistillError, SettingError, StorageError
from edgedistill.file_sums import file_sum
from edgedistill.output_folder import check_apart
from edgedistill.presets import resolve
from edgedistill.run_metadata import PARTS, environment
from edgedistill.settings import all_settings

_SAME, _DIFFERS, _NOT_REACHED = "same", "differs", "not reached"

_MEANINGS = {
    "data": "files, labels or pixels of the photos are others than in that run.",
    "split": "the same photos were divided in another way.",
    "teacher": "the same photos taught it other weights.",
    "student": "the same photos and teacher gave it other weights.",
    "file": "the same student became another file.",
}
"""By part, what it means where it is the first to differ."""

_OF_THE_MACHINE = {"processor": "processor", "gpus": "GPUs"}
"""By key in run_metadata.json: what of the machine may change a result, as users call it."""


class Judged(Exception):  # noqa: N818 - no error: nothing that is left to do can change the verdict
    """Ends a repetition as soon as its verdict is known."""


@dataclass(frozen=True)
class RecordedRun:
    """What a finished run wrote of itself.

    `made_with` is its whole run_metadata.json, in which `environment` can be read.
    """

    output_dir: Path
    settings: dict[str, Value]
    compute_threads: int
    digests: dict[str, str]
    made_with: Mapping[str, Any]

    @classmethod
    def read(cls, output_dir: Path) -> "RecordedRun":
        """Reads it, and sees that the folder still holds the file that the run wrote.

        Raises:
            SettingError: the folder holds no finished run, or one with settings that this version
                does not have.
            ArtifactError: what it wrote is damaged, changed since, or of another version.
        """
        if not all((output_dir / file.name).is_file() for file in (TRAINING_CONFIG, RUN_METADATA)):
            raise SettingError(
                f"verify needs the output folder of a finished run; {output_dir} holds none."
            )
        metadata = RUN_METADATA.read(output_dir)
        digests, threads = metadata["digests"], metadata["compute_threads"]
        if damaged := _damaged_key(metadata):
            raise ArtifactError(f"{output_dir / RUN_METADATA.name} is damaged: its {damaged}.")
        if file_sum(output_dir / MODEL_FILE) != digests["file"]:
            raise ArtifactError(
                f"{output_dir / MODEL_FILE} must be the file whose SHA-256 stands in "
                f"{RUN_METADATA.name}; it was changed since: nothing can be said of the run."
            )
        return cls(output_dir, _settings(output_dir), threads, digests, metadata)

    def settings_again(self, data_dir: str | None) -> dict[str, Value]:
        """The settings of its repetition: the same, but nothing is left anywhere else.

        Args:
            data_dir: where the photos are now; None: where they were.

        Raises:
            SettingError: a value is not allowed, or the photos and the run lie inside each other.
        """
        changed: dict[str, Value] = {
            "compute_threads": self.compute_threads,
            # Other trainings' states may lie there, this run's own among them.
            "checkpoint_uri": "",
            "export_uri": "",
        }
        if data_dir is not None:
            changed["data_dir"] = data_dir
        settings = resolve({**self.settings, **changed})
        check_apart(self.output_dir, settings)
        return settings

    def heading(self, work: Path) -> list[str]:
        """What is about to be done, and what is not as it was and may explain a difference."""
        threads = f"{self.compute_threads} compute thread{'s' if self.compute_threads > 1 else ''}"
        lines = [f"Repeats the run of {self.output_dir} from nothing, with {threads}, in {work}"]
        others = self.other_environment()
        if others:
            lines.append(f"Not as in that run, if it should differ: {'; '.join(others)}.")
        return lines

    def not_judged(self, failure: str, log: Path | None) -> EdgedistillError:
        """The error for a repetition in which a step failed; its log, where it was kept."""
        hint = f"Its log: {log}" if log else "With --keep true its log stays."
        return EdgedistillError(f"{self.output_dir} could not be judged: {failure} {hint}")

    def other_environment(self) -> list[str]:
        """What is not as it was, such as "numpy 2.4.0, was 2.3.1"; it may explain a difference."""
        here, there = _named(environment()), _named(self.made_with)
        names = dict.fromkeys([*here, *there])
        return [
            f"{name} {here.get(name, 'absent')}, was {there.get(name, 'absent')}"
            for name in names
            if here.get(name) != there.get(name)
        ]


def _damaged_key(metadata: Mapping[str, Any]) -> str | None:
    """The first key whose value is of another kind than a run writes there."""
    names = {"digests": [part.name for part in PARTS], "machine": _OF_THE_MACHINE, "packages": ()}
    for key, needed in names.items():
        found = metadata[key]
        if not isinstance(found, dict) or not all(
            isinstance(found.get(name), str) for name in needed or found
        ):
            return key
    return None if type(metadata["compute_threads"]) is int else "compute_threads"


def _settings(output_dir: Path) -> dict[str, Value]:
    settings = TRAINING_CONFIG.read(output_dir)["settings"]
    known = all_settings()
    if not isinstance(settings, dict) or set(settings) != set(known):
        odd = ", ".join(sorted(set(settings) ^ set(known)))
        raise SettingError(
            f"{output_dir} comes from another version of edgedistill, with other settings ({odd}): "
            "take that version, or run again with this one."
        )
    return settings


def _named(made_with: Mapping[str, Any]) -> dict[str, str]:
    """What may change a result, by a name for the user; memory and number of cores do not."""
    machine = made_with["machine"]
    return {
        "Python": made_with["python"],
        **made_with["packages"],
        **{name: machine[key] for key, name in _OF_THE_MACHINE.items()},
        "git revision": made_with["git_revision"] or "unknown",
    }


class Comparison:
    """The digests of a run, held against those of its repetition as they come."""

    def __init__(self, recorded: Mapping[str, str]):
        self._recorded = recorded
        self._agrees: dict[str, bool] = {}

    def step_done(self, step: str, folder: Path) -> None:
        """Takes a step of the repetition, as `local_run.run_pipeline` tells of it.

        Raises:
            Judged: the part that the step made differs, or is the last one.
            ArtifactError: the step left out what it promised.
        """
        for part in PARTS:
            if part.step == step:
                found = part.digest(folder / part.output)
                self._agrees[part.name] = found == self._recorded[part.name]
        if self.first_difference or len(self._agrees) == len(PARTS):
            raise Judged

    @property
    def agrees(self) -> bool:
        """Whether every part was compared, and none differs."""
        return len(self._agrees) == len(PARTS) and all(self._agrees.values())

    @property
    def first_difference(self) -> str | None:
        """The first part that differs, in the order of `PARTS`."""
        return next((part.name for part in PARTS if not self._agrees.get(part.name, True)), None)

    def lines(self, output_dir: Path) -> list[str]:
        """A line for each part, and the verdict in one sentence."""
        words = {True: _SAME, False: _DIFFERS, None: _NOT_REACHED}
        table = [f"{part.name:<10}{words[self._agrees.get(part.name)]}" for part in PARTS]
        return [*table, self._verdict(output_dir)]

    def _verdict(self, output_dir: Path) -> str:
        first = self.first_difference
        if first is None:
            return f"{output_dir} was repeated: {MODEL_FILE} came out the same, byte for byte."
        place = f"{output_dir} was not repeated; the first difference is in the {first}"
        return f"{place}: {_MEANINGS[first]}"


@contextlib.contextmanager
def work_beside(output_dir: Path, *, keep: bool) -> Iterator[Path]:
    """An empty folder for the steps of a repetition, beside the run; removed, unless to be kept.

    Raises:
        StorageError: it cannot be made.
    """
    try:
        work = Path(tempfile.mkdtemp(prefix=f"{output_dir.name}.verify-", dir=output_dir.parent))
    except OSError as error:
        raise StorageError(f"{output_dir.parent} cannot be written: {error.strerror}.") from None
    try:
        yield work
    finally:
        if not keep:
            shutil.rmtree(work, ignore_errors=True)
