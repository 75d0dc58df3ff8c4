"""A progress bar, shown where somebody watches."""

import os
import sys
from typing import Any

from tqdm import tqdm

from edgedistill.logs import PROGRESS_VARIABLE

# As tqdm's own, but that a slow rate is 0.81 steps/s and not "1.24s/ steps".
_SHOWN = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_noinv_fmt}{postfix}]"


def bar_wanted() -> bool:
    """Whether this process writes to a terminal, or to a local run that has one."""
    return sys.stderr.isatty() or PROGRESS_VARIABLE in os.environ


def progress_bar(description: str, *, total: int, unit: str, done: int = 0) -> "tqdm[Any]":
    """A bar that its user moves on by `update`; it shows nothing where none is wanted."""
    return tqdm(
        total=total, initial=done, desc=description, unit=f" {unit}", leave=False, ncols=72,
        bar_format=_SHOWN, disable=not bar_wanted(),
    )  # fmt: skip
