"""How long a TFLite file takes for an image on this machine, and how much memory; with LiteRT.

Loads no TensorFlow.
"""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edgedistill.tf.quiet import quiet_native_code

_WARM_UP_S = 0.2
_WARM_UP_RUNS = (2, 50)
_RUNS = (5, 500)
_N_IMAGES = 8
_MEMORY_RUNS = 3
_PROCESS_LIMIT_S = 300
# The child sees the modules that this process sees, wherever they were installed.
_MEMORY_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from edgedistill.tf.latency import print_memory_growth; print_memory_growth(sys.argv[1])"
)
_MB = 10**6


@dataclass(frozen=True)
class Latency:
    """Time for one image, over `n_runs` of them, in milliseconds."""

    median_ms: float
    p95_ms: float
    n_runs: int


def measure_latency(model_path: Path, *, n_threads: int, seconds: float = 2.0) -> Latency:
    """Times one image after the other, each copied in and its answer read, as an app does.

    Decoding, letterbox and quantisation of the photo are not in it. The file is warmed up first.

    Args:
        model_path: a TFLite file of one input of 8-bit integers and one output.
        n_threads: threads of the interpreter, at least 1.
        seconds: how long to go on: 500 images are enough however fast they were, and 5 are taken
            however slow.

    Raises:
        ValueError: n_threads is below 1, or the input is not of 8-bit integers.
    """
    if n_threads < 1:
        raise ValueError(f"n_threads must be at least 1; got {n_threads}")
    with quiet_native_code():
        model = _LoadedModel(model_path, n_threads)
        images = _noise(model)
        _times_ms(model, images, _WARM_UP_S, *_WARM_UP_RUNS)
    times = _times_ms(model, images, seconds, *_RUNS)
    median, p95 = np.percentile(times, [50, 95])
    return Latency(float(median), float(p95), len(times))


def peak_memory_mb(model_path: Path) -> float | None:
    """By how much loading and running the file raises the peak of a process's resident memory.

    Measured in a fresh process with one thread: the file, the tensors, what the kernels keep of
    the weights, and the code of LiteRT that is read in for it.

    Returns:
        MB of 10**6 bytes; None where the system does not tell: it has no /proc, as only Linux has.

    Raises:
        RuntimeError: the process failed; the message holds what it said last.
    """
    command = [sys.executable, "-P", "-c", _MEMORY_PROGRAM, str(model_path), *sys.path]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_PROCESS_LIMIT_S, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["nothing"]
        raise RuntimeError(
            f"the process that measures the memory of {model_path} ended with status "
            f"{done.returncode}; it said last: {said[0]}"
        )
    # Whatever a library may print, the figure comes last.
    growth_bytes = done.stdout.split()[-1]
    return None if growth_bytes == "None" else int(growth_bytes) / _MB


def print_memory_growth(model_path: str) -> None:
    """In the process of `peak_memory_mb`: runs the file and prints the growth, or None."""
    before = _resident_bytes("VmRSS")
    model = _LoadedModel(Path(model_path), n_threads=1)
    black = np.zeros(model.input_shape, model.input_dtype)
    for _ in range(_MEMORY_RUNS):
        model.run(black)
    # Not getrusage: its ru_maxrss begins with the peak of the process that this one came from,
    # which is gigabytes where that is a training.
    after = _resident_bytes("VmHWM")
    growth = None if before is None or after is None else after - before
    sys.stdout.write(f"{growth}\n")


def _resident_bytes(name: str) -> int | None:
    """VmRSS, what is resident now, or VmHWM, the most there was."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    _, found, rest = status.partition(f"{name}:")
    return int(rest.split()[0]) * 1024 if found else None


class _LoadedModel:
    """An interpreter with its tensors in place."""

    def __init__(self, model_path: Path, n_threads: int):
        self._interpreter: Any = Interpreter(str(model_path), num_threads=n_threads)
        self._interpreter.allocate_tensors()
        (entry,) = self._interpreter.get_input_details()
        (end,) = self._interpreter.get_output_details()
        self._entry, self._end = entry["index"], end["index"]
        self.input_shape = tuple(int(n) for n in entry["shape"])
        self.input_dtype = np.dtype(entry["dtype"])
        if self.input_dtype not in (np.int8, np.uint8):
            raise ValueError(f"the input must be of type int8 or uint8; got {self.input_dtype}")

    def run(self, image: NDArray[Any]) -> NDArray[Any]:
        """The answer for an image, as the file gives it."""
        self._interpreter.set_tensor(self._entry, image)
        self._interpreter.invoke()
        answer: NDArray[Any] = self._interpreter.get_tensor(self._end)
        return answer


def _noise(model: _LoadedModel) -> NDArray[Any]:
    """Images to show in turn, so that none finds the caches as it left them itself."""
    shape = (_N_IMAGES, *model.input_shape)
    values = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return values.view(model.input_dtype)


def _times_ms(
    model: _LoadedModel, images: NDArray[Any], seconds: float, fewest: int, most: int
) -> list[float]:
    """Milliseconds of each run, until the seconds are over or there are enough."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < fewest or (len(times) < most and time.perf_counter() < end):
        image = images[len(times) % len(images)]
        begun = time.perf_counter_ns()
        model.run(image)
        times.append((time.perf_counter_ns() - begun) / 1e6)
    return times
