"""One state in one file: everything comes back, and nothing that is not as it was written."""

import hashlib
import io
import json
import random
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from edgedistill.checkpoint_file import DamagedError, State, read_arrays, read_header

IDENTITY: dict[str, str | int | float | bool] = {
    "lr_student": 1e-3,
    "data": "5f3a",
    "batch_size": 32,
    "mixup": False,
}
PROGRESS = {"epoch": 3, "step": 17, "best": float("inf"), "losses": [0.1 + 0.2, 1e-300]}
ARRAYS = {
    "kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "größe/scalar": np.array(-2.5),
    "none": np.zeros((0, 3), np.float16),
    "is_best": np.array([True, False]),
    "step": np.array(2**62, np.int64),
    "generator": np.array([2**64 - 1, 1], np.uint64),
}


def written(path: Path, arrays=ARRAYS) -> bytes:
    state = State(IDENTITY, PROGRESS, arrays)
    with path.open("wb") as file:
        state.write(file)
    data = path.read_bytes()
    assert len(data) == state.size_bytes
    return data


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.ckpt"


def test_arrays_and_progress_come_back_to_the_last_bit(path):
    written(path)
    header, arrays = read_header(path), read_arrays(path)
    assert header["identity"] == IDENTITY
    assert header["progress"] == PROGRESS  # Python's floats too: 0.30000000000000004, Infinity
    assert list(arrays) == list(ARRAYS)
    for name, expected in ARRAYS.items():
        assert arrays[name].dtype == expected.dtype
        assert arrays[name].shape == expected.shape
        assert arrays[name].tobytes() == expected.tobytes()
        assert arrays[name].flags.writeable


def test_the_form_is_the_one_that_is_documented(path):
    data = written(path, {"a": np.array([[1, 258]], np.int16), "b": np.array([True])})
    assert data[:23] == b"edgedistill checkpoint\n"
    (n_header,) = struct.unpack("<Q", data[23:31])
    header = json.loads(data[31 : 31 + n_header])
    assert header == {
        "version": 1,
        "identity": IDENTITY,
        "progress": PROGRESS,
        "arrays": [
            {"name": "a", "dtype": "<i2", "shape": [1, 2]},
            {"name": "b", "dtype": "|b1", "shape": [1]},
        ],
    }
    # 1 and 258 = 0x0102, low byte first, then a byte of truth.
    assert data[31 + n_header : -32] == bytes([1, 0, 2, 1, 1])
    assert data[-32:] == hashlib.sha256(data[:-32]).digest()


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a.T,
        lambda a: a[::2, ::-1],
        lambda a: np.broadcast_to(a[0], (3, 6)),
        lambda a: a.astype(">f8"),
        np.asfortranarray,
    ],
    ids=["transposed", "every other", "broadcast", "big-endian", "Fortran's order"],
)
def test_an_array_comes_back_however_it_lies_in_memory(path, view):
    array = view(np.arange(24.0).reshape(4, 6))
    written(path, {"a": array})
    assert np.array_equal(read_arrays(path)["a"], array)


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([None]), np.zeros(2, "V2")])
def test_what_is_no_number_is_a_mistake_of_the_caller(array):
    with pytest.raises(ValueError, match="b must hold numbers; got"):
        State({}, {}, {"a": np.zeros(2), "b": array})


def test_one_flipped_bit_anywhere_is_seen(path):
    data = written(path)
    chance = random.Random(1)
    for place in {*range(0, len(data), 5), *range(40), *range(len(data) - 40, len(data))}:
        spoilt = bytearray(data)
        spoilt[place] ^= 1 << chance.randrange(8)
        path.write_bytes(spoilt)
        with pytest.raises(DamagedError):
            read_header(path)
    path.write_bytes(data)
    read_header(path)


def test_a_cut_anywhere_and_a_byte_too_many_are_seen(path):
    data = written(path)
    for length in {*range(0, len(data), 7), *range(40), *range(len(data) - 40, len(data))}:
        path.write_bytes(data[:length])
        with pytest.raises(DamagedError):
            read_header(path)
    for more in (b"\0", data, bytes(100)):
        path.write_bytes(data + more)
        with pytest.raises(DamagedError, match="SHA-256"):
            read_header(path)


def test_a_large_file_is_read_to_its_end_before_it_is_believed(path):
    data = bytearray(written(path, {"a": np.ones(1 << 19)}))  # 4 MiB, several chunks
    data[-40] ^= 128
    path.write_bytes(data)
    with pytest.raises(DamagedError, match="SHA-256"):
        read_header(path)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cut off after 0 bytes"),
        (b"edgedistill checkpoint\n", "cut off after 23 bytes"),
        (bytes(100), "does not begin as a checkpoint"),
        (b"\x80\x04\x95" + bytes(100), "does not begin as a checkpoint"),  # a pickle
    ],
)
def test_a_damaged_file_says_how(path, data, reason):
    path.write_bytes(data)
    with pytest.raises(DamagedError, match=reason):
        read_header(path)


class Counted(io.RawIOBase):
    """Takes bytes and keeps none."""

    n_bytes = 0

    def write(self, data) -> int:
        self.n_bytes += len(data)
        return len(data)


def test_memory_holds_the_arrays_once_when_they_are_written_and_once_when_they_are_read(path):
    arrays = {str(i): np.full(1 << 20, i, np.float64) for i in range(4)}  # 32 MiB
    written(path, arrays)
    tracemalloc.start()
    sink = Counted()
    State(IDENTITY, PROGRESS, arrays).write(sink)  # type: ignore[arg-type]
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    assert sink.n_bytes > 32 << 20
    tracemalloc.reset_peak()
    read_header(path)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    kept = read_arrays(path)
    assert tracemalloc.get_traced_memory()[1] < 34 << 20
    tracemalloc.stop()
    assert kept["3"][-1] == 3
