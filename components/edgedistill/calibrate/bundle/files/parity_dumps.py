"""What an app dumped for parity_check.py, beside this file: finds it and reads its numbers."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np

LARGEST = 1000  # a number beyond this is no pixel in any of its forms


def dumped(folder: Path, *stems: str) -> Path | None:
    """The first file of these names that is there."""
    paths = (folder / f"{stem}{ending}" for stem in stems for ending in (".raw", ".npy"))
    return next((path for path in paths if path.is_file()), None)


class Dump:
    """A dumped tensor: its numbers in their order, and whether they take more than one byte."""

    def __init__(self, path: Path, shape: list[int], dtype: Any):
        n_values = int(np.prod(shape))
        values = loaded(path) if path.suffix == ".npy" else raw(path, n_values)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError("holds NaN or infinity")
        if values.size != n_values or values.dtype.kind not in "iuf":
            raise ValueError(f"is {' x '.join(map(str, values.shape))} of {values.dtype}")
        self.type, self.is_wide = str(values.dtype), values.dtype.itemsize > 1
        self.values = values.ravel() if self.is_wide else values.ravel().view(dtype)


def loaded(path: Path) -> Any:
    """The array of a .npy file."""
    try:
        with path.open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except (EOFError, ValueError, MemoryError):
        raise ValueError("is no .npy file of numbers, or only part of one") from None


def raw(path: Path, n_values: int) -> Any:
    """A file's numbers, by its length: bytes, or wider integers or floats that can be pixels."""
    data = path.read_bytes()
    if len(data) == n_values:
        return np.frombuffer(data, np.int8)
    n_bytes, rest = divmod(len(data), n_values)
    if n_bytes in (2, 4) and not rest:
        integers, floats = (np.frombuffer(data, f"<{kind}{n_bytes}") for kind in "if")
        if integers.any() and np.abs(integers.astype(int)).max() < LARGEST:
            return integers
        if np.isnan(floats).any() or np.abs(floats).max() < LARGEST:
            return floats
    if 3 * len(data) == 4 * n_values:
        raise ValueError("has four channels (RGBA): drop alpha")
    sizes = []
    for n_channels, n_bytes in itertools.product((3, 4), (1, 4)):
        side = round((len(data) / n_channels / n_bytes) ** 0.5)
        if side > 1 and side * side * n_channels * n_bytes == len(data):
            sizes.append(f"{side} x {side} x {n_channels} of {8 * n_bytes} bits")
    if sizes:
        raise ValueError(f"is, by its length, {' or '.join(sizes)}")
    raise ValueError(f"has {len(data)} bytes")
