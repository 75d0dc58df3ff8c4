"""The reader of torch checkpoints: what it reads, and that it runs nothing."""

import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from edgedistill.tf.torch_weights import read_torch_state

_SIZES = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}


def _text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(b"K" + bytes([v]) for v in values) + b"t"


def _state(*, count: int, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """The pickle of {"w": tensor} as torch writes it, opcode by opcode."""
    storage = (
        b"(" + _text("storage") + b"ctorch\nFloatStorage\n" + _text("7") + _text("cpu")
        + b"K" + bytes([count]) + b"NtQ"
    )  # fmt: skip
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K" + bytes([offset])
        + _numbers(shape) + _numbers(strides) + b"\x89ccollections\nOrderedDict\n)RtR"
    )  # fmt: skip
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + _text("w") + tensor + b"u."


def _checkpoint(path: Path, state: bytes, values: list[float]) -> Path:
    head = [pickle.dumps(x, 2) for x in (0x1950A86A20F9469CFC6C, 1001, _SIZES)]
    raw = struct.pack("<q", len(values)) + np.array(values, "<f4").tobytes()
    path.write_bytes(b"".join([*head, state, pickle.dumps(["7"], 2), raw]))
    return path


def test_a_transposed_view_is_read_by_its_strides(tmp_path: Path) -> None:
    # Stored row by row: (1 2 3) (4 5 6). Shape (3, 2) with strides (1, 3) is its transpose.
    state = _state(count=6, offset=0, shape=(3, 2), strides=(1, 3))
    read = read_torch_state(_checkpoint(tmp_path / "w.pth", state, [1, 2, 3, 4, 5, 6]))
    np.testing.assert_array_equal(read["w"], [[1, 4], [2, 5], [3, 6]])


def test_a_view_with_an_offset_starts_there(tmp_path: Path) -> None:
    state = _state(count=4, offset=2, shape=(2,), strides=(1,))
    read = read_torch_state(_checkpoint(tmp_path / "w.pth", state, [1, 2, 3, 4]))
    np.testing.assert_array_equal(read["w"], [3, 4])


def test_a_view_outside_its_storage_is_refused(tmp_path: Path) -> None:
    # Last element: 1 + (2 - 1) * 3 = 4, one past the four values 0 to 3.
    state = _state(count=4, offset=1, shape=(2,), strides=(3,))
    path = _checkpoint(tmp_path / "w.pth", state, [1, 2, 3, 4])
    with pytest.raises(ValueError, match="outside its storage"):
        read_torch_state(path)


def test_a_file_that_names_a_function_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    flag = tmp_path / "ran"
    command = _text(f"touch '{flag}'")
    state = b"\x80\x02cos\nsystem\n(" + command + b"tR."
    path = _checkpoint(tmp_path / "evil.pth", state, [])
    with pytest.raises(ValueError, match=r"asks for os\.system"):
        read_torch_state(path)
    assert not flag.exists()


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    state = _state(count=2, offset=0, shape=(2,), strides=(1,))
    path = _checkpoint(tmp_path / "w.pth", state, [1, 2])
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match="cut short"):
        read_torch_state(path)


@pytest.mark.parametrize("content", [b"", b"no pickle at all", b"PK\x03\x04zip"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"no torch checkpoint|it asks for"):
        read_torch_state(path)
