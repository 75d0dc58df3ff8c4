"""The steps of one local run: starts each that KFP asks for, shows it, keeps its log and record."""

import contextlib
import itertools
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TextIO

from edgedistill import logs
from edgedistill.console import Console
from edgedistill.errors import USER_ERROR_STATUS
from edgedistill.interruption import STOPPED_MARK, STOPPED_STATUS
from edgedistill.processes import GRACE_S, Lines, run_logged
from edgedistill.runs import STEP_LOG, STEP_RECORD, FinishedStep

StepDone = Callable[[str, Path], None]
"""Told of each step that has just been done: its name, and the folder that its outputs lie in."""


class Launch(Protocol):
    """Runs one step's command to its end; gives its exit status."""

    def __call__(
        self,
        command: Sequence[str],
        variables: Mapping[str, str],
        lines: Lines,
        on_wait: Callable[[], None],
    ) -> int:
        """Args:
        variables: of the step's own, beside those of the place that it runs at; TMPDIR is a
            folder of this machine that the step may fill.
        lines: gets the step's output.
        on_wait: called where a step that is asked to end takes its time.
        """
        ...


def as_process(
    command: Sequence[str],
    variables: Mapping[str, str],
    lines: Lines,
    on_wait: Callable[[], None],
) -> int:
    """Runs a step as a process of this machine; see `Launch`."""
    return run_logged(command, {**os.environ, **variables}, lines, on_wait)


_INPUT_FLAG = "--executor_input"
_METRICS_TYPES = ("system.Metrics", "system.ClassificationMetrics")


class StepFailedError(Exception):
    """A step ended with another exit status than 0; the message is the step's own last line."""

    def __init__(self, step: str, reason: str, log: Path, *, user_can_mend: bool):
        super().__init__(f"{step} failed: {reason}")
        self.log = log
        self.user_can_mend = user_can_mend


class StepStoppedError(Exception):
    """SIGTERM ended a step, and not by way of this run."""

    def __init__(self, sentence: str, log: Path):
        super().__init__(sentence)
        self.log = log


class Steps:
    """The steps of one run in order: starts each that KFP asks for, and tells what was reused.

    `planned`: each step's name by its place in a run's folder, in the order of running.
    `parameters`: values that steps take in place of those that KFP was given.
    """

    def __init__(
        self,
        planned: Mapping[str, str],
        console: Console,
        *,
        environment: Mapping[str, str],
        parameters: Mapping[str, Any],
        step_done: StepDone | None = None,
    ):
        self._planned = planned
        self._order = list(planned.values())
        self._console = console
        self._environment = environment
        self._parameters = parameters
        self._step_done = step_done
        self._shown: list[str] = []
        self._ran: dict[str, Path] = {}

    @property
    def folders(self) -> set[Path]:
        """Of the steps that were done and not reused, the folders that their outputs lie in."""
        return set(self._ran.values())

    def run(
        self,
        full_command: list[str],
        env_vars: dict[str, str] | None = None,
        launch: Launch = as_process,
    ) -> int:
        """Runs one step to its end. Has the signature of a function of KFP that it replaces."""
        wanted = _StepCommand(full_command)
        step = self._name(wanted.folder)
        self._show_reused(before=step)
        self._show(step)
        wanted.folder.mkdir(parents=True, exist_ok=True)
        log = wanted.folder / STEP_LOG
        started, start = datetime.now(UTC), time.monotonic()
        with log.open("w", encoding="utf-8") as file, _scratch_folder() as scratch:
            variables = {
                **(env_vars or {}),
                "PYTHONUNBUFFERED": "1",
                "PYTHONUTF8": "1",
                "TMPDIR": scratch,
                **self._environment,
                **({logs.PROGRESS_VARIABLE: "1"} if self._console.is_terminal else {}),
            }
            output = _StepOutput(self._console, file)
            status = launch(
                wanted.with_parameters(self._parameters),
                variables,
                Lines(output.line, self._console.progress),
                self._tell_wait,
            )
        if status in (-signal.SIGTERM, STOPPED_STATUS):  # the shell's, or that of the step in it
            raise StepStoppedError(f"{step}: {_how_stopped(output.last)}", log)
        if status != 0:
            raise StepFailedError(
                step, _reason(status, output.last), log,
                user_can_mend=status == USER_ERROR_STATUS,
            )  # fmt: skip
        seconds = time.monotonic() - start
        wanted.give_metrics_a_file()
        STEP_RECORD.write(
            wanted.folder,
            {
                "step": step,
                "started_utc": started.isoformat(timespec="seconds"),
                "seconds": round(seconds, 2),
            },
        )
        self._ran[step] = wanted.folder
        self._console.line(f"done in {seconds:.1f} s")
        if self._step_done is not None:
            self._step_done(step, wanted.folder)
        return 0

    def finish(self, folders: Collection[Path]) -> list[FinishedStep]:
        """Tells of the reused steps that are left, and gives all steps; `folders` are theirs."""
        self._show_reused(before=None)
        by_name = {self._name(folder): folder for folder in folders}
        return [FinishedStep(s, by_name[s], reused=s not in self._ran) for s in self._order]

    def _name(self, folder: Path) -> str:
        """The name of the step whose outputs lie in a folder of a run, be it an earlier one."""
        places = [p for p in self._planned if f"/{folder.as_posix()}".endswith(f"/{p}")]
        return self._planned[max(places, key=len)]

    def _tell_wait(self) -> None:
        self._console.line(f"ending; a training saves its state first, {GRACE_S:.0f} s at most")

    def _show_reused(self, before: str | None) -> None:
        for step in self._order:
            if step == before:
                return
            if step not in self._shown:
                self._show(step)
                self._console.line("reused from an earlier run")

    def _show(self, step: str) -> None:
        self._shown.append(step)
        self._console.heading(self._order.index(step) + 1, len(self._order), step)


