"""Files as `torch.save` writes them, made without torch, by Python's own pickler.

Source: torch.serialization, `_save` and `_legacy_save`.
"""

import io
import pickle
import struct
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

# torch's name of each type of storage, for arrays of this type; of bfloat16 there is none.
_STORAGES = {"f4": "Float", "f8": "Double", "f2": "Half", "u2": "BFloat16", "i8": "Long"}


def _rebuild_tensor_v2() -> None: ...


def _rebuild_parameter() -> None: ...


class _Storage:
    def __init__(self, values: NDArray[Any], key: str):
        self.values, self.key = values, key


class Tensor:
    """A tensor that looks at its values row by row, or transposed, as `torch.Tensor.t()`."""

    def __init__(self, values: NDArray[Any], *, transposed: bool = False):
        self.values, self.transposed = values, transposed
        self.storage: _Storage | None = None

    def __reduce_ex__(self, _protocol: Any) -> Any:
        shape, strides = list(self.values.shape), []
        for axis in range(len(shape)):
            strides.append(int(np.prod(shape[axis + 1 :])))
        if self.transposed:
            shape, strides = shape[::-1], strides[::-1]
        parts: tuple[Any, ...] = (
            self.storage,
            0,
            tuple(shape),
            tuple(strides),
            False,
            OrderedDict(),
        )
        return sys.modules["torch._utils"]._rebuild_tensor_v2, parts


class Parameter:
    """A tensor that is trained."""

    def __init__(self, tensor: Tensor):
        self.tensor = tensor

    def __reduce_ex__(self, _protocol: Any) -> Any:
        parts: tuple[Any, ...] = (self.tensor, True, OrderedDict())
        return sys.modules["torch._utils"]._rebuild_parameter, parts


def state_dict(tensors: Mapping[str, Any]) -> "OrderedDict[str, Any]":
    """With the versions of its modules hung on it, as that of a network has."""
    state = OrderedDict(
        (name, value if isinstance(value, (Tensor, Parameter)) else Tensor(np.asarray(value)))
        for name, value in tensors.items()
    )
    state._metadata = OrderedDict({"": {"version": 1}})  # type: ignore[attr-defined]
    return state


@contextmanager
def _torch_modules() -> Iterator[Any]:
    """Modules of torch's names, as long as the pickler looks up what it writes down."""
    torch, inner = ModuleType("torch"), ModuleType("torch._utils")
    for function in (_rebuild_tensor_v2, _rebuild_parameter):
        function.__module__ = "torch._utils"
        setattr(inner, function.__name__, function)
    for kind in _STORAGES.values():
        setattr(torch, f"{kind}Storage", type(f"{kind}Storage", (), {"__module__": "torch"}))
    sys.modules |= {"torch": torch, "torch._utils": inner}
    try:
        yield torch
    finally:
        del sys.modules["torch"], sys.modules["torch._utils"]


def _pickled(
    saved: Any, *, legacy: bool, one_storage: bool = False
) -> tuple[bytes, dict[str, NDArray[Any]]]:
    storages: dict[str, NDArray[Any]] = {}
    buffer = io.BytesIO()
    with _torch_modules() as torch:

        class Pickler(pickle.Pickler):
            def persistent_id(self, obj: Any) -> Any:
                if not isinstance(obj, _Storage):
                    return None
                storages[obj.key] = obj.values
                kind = getattr(torch, f"{_STORAGES[obj.values.dtype.str[1:]]}Storage")
                named = ("storage", kind, obj.key, "cpu", obj.values.size)
                return (*named, None) if legacy else named

        for number, tensor in enumerate(_tensors(saved)):
            tensor.storage = _Storage(tensor.values, "0" if one_storage else str(number))
        Pickler(buffer, protocol=2).dump(saved)
    return buffer.getvalue(), storages


def _tensors(saved: Any) -> Iterator[Tensor]:
    for value in saved.values() if isinstance(saved, dict) else ():
        if isinstance(value, Parameter):
            yield value.tensor
        elif isinstance(value, Tensor):
            yield value
        else:
            yield from _tensors(value)


def save_zip(path: Path, saved: Any, *, order: str = "little", one_storage: bool = False) -> Path:
    """The form since torch 1.6; every record begins at a multiple of 64 bytes."""
    data, storages = _pickled(saved, legacy=False, one_storage=one_storage)
    records = {"data.pkl": data, ".format_version": b"1", ".storage_alignment": b"64"}
    records["byteorder"] = order.encode()
    for key, values in storages.items():
        wanted = values.dtype.newbyteorder("<" if order == "little" else ">")
        records[f"data/{key}"] = values.astype(wanted).tobytes()
    records["version"] = b"3\n"
    return write_records(path, records)


def write_records(path: Path, records: Mapping[str, bytes], *, compression: int = 0) -> Path:
    """A zip of torch with these records."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in records.items():
            info = zipfile.ZipInfo(f"{path.stem}/{name}", (1980, 1, 1, 0, 0, 0))
            info.compress_type = compression
            begins = archive.fp.tell() + 30 + len(info.filename) + 4  # type: ignore[union-attr]
            n_padding = -begins % 64
            info.extra = struct.pack("<2sH", b"FB", n_padding) + b"Z" * n_padding
            archive.writestr(info, content)
    return path


def save_legacy(path: Path, saved: Any) -> Path:
    """The form before torch 1.6."""
    state, storages = _pickled(saved, legacy=True)
    sizes = {"short": 2, "int": 4, "long": 4}
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": sizes}
    parts = [pickle.dumps(x, 2) for x in (0x1950A86A20F9469CFC6C, 1001, system)]
    parts += [state, pickle.dumps(sorted(storages), 2)]
    for key in sorted(storages):
        values = storages[key]
        parts += [struct.pack("<q", values.size), values.astype(values.dtype.str).tobytes()]
    path.write_bytes(b"".join(parts))
    return path
