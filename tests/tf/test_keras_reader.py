"""The reader in a process of its own: the same arrays, the same refusals, and an end at all."""

import errno
import os
import resource
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from edgedistill.tf.keras_reader import read_apart
from edgedistill.tf.keras_weights import WantedLayer

_DENSE = WantedLayer("mine", "dense", {"kernel": (2, 3), "bias": (3,)})
_CONV = WantedLayer("conv", "conv2d", {"kernel": (1, 1, 3, 2)})
_KERNEL = np.arange(6, dtype="f4").reshape(2, 3)


def _file(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = ["conv", "mine"]
        layers: dict[str, dict[str, NDArray[Any]]] = {
            "conv": {"kernel": np.ones((1, 1, 3, 2), "f2")},
            "mine": {"kernel": _KERNEL, "bias": np.zeros(3, "f4")},
        }
        for name, arrays in layers.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}/{variable}:0" for variable in arrays]
            for variable, values in arrays.items():
                group[f"{name}/{variable}:0"] = values
    return path


def test_the_arrays_come_back_as_they_are(tmp_path: Path) -> None:
    read = read_apart(_file(tmp_path / "w.h5"), [_DENSE, _CONV])
    assert {name: [array.shape for array in arrays] for name, arrays in read.items()} == {
        "mine": [(2, 3), (3,)],
        "conv": [(1, 1, 3, 2)],
    }
    np.testing.assert_array_equal(read["mine"][0], _KERNEL)
    assert all(array.dtype == np.float32 for arrays in read.values() for array in arrays)


def test_a_refusal_comes_back_as_it_is(tmp_path: Path) -> None:
    other = WantedLayer("mine", "dense", {"kernel": (2, 4), "bias": (3,)})
    with pytest.raises(ValueError, match=r"^layer mine must have shape \(2, 4\); got \(2, 3\)$"):
        read_apart(_file(tmp_path / "w.h5"), [other])


def test_a_name_that_is_not_ascii_comes_back_in_any_locale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("PYTHONCOERCECLOCALE", "0")
    monkeypatch.setenv("PYTHONUTF8", "0")
    with pytest.raises(ValueError, match="it has no layer größe"):
        read_apart(_file(tmp_path / "w.h5"), [_DENSE, WantedLayer("größe", "dense", {})])


@contextmanager
def _files_of_at_most(n_bytes: int) -> Iterator[None]:
    _, hard = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", ["w.h5", "w.keras"])
def test_no_room_for_what_a_file_holds_is_no_fault_of_the_file(tmp_path: Path, name: str) -> None:
    path = _file(tmp_path / "w.h5")
    if name == "w.keras":
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.write(path, "model.weights.h5")
    with _files_of_at_most(100), pytest.raises(OSError, match="File too large") as caught:
        read_apart(tmp_path / name, [_DENSE, _CONV])
    assert caught.value.errno == errno.EFBIG
    read_apart(tmp_path / name, [_DENSE, _CONV])


def test_a_file_that_keeps_hdf5_in_a_loop_comes_to_an_end(tmp_path: Path) -> None:
    path = _file(tmp_path / "w.h5")
    content = bytearray(path.read_bytes())
    # The first name in the heap: 16 bytes of the heap's own, 8 of the entry's; then its size.
    size_at = content.index(b"GCOL") + 24
    assert content[size_at : size_at + 12] == b"\x04\0\0\0\0\0\0\0mine"
    # That and the padded size of the header add up to a step of nothing.
    content[size_at : size_at + 8] = (2**64 - 16).to_bytes(8, "little")
    path.write_bytes(content)
    with pytest.raises(ValueError, match="it is damaged"):
        read_apart(path, [_DENSE], within_s=2)


def test_a_reader_that_waits_is_ended_in_time(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # opening it waits for somebody who writes
    begun = time.monotonic()
    with pytest.raises(ValueError, match="did not end within 1 s"):
        read_apart(tmp_path / "pipe", [_DENSE], within_s=1)
    assert time.monotonic() - begun < 10


def test_an_error_of_the_reader_itself_is_no_fault_of_the_file(tmp_path: Path) -> None:
    nonsense = WantedLayer("mine", "dense", {"kernel": ("a", "b")})  # type: ignore[dict-item]
    with pytest.raises(RuntimeError, match=r"the reader of .*w\.h5 failed:\nTraceback"):
        read_apart(_file(tmp_path / "w.h5"), [nonsense])
