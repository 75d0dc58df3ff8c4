"""The bundle's letterbox.h, compiled: as a library for ctypes, and as programs."""

import ctypes
import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgedistill.calibrate import bundle
from edgedistill.core.letterbox import letterbox

HEADER = Path(bundle.__path__[0]) / "files" / "letterbox.h"
SOURCES = Path(__file__).parent
COMPILERS = {"gcc": ("gcc", "-std=c99"), "g++": ("g++", "-x", "c++", "-std=c++11")}
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Werror")
SANITIZED = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
TO_INSTALL = {"gcc": "gcc", "g++": "g++", "valgrind": "valgrind", "nm": "binutils"}
UNTOUCHED = 0x5A
ON_X86_64 = platform.machine() == "x86_64"


def missing(program: str) -> str:
    """Why a test that needs the program is skipped; empty where it is there."""
    if shutil.which(program):
        return ""
    return f"{program} is not installed; on Debian: apt-get install {TO_INSTALL[program]}"


def compile_source(
    source: str, to: Path, *flags: str, compiler: str = "gcc"
) -> subprocess.CompletedProcess[str]:
    """Compiles one of the C files beside this one, all warnings being errors."""
    command = [*COMPILERS[compiler], *STRICT, *flags, f"-I{HEADER.parent}", str(SOURCES / source)]
    return subprocess.run(
        [*command, "-o", str(to)], capture_output=True, text=True, check=False, timeout=120
    )


def program(source: str, to: Path, *flags: str) -> Path:
    done = compile_source(source, to, *flags)
    assert done.returncode == 0, done.stderr
    return to


class Library:
    """`edgedistill_letterbox` in a shared object, called from Python."""

    def __init__(self, to: Path, *flags: str, compiler: str = "gcc") -> None:
        done = compile_source(
            "letterbox_library.c", to, "-shared", "-fPIC", *flags, compiler=compiler
        )
        assert done.returncode == 0, done.stderr
        loaded = ctypes.CDLL(str(to))
        self.call, self.call_windows = loaded.letterbox, loaded.letterbox_windows
        address, number = ctypes.c_void_p, ctypes.c_int
        self.call.argtypes = [address, number, number, ctypes.c_size_t, number, address]
        self.call_windows.argtypes = [number, number, number, address]
        self.call_windows.restype = ctypes.c_size_t

    def letterbox(
        self, photo: NDArray[np.uint8], target: int, row_bytes: int | None = None
    ) -> NDArray[np.uint8]:
        """The square of a photo of shape (height, width, 3), or of rows of more bytes than that."""
        height, width, _ = photo.shape
        square = np.full((target, target, 3), UNTOUCHED, np.uint8)
        code = self.call(
            photo.ctypes.data, height, width, row_bytes or 3 * width, target, square.ctypes.data
        )
        assert code == 0
        return square

    def windows(self, old: int, new: int) -> list[int]:
        """For each of `new` pixels: the first old pixel, how many, and their weights."""
        numbers = np.zeros(4 * old + 8 * new, np.int32)
        n: int = self.call_windows(old, old, new, numbers.ctypes.data)
        return [int(number) for number in numbers[:n]]


def pillows_windows(old: int, new: int) -> list[int]:
    """The same in Python, whose doubles no compiler fuses or reorders; written from Pillow's rule.

    Every operation is one of Resample.c's, in its order.
    """
    scale = old / new
    half_width = max(1.0, scale)
    numbers: list[int] = []
    for place in range(new):
        centre = (place + 0.5) * scale
        first = max(0, int(centre - half_width + 0.5))
        stop = min(old, int(centre + half_width + 0.5))
        distances = [(k - centre + 0.5) * (1.0 / half_width) for k in range(first, stop)]
        heights = [max(0.0, 1.0 - abs(x)) for x in distances]
        total = 0.0
        for height in heights:  # sum() of Python 3.12 adds more exactly
            total += height
        weights = [int(height / total * 2**22 + 0.5) for height in heights]
        numbers += [first, len(weights), *weights]
    return numbers


@dataclass(frozen=True)
class Case:
    """What the driver is given: a photo, the side of the square, bytes behind each row."""

    photo: NDArray[np.uint8]
    target: int
    n_behind: int = 0

    def for_driver(self) -> bytes:
        height, width, _ = self.photo.shape
        return header(height, width, self.target, height, 3 * width + self.n_behind) + (
            self.photo.tobytes()
        )

    def answer(self) -> bytes:
        """What the driver has to say: code 0, and what Pillow makes of the photo."""
        return bytes(4) + letterbox(self.photo, self.target).tobytes()


def header(height: int, width: int, target: int, n_rows: int, row_bytes: int) -> bytes:
    """The head of a case of the driver; no rows follow where it is to be refused."""
    sides = np.array([height, width, target, n_rows], np.int32)
    return sides.tobytes() + np.array([row_bytes], np.uint64).tobytes()


def drive(command: Sequence[str | Path], cases: bytes) -> bytes:
    """What the driver answers; it must not complain."""
    done = subprocess.run([*command], input=cases, capture_output=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def random_photo(rng: np.random.Generator, longest: int) -> NDArray[np.uint8]:
    """Sides from 1 to `longest`, each power of two as likely; noise, extremes or stripes."""
    height, width = (int(np.exp(rng.uniform(0, np.log(longest + 1)))) for _ in range(2))
    kind = rng.integers(4)
    if kind == 0:
        return checkerboard(height, width, int(rng.integers(1, 5)))
    if kind == 1:
        return rng.choice(np.array([0, 255], np.uint8), (height, width, 3))
    if kind == 2:  # even areas with a little noise, as photos have
        level = rng.integers(3, 253, 3, dtype=np.uint8)
        return level + rng.integers(0, 4, (height, width, 3), dtype=np.uint8)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def checkerboard(height: int, width: int, field_px: int) -> NDArray[np.uint8]:
    """White and black fields, with green the other way round."""
    rows, columns = np.ogrid[:height, :width]
    white = (rows // field_px + columns // field_px) % 2 == 0
    return np.stack([white, ~white, white], axis=-1).astype(np.uint8) * np.uint8(255)