class _StepCommand:
    """What a command line that KFP built says about the step it starts."""

    def __init__(self, full_command: list[str]):
        flags = dict(itertools.pairwise(full_command))
        self._command = full_command
        self._input = json.loads(flags[_INPUT_FLAG])
        self._outputs = self._input["outputs"]
        self.folder = Path(self._outputs["outputFile"]).parent

    def with_parameters(self, values: Mapping[str, Any]) -> list[str]:
        """The command with these values for those of its parameters that have such a name."""
        given = self._input.get("inputs", {}).get("parameterValues", {})
        given.update((name, value) for name, value in values.items() if name in given)
        place = self._command.index(_INPUT_FLAG) + 1
        return [*self._command[:place], json.dumps(self._input), *self._command[place + 1 :]]

    def give_metrics_a_file(self) -> None:
        """Makes the empty file that KFP's cache looks for; an artifact without one is redone."""
        for artifacts in self._outputs.get("artifacts", {}).values():
            for artifact in artifacts["artifacts"]:
                if artifact["type"].get("schemaTitle") in _METRICS_TYPES:
                    Path(artifact["uri"]).touch()


class _StepOutput:
    """A step's lines on their way to its log and the console.

    What KFP says in between goes to neither; a traceback goes to the log alone.
    """

    def __init__(self, console: Console, log: TextIO):
        self._console = console
        self._log = log
        self._in_dump = False
        self._in_traceback = False
        self.last = ""

    def line(self, text: str) -> None:
        """Takes one line."""
        if self._in_dump:
            self._in_dump = text != "}"
        elif text.startswith("[KFP Executor") and " INFO]: " in text:
            self._in_dump = text.endswith("Got executor_input:")
        else:
            self._log.write(f"{text}\n")
            self._log.flush()
            self.last = text.strip() or self.last
            self._show(text)

    def _show(self, text: str) -> None:
        if text.startswith("Traceback (most recent call last):"):
            self._in_traceback = True
        elif not self._in_traceback:
            self._console.line(text)
        elif not text.startswith(" "):  # the error itself ends its traceback
            self._in_traceback = False


def _how_stopped(last_line: str) -> str:
    if last_line.startswith(STOPPED_MARK):
        return last_line
    return f"{STOPPED_MARK}; the same command goes on after the last finished step."


def _reason(status: int, last_line: str) -> str:
    """Why a step ended: its last line, or the signal that ended it.

    A signal that ends Python shows as 128 + its number, because a shell stands in between.
    """
    signum = -status if status < 0 else status - 128
    if signum in set(signal.Signals):
        name = signal.Signals(signum).name
        hint = "; the machine may have run out of memory" if signum == signal.SIGKILL else ""
        return f"it was ended by {name}{hint}."
    return last_line or f"it ended with exit status {status} and said nothing."


@contextlib.contextmanager
def _scratch_folder() -> Iterator[str]:
    """A short place for temporary files: KFP leaves one a step, and sockets want a short path."""
    with tempfile.TemporaryDirectory(prefix="edgedistill-", ignore_cleanup_errors=True) as folder:
        yield folder
