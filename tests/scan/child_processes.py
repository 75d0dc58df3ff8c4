"""What processes this one has, seen in /proc."""

import os
from pathlib import Path


def children() -> set[int]:
    """Processes that this one has started, also those that ended and were not waited for."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == os.getpid():
            found.add(int(stat.parent.name))
    return found
