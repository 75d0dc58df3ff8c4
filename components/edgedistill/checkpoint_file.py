"""The file that holds one state of a training: arrays, progress, and what they belong to.

    bytes                           content
    23                              the text "edgedistill checkpoint" and a line feed
    8                               length of the header, an unsigned little-endian integer
    so many                         the header, JSON in UTF-8:
                                      version    of this form
                                      identity   by name, what a training must agree in to go on
                                      progress   what the training says of itself
                                      arrays     name, dtype (as NumPy writes it) and shape of each
    as many as the arrays have      their elements, one array after the other, in C order
    32                              SHA-256 of all bytes before it

Nothing in it is ever run, and a file of which one bit flipped or one byte is missing is not read.
"""

import hashlib
import json
import os
import struct
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

VERSION = 1

Identity = Mapping[str, str | int | float | bool]

_MARK = b"edgedistill checkpoint\n"
_LENGTH = struct.Struct("<Q")
_HEADER_AT = len(_MARK) + _LENGTH.size
_DIGEST_BYTES = hashlib.sha256().digest_size
_CHUNK_BYTES = 1 << 20
_KINDS = "biufc"  # NumPy's letters for truth values and numbers: what is its bytes and no more


class DamagedError(ValueError):
    """The file is not as it was written; the message says why, without its name."""


class State:
    """What is written to one file; the arrays are read when it is written, and not copied.

    Raises:
        ValueError: an array holds something else than numbers or truth values.
        TypeError: `progress` cannot be written as JSON.
    """

    def __init__(
        self, identity: Identity, progress: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ):
        odd = [name for name, array in arrays.items() if array.dtype.kind not in _KINDS]
        if odd:
            raise ValueError(f"{odd[0]} must hold numbers; got {arrays[odd[0]].dtype}")
        described = [
            {"name": name, "dtype": array.dtype.str, "shape": array.shape}
            for name, array in arrays.items()
        ]
        header = {
            "version": VERSION,
            "identity": dict(identity),
            "progress": dict(progress),
            "arrays": described,
        }
        self._arrays = list(arrays.values())
        self._header = json.dumps(header, ensure_ascii=False).encode("utf-8")

    @property
    def size_bytes(self) -> int:
        """Of the whole file."""
        n_bytes = sum(array.nbytes for array in self._arrays)
        return _HEADER_AT + len(self._header) + n_bytes + _DIGEST_BYTES

    def write(self, sink: BinaryIO) -> None:
        """Writes the whole file; memory holds a second copy of one array at most."""
        digest = hashlib.sha256()
        for part in (_MARK, _LENGTH.pack(len(self._header)), self._header):
            digest.update(part)
            sink.write(part)
        for array in self._arrays:
            data = _bytes_of(np.ascontiguousarray(array))
            digest.update(data)
            sink.write(data)
        sink.write(digest.digest())


def read_header(path: Path) -> dict[str, Any]:
    """The header of a file of which every byte is as it was written.

    Raises:
        DamagedError: it is not.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        _verify(file)
        file.seek(0)
        return _header(file)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file that `read_header` has verified, by name; each can be written to.

    Raises:
        OSError: it cannot be read.
    """
    arrays = {}
    with path.open("rb") as file:
        for described in _header(file)["arrays"]:
            array = np.empty(described["shape"], described["dtype"])
            file.readinto(_bytes_of(array))
            arrays[described["name"]] = array
    return arrays


def _header(file: BufferedReader) -> dict[str, Any]:
    file.seek(len(_MARK))
    (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
    header: dict[str, Any] = json.loads(file.read(length))
    return header


def _verify(file: BufferedReader) -> None:
    size_bytes = os.fstat(file.fileno()).st_size
    n_left = size_bytes - _DIGEST_BYTES
    if n_left < _HEADER_AT:
        raise DamagedError(f"cut off after {size_bytes} bytes")
    digest = hashlib.sha256()
    chunk = file.read(min(n_left, _CHUNK_BYTES))
    if not chunk.startswith(_MARK):
        raise DamagedError("it does not begin as a checkpoint")
    while chunk:
        digest.update(chunk)
        n_left -= len(chunk)
        chunk = file.read(min(n_left, _CHUNK_BYTES))
    if file.read() != digest.digest():
        raise DamagedError("its bytes do not have the SHA-256 they were written with")


def _bytes_of(array: NDArray[Any]) -> memoryview:
    """The elements of a contiguous array as bytes, without a copy."""
    return array.reshape(-1).view(np.uint8).data
