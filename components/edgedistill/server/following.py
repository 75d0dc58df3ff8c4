"""Follows a run to its end: a line when a task's state changes, and how it ended."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from edgedistill.console import Console
from edgedistill.server.answers import UnreachableError
from edgedistill.server.connection import Connection

_QUIETEST_S = 15.0
_GROWTH = 1.3


class Outcome(IntEnum):
    """How a run ended, as the exit status of the command; 2 is what a user can mend."""

    SUCCEEDED = 0
    FAILED = 1
    CANCELLED = 4
    TIMED_OUT = 5


_OUTCOMES = {
    "SUCCEEDED": Outcome.SUCCEEDED,
    "FAILED": Outcome.FAILED,
    "SKIPPED": Outcome.FAILED,
    "CANCELED": Outcome.CANCELLED,
}
_WORDS = {"CANCELED": "cancelled", "CANCELING": "being cancelled"}


@dataclass(frozen=True)
class Pace:
    """How often a run is looked at, and how long it may go unseen, in seconds."""

    first_s: float = 1.0
    unseen_s: float = 900.0


def follow(
    connection: Connection,
    run_id: str,
    titles: Mapping[str, str],
    console: Console,
    *,
    timeout_s: float,
    pace: Pace | None = None,
) -> Outcome:
    """Shows the run until it ends, or `timeout_s` have passed; 0 is no limit.

    A server that is away for a while, as when it is updated, does not end it.

    Args:
        connection: the server.
        run_id: the run.
        titles: what the dashboard calls each task, by the task's name; other nodes are not shown.
        console: where the lines go.
        timeout_s: how long it is followed, in seconds.
        pace: how often the server is asked.

    Raises:
        ServerError: the server refuses to say, or is away too long.
    """
    pace = pace or Pace()
    started = seen = time.monotonic()
    shown = _Shown(titles, console)
    wait_s = pace.first_s
    while True:
        try:
            run = connection.call(
                f"say how run {run_id} goes",
                lambda: connection.client.get_run(run_id),
                again=False,
            )
        except UnreachableError as error:
            if time.monotonic() - seen > pace.unseen_s:
                raise
            shown.say_once(f"{error} The run goes on meanwhile.")
        else:
            seen = time.monotonic()
            shown.show(run)
            if run.state in _OUTCOMES:
                console.text(_ending(run, time.monotonic() - started, shown.failures))
                return _OUTCOMES[run.state]
        left_s = math.inf if not timeout_s else timeout_s - (time.monotonic() - started)
        if left_s <= 0:
            console.text(f"Not ended after {timeout_s:g} s; the run goes on.")
            return Outcome.TIMED_OUT
        time.sleep(min(wait_s, left_s))
        wait_s = min(wait_s * _GROWTH, _QUIETEST_S)  # a training takes hours


class _Shown:
    """What was said of a run already."""

    def __init__(self, titles: Mapping[str, str], console: Console):
        self._titles = titles
        self._console = console
        self._states: dict[str, str] = {}
        self._last_said = ""
        self.failures: list[str] = []

    def say_once(self, text: str) -> None:
        """Shows a line, unless it is the last one that was."""
        if text != self._last_said:
            self._console.line(text)
        self._last_said = text

    def _title(self, name: str) -> str | None:
        """The task's title, also where a server calls it so already; None for other nodes."""
        return self._titles.get(name) or (name if name in self._titles.values() else None)

    def show(self, run: Any) -> None:
        """Shows each task whose state is another than at the last look."""
        self._last_said = ""
        details = run.run_details.task_details if run.run_details else None
        for task in details or ():
            title = self._title(task.display_name)
            if title is None or not task.state or self._states.get(task.task_id) == task.state:
                continue
            self._states[task.task_id] = task.state
            self._console.line(f"{title}: {_word(task.state)}{_seconds(task)}")
            if task.state == "FAILED":
                reason = task.error.message if task.error and task.error.message else ""
                self.failures.append(f"{title}: {reason}" if reason else title)


def _ending(run: Any, seconds: float, failures: list[str]) -> str:
    line = f"Run {_word(run.state)}, followed for {seconds:.0f} s."
    if run.state == "SUCCEEDED":
        return line
    reason = run.error.message if run.error and run.error.message else ""
    causes = failures or ([reason] if reason else [])
    return "\n".join([line, *(f"  {cause}" for cause in causes)])


def _word(state: str) -> str:
    return _WORDS.get(state, state.lower())


def _seconds(task: Any) -> str:
    """How long an ended task took, "" for one that has not ended or does not say."""
    start, end = task.start_time or task.create_time, task.end_time
    if not start or not end or end < start:  # what has not ended may end at the epoch
        return ""
    return f", {(end - start).total_seconds():.0f} s"
