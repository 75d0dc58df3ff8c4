"""What processes this one has, seen in /proc."""

import os
from pathlib import Path


def children() -> set[int]:
    """Processes that this one has started, also those that ended and were not waited for."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # Bytes: the kernel cuts a program's name at 15 of them, within a letter too.
            _, parent, *_ = stat.read_bytes().rpartition(b")")[2].split()
        except (OSError, ValueError):  # it ended meanwhile
            continue
        if int(parent) == os.getpid():
            found.add(int(stat.parent.name))
    return found
