"""Reads a Keras file in a process of its own, which may hang or die on it.

HDF5's library is C: damaged lists of names, which Keras keeps in its "global heap", were seen to
keep it in a loop that no signal handler of Python gets out of, and a file made for the purpose may
do worse. So what it does it does elsewhere, for a limited time, and only arrays come back.
"""

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgedistill.tf.keras_weights import WantedLayer, read_keras_weights

READ_WITHIN_S = 120
"""A damaged file costs that much at most; ResNet101 with its optimiser's rows takes 2 s."""

OF_DAMAGE = (None, errno.EINVAL)
"""What an OSError has as its number where zipfile or h5py found damage; the system has others."""

_REFUSED, _NOT_READ = 3, 4
_PROGRAM = """
import sys
sys.path[:] = sys.argv[4:]
from edgedistill.tf.keras_reader import answer
sys.exit(answer(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def read_apart(
    path: Path, wanted: Sequence[WantedLayer], *, within_s: int = READ_WITHIN_S
) -> dict[str, list[NDArray[np.float32]]]:
    """As `read_keras_weights`, whatever the file does to its reader.

    Raises:
        ValueError: also where reading does not end within `within_s` seconds or kills its process.
        OSError: the file cannot be read, or what it holds finds no room among temporary files.
        RuntimeError: the reader has an error of its own; its traceback.
    """
    with tempfile.TemporaryDirectory(prefix="weights-") as folder:
        target = Path(folder) / "arrays.npz"
        question = json.dumps([[w.name, w.kind, list(w.shapes.items())] for w in wanted])
        words = [str(path), str(target), str(within_s), *sys.path]
        done = subprocess.run(
            [sys.executable, "-P", "-X", "utf8", "-c", _PROGRAM, *words],
            input=question, capture_output=True, encoding="utf-8", check=False,
        )  # fmt: skip
        if done.returncode == _REFUSED:
            raise ValueError(done.stdout)
        if done.returncode == _NOT_READ:
            code = int(done.stdout)
            raise OSError(code, os.strerror(code))
        if done.returncode == -signal.SIGALRM:
            raise ValueError(f"it is damaged: reading it did not end within {within_s} s")
        if done.returncode < 0:
            reason = signal.Signals(-done.returncode).name
            raise ValueError(f"it is damaged: reading it ended its process ({reason})")
        if done.returncode:
            raise RuntimeError(f"the reader of {path} failed:\n{done.stderr}")
        with np.load(target, allow_pickle=False) as arrays:
            return {
                layer.name: [arrays[f"{number}.{i}"] for i in range(len(layer.shapes))]
                for number, layer in enumerate(wanted)
            }


def answer(path: str, target: str, within_s: int) -> int:
    """The process' work: the question comes on standard input, the arrays go to `target`."""
    # The kernel ends this process at the alarm, even in a loop of C.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    signal.alarm(within_s)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    wanted = [
        WantedLayer(name, kind, {variable: tuple(shape) for variable, shape in shapes})
        for name, kind, shapes in json.load(sys.stdin)
    ]
    try:
        read = read_keras_weights(Path(path), wanted)
        numbered = {
            f"{number}.{i}": array
            for number, layer in enumerate(wanted)
            for i, array in enumerate(read[layer.name])
        }
        np.savez(target, **numbered)  # type: ignore[arg-type]  # its other parameter is a bool
    except (OSError, ValueError) as error:
        code = getattr(error, "errno", None)
        sys.stdout.write(str(error) if code in OF_DAMAGE else str(code))
        return _REFUSED if code in OF_DAMAGE else _NOT_READ
    return 0
