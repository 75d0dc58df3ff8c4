"""Reads the tensors of a torch checkpoint (`.pth`) without torch and without running its code.

A pickle may name any function to call. The unpickler here admits the three names that a state dict
of tensors needs and refuses all others, so that a file from elsewhere is data and nothing more.

The format is torch's legacy one (before 1.6, not a zip): pickles of a magic number, the protocol,
the system's type sizes, the state dict, and the storages' keys; then each storage as a
little-endian int64 count followed by its raw values.
"""

import pickle
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_STORAGE_DTYPES: Mapping[str, str] = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True)
class _TensorView:
    """A tensor as the pickle describes it: a strided window on a storage (units: elements)."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def read(self, values: NDArray[Any]) -> NDArray[Any]:
        sizes = zip(self.shape, self.strides, strict=True)
        last = self.offset + sum((n - 1) * step for n, step in sizes)
        if min((self.offset, *self.strides, *self.shape)) < 0 or (
            0 not in self.shape and last >= len(values)
        ):
            raise ValueError(f"a tensor of shape {self.shape} reaches outside its storage")
        strides = tuple(step * values.itemsize for step in self.strides)
        window = np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, strides)
        return window.copy()


class _TensorUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _describe_tensor
        if module == "torch" and name in _STORAGE_DTYPES:
            return np.dtype(_STORAGE_DTYPES[name])
        raise ValueError(f"it asks for {module}.{name}, which is no tensor")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _device, count, view = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or view is not None:
            raise ValueError("it holds a storage of unknown form")
        return _Storage(str(key), dtype, int(count))


def _describe_tensor(
    storage: _Storage, offset: int, shape: Any, strides: Any, *_ignored: Any
) -> _TensorView:
    return _TensorView(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


def read_torch_state(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a legacy torch state dict, by name.

    Args:
        path: a file that `torch.save(state_dict, path, _use_new_zipfile_serialization=False)` made.

    Raises:
        ValueError: the file is no such checkpoint, is cut short, or holds more than tensors.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        try:
            return _read_state(file)
        except (pickle.UnpicklingError, EOFError, TypeError, AttributeError, KeyError,
                IndexError, OverflowError) as error:  # fmt: skip
            # What unpickling raises on bytes that are no pickle (documented in `pickle`).
            raise ValueError(f"it is no torch checkpoint of the legacy form ({error})") from None


def _read_state(file: BinaryIO) -> dict[str, NDArray[Any]]:
    magic, protocol = (_TensorUnpickler(file).load() for _ in range(2))
    if magic != _MAGIC or protocol != _PROTOCOL:
        raise ValueError("it is no torch checkpoint of the legacy form")
    _system, state, keys = (_TensorUnpickler(file).load() for _ in range(3))
    views = {name: view for name, view in state.items() if isinstance(view, _TensorView)}
    storages = {view.storage.key: view.storage for view in views.values()}
    values = {str(key): _read_storage(file, storages, str(key)) for key in keys}
    return {name: view.read(values[view.storage.key]) for name, view in views.items()}


def _read_storage(file: BinaryIO, storages: Mapping[str, _Storage], key: str) -> NDArray[Any]:
    storage = storages[key]
    count = int.from_bytes(file.read(8), "little", signed=True)
    if count != storage.count:
        raise ValueError(f"storage {key} has {count} values; the pickle says {storage.count}")
    data = file.read(count * storage.dtype.itemsize)
    if len(data) != count * storage.dtype.itemsize:
        raise ValueError("it is cut short")
    return np.frombuffer(data, storage.dtype)
