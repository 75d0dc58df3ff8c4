"""A progress bar, shown where somebody watches."""

import os
import sys
from typing import Any

from tqdm import tqdm

from edgedistill.logs import PROGRESS_VARIABLE


def bar_wanted() -> bool:
    """Whether this process writes to a terminal, or to a local run that has one."""
    return sys.stderr.isatty() or PROGRESS_VARIABLE in os.environ


def progress_bar(description: str, *, total: int, unit: str, done: int = 0) -> "tqdm[Any]":
    """A bar that its user moves on by `update`; it shows nothing where none is wanted."""
    return tqdm(
        total=total, initial=done, desc=description, unit=f" {unit}", leave=False, ncols=72,
        disable=not bar_wanted(),
    )  # fmt: skip
