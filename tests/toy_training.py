"""What a step of the toy pipeline runs in its own process when it is told to train."""

import os
import sys
import time
from pathlib import Path

import numpy as np

from edgedistill.checkpoints import checkpoints_for
from edgedistill.interruption import Stopped, heeded

IDENTITY = {"epochs": 5}


def tell_pid(pid_file: Path, pid: int) -> None:
    """Write the file whole, after all that was said: a test that sees it may stop the step."""
    sys.stdout.flush()
    unfinished = pid_file.with_name(pid_file.name + ".unfinished")
    unfinished.write_text(str(pid), encoding="utf-8")
    unfinished.rename(pid_file)


def train(pid_file: Path) -> None:
    """Five epochs, each saved; takes its time to save when it is stopped."""
    tell_pid(pid_file, os.getpid())
    states = checkpoints_for("", "toy", IDENTITY)
    assert states is not None
    found = states.latest()
    first = 0 if found is None else found.progress["epoch"] + 1
    with heeded() as stop:
        for epoch in range(first, 5):
            sys.stdout.write(f"epoch {epoch}\n")
            time.sleep(0.1)
            if stop.requested:
                time.sleep(1.5)
                sys.stdout.write("a line that has no reader must not end it\n")
                states.save({"a": np.array(epoch)}, {"epoch": epoch, "stopped": True})
                raise Stopped(f"stopped by SIGTERM in epoch {epoch}; the same command goes on")
            states.save({"a": np.array(epoch)}, {"epoch": epoch, "stopped": False})
