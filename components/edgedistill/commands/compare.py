"""The command `compare`: finished runs in, a page and a few lines out."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from edgedistill.arguments import CompareArguments, read_compare_arguments
from edgedistill.comparison import compare_runs
from edgedistill.console import Console
from edgedistill.errors import SettingError, StorageError
from edgedistill.folders import write_file
from edgedistill.report.compare_page import TITLE, render_compare_page, summary_lines

_HEAD_CHARACTERS = 2000
"""Within so many the title of a page stands."""


def command(words: Sequence[str]) -> int:
    """Writes a page that holds finished runs against the first of them; gives 0."""
    wanted = read_compare_arguments(words)
    Console(sys.stdout).text("\n".join(write_comparison(wanted)))
    return 0


def write_comparison(wanted: CompareArguments) -> list[str]:
    """Compares the runs and writes the page, whole or not at all; gives the lines to show.

    Raises:
        SettingError: a run cannot be compared, or the page would replace another file.
        ArtifactError: a run's file is damaged or of another version.
        StorageError: the page cannot be written.
    """
    try:
        _check_output(wanted.output, overwrite=wanted.overwrite)
        facts = compare_runs(wanted.folders)
        write_file(wanted.output, render_compare_page(facts))
    except OSError as error:
        raise StorageError(f"{error.filename} cannot be used: {error.strerror}.") from None
    return [*summary_lines(facts), f"\nPage: {wanted.output}"]


def _check_output(output: Path, *, overwrite: bool) -> None:
    """Refuses a place that the page cannot take, before any run is read."""
    if output.exists() and not output.is_file():
        raise SettingError(f"output must be a file; {output} is none.")
    parent = next(p for p in output.parents if p.exists())
    if not parent.is_dir():
        raise SettingError(f"output cannot be made: {parent} is a file.")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise SettingError(f"output cannot be written: no permission to write {parent}.")
    if output.exists() and not overwrite and not _is_page(output):
        raise SettingError(
            f"{output} is no page of compare: choose another --output, or add --overwrite true."
        )


def _is_page(path: Path) -> bool:
    """Whether an earlier comparison wrote it."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return f"<title>{TITLE}</title>" in file.read(_HEAD_CHARACTERS)
