"""Reads the tensors of a torch checkpoint (`.pth`) without torch and without running its code.

Two forms, told apart by their first bytes:

- since torch 1.6 a zip, none of it compressed: `<name>/data.pkl`, the pickle of what was saved;
  `<name>/data/<key>`, each storage's raw values; `<name>/byteorder`, if it is there, `little` or
  `big`;
- before, or by request, pickles of a magic number, the protocol, the system's type sizes, what was
  saved, and the storages' keys; then each storage as a little-endian int64 count and its values.

Source: torch.serialization.
"""

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from edgedistill.tf.tensor_pickle import Storage, TensorView, read_pickle

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
# Lite2 has 25 MB; a checkpoint of a training with two rows of Adam has three times as much.
_MOST_BYTES = 1 << 30
_WRAPPERS = ("state_dict", "model_state_dict", "model")
# Of a network inside another: DataParallel's, the one that torch.compile makes, a trainer's own.
_PREFIXES = ("module.", "_orig_mod.", "model.")
_DAMAGED_ZIP = (
    zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, KeyError, zlib.error,
)  # fmt: skip

Values = dict[str, NDArray[Any]]


def is_torch_zip(path: Path) -> bool:
    """Whether the file is a zip with a pickle of torch in it.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return any(_is_pickle(name) for name in archive.namelist())
    except (*_DAMAGED_ZIP, ValueError):
        return False


def read_torch_state(path: Path) -> Values:
    """The tensors of a torch state dict, by name; every kind of float becomes float32.

    A state dict that lies in a checkpoint under `state_dict`, `model_state_dict` or `model` is
    taken out, and a prefix that all names have (`module.`) taken off.

    Args:
        path: a file that `torch.save` made.

    Raises:
        ValueError: the file is no such checkpoint, is cut short, or holds more than tensors.
        OSError: the file cannot be read.
    """
    n_bytes = path.stat().st_size
    if n_bytes > _MOST_BYTES:
        raise ValueError(f"it has {n_bytes / 1e6:.0f} MB, more than any checkpoint of its kind")
    data = path.read_bytes()
    try:
        return _read_zip(data) if data.startswith(b"PK") else _read_legacy(io.BytesIO(data))
    except OverflowError as error:  # a count or a stride of more than a machine can address
        raise ValueError(f"its numbers are damaged ({error})") from None


def _read_legacy(file: BinaryIO) -> Values:
    try:
        magic, protocol = read_pickle(file).value, read_pickle(file).value
    except ValueError as error:
        raise ValueError(f"it is no torch checkpoint ({error})") from None
    if magic != _MAGIC or protocol != _PROTOCOL:
        raise ValueError("it is no torch checkpoint")
    _system, saved, keys = (read_pickle(file) for _ in range(3))
    views = _views(saved.value)
    if not isinstance(keys.value, list) or {*map(str, keys.value)} != saved.storages.keys():
        raise ValueError("its list of storages differs from those that it describes")
    values = {}
    for key in map(str, keys.value):
        storage = saved.storages[key]
        count = int.from_bytes(file.read(8), "little", signed=True)
        if count != storage.count:
            raise ValueError(f"storage {key} has {count} values; the pickle says {storage.count}")
        values[key] = _decoded(storage, file.read(storage.n_bytes))
    return _read_views(views, values)


def _read_zip(data: bytes) -> Values:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read_archive(archive, len(data))
    except _DAMAGED_ZIP as error:
        raise ValueError(f"its zip is damaged or cut off ({error})") from None


def _read_archive(archive: zipfile.ZipFile, most_bytes: int) -> Values:
    pickles = [name for name in archive.namelist() if _is_pickle(name)]
    if len(pickles) != 1:
        raise ValueError(f"its zip must hold one pickle of torch; it holds {len(pickles)}")
    folder = pickles[0].rpartition("/")[0]
    if f"{folder}/constants.pkl" in archive.namelist():
        raise ValueError("it is a TorchScript program; save the network's state dict in its place")
    views = _views(read_pickle(io.BytesIO(_member(archive, pickles[0]))).value)
    storages = {view.storage.key: view.storage for view in views.values()}
    if sum(storage.n_bytes for storage in storages.values()) > most_bytes:
        raise ValueError("its storages are larger than itself")
    is_big_endian = _is_big_endian(archive, f"{folder}/byteorder")
    values = {
        key: _decoded(storage, _member(archive, f"{folder}/data/{key}"), is_big_endian)
        for key, storage in storages.items()
    }
    return _read_views(views, values)


def _is_pickle(name: str) -> bool:
    return name.count("/") == 1 and name.endswith("/data.pkl")


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    info = archive.getinfo(name)
    # torch compresses nothing; so no member unpacks to more than the file has.
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError("its zip is compressed, as torch makes none; save it again by torch.save")
    return archive.read(info)


def _is_big_endian(archive: zipfile.ZipFile, name: str) -> bool:
    if name not in archive.namelist():
        return False
    word = _member(archive, name)
    if word not in (b"little", b"big"):
        raise ValueError("its byte order is neither little nor big")
    return word == b"big"


def _decoded(storage: Storage, data: bytes, is_big_endian: bool = False) -> NDArray[Any]:
    if len(data) != storage.n_bytes:
        raise ValueError(
            f"it is cut short: storage {storage.key} has {len(data)} of {storage.n_bytes} bytes"
        )
    return storage.decode(data, is_big_endian=is_big_endian)


def _views(saved: Any) -> dict[str, TensorView]:
    """The tensors of a state dict, by their names in the network itself."""
    wrapped = (saved[key] for key in _WRAPPERS if isinstance(saved, dict) and key in saved)
    state = next((value for value in wrapped if isinstance(value, dict)), saved)
    if not isinstance(state, dict):
        raise ValueError("it holds no state dict; save network.state_dict()")
    views = {str(name): view for name, view in state.items() if isinstance(view, TensorView)}
    if not views:
        raise ValueError("it holds no tensors; save network.state_dict()")
    while prefix := next((p for p in _PREFIXES if all(n.startswith(p) for n in views)), ""):
        views = {name.removeprefix(prefix): view for name, view in views.items()}
    return views


def _read_views(views: Mapping[str, TensorView], values: Values) -> Values:
    """The tensors themselves; several may share a storage, but not fill the memory with it."""
    n_left = 2 * sum(v.size for v in values.values())
    state = {}
    for name, view in views.items():
        state[name] = view.read(values[view.storage.key])
        n_left -= state[name].size
        if n_left < 0:
            raise ValueError("its tensors repeat their storages over and over")
    return state
