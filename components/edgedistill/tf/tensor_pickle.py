"""Reads a pickle of tensors as data: nothing that it names is imported, called or changed.

Python's own unpickler calls what a file names, and even a short list of allowed names leaves it
ways to fill the memory or to change the objects that were allowed. Here a pickle is taken apart by
`pickletools`, and the few instructions that torch writes (protocol 2) put together texts, numbers,
tuples, lists, dicts and descriptions of tensors; all others are refused.
"""

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_STORAGE_DTYPES: Mapping[str, str] = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "BFloat16Storage": "u2",  # NumPy has no bfloat16
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "u1",
}
_FLOATS = ("DoubleStorage", "FloatStorage", "HalfStorage")
_MARK = object()


@dataclass(frozen=True)
class Storage:
    """A row of values in the file, `count` of them; `kind` is torch's name of their type."""

    key: str
    kind: str
    count: int

    @property
    def n_bytes(self) -> int:
        return self.count * np.dtype(_STORAGE_DTYPES[self.kind]).itemsize

    def decode(self, data: bytes, *, is_big_endian: bool) -> NDArray[Any]:
        """The values in `data`; every kind of float becomes float32."""
        order = ">" if is_big_endian else "<"
        values = np.frombuffer(data, order + _STORAGE_DTYPES[self.kind])
        if self.kind == "BFloat16Storage":  # the upper half of a float32
            return (values.astype(np.uint32) << 16).view(np.float32)
        # A number too large for float32 becomes infinite, and is refused where it is used.
        with np.errstate(over="ignore"):
            return values.astype(np.float32) if self.kind in _FLOATS else values


@dataclass(frozen=True)
class TensorView:
    """A tensor as the pickle describes it: a strided window on a storage (units: elements)."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def read(self, values: NDArray[Any]) -> NDArray[Any]:
        """The tensor, from the values of its storage.

        Raises:
            ValueError: it reaches outside of them, or repeats them to more than there are.
        """
        sizes = list(zip(self.shape, self.strides, strict=True))
        last = self.offset + sum((n - 1) * step for n, step in sizes)
        if min((self.offset, *self.strides, *self.shape)) < 0 or (
            0 not in self.shape and last >= len(values)
        ):
            raise ValueError(f"a tensor of shape {self.shape} reaches outside its storage")
        if prod(self.shape) > len(values):
            raise ValueError(f"a tensor of shape {self.shape} is larger than its storage")
        if 0 in self.shape:
            return np.zeros(self.shape, values.dtype)
        strides = tuple(step * values.itemsize for step in self.strides)
        window = np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, strides)
        return window.copy()


@dataclass(frozen=True)
class _Name:
    """What the pickle would import."""

    text: str


@dataclass(frozen=True)
class Pickled:
    """What a pickle describes, and every storage that it speaks of, by key."""

    value: Any
    storages: Mapping[str, Storage]


def read_pickle(file: BinaryIO) -> Pickled:
    """What the pickle that begins here describes; the file is then right behind it.

    Args:
        file: bytes in memory, so that a length that is not there is not asked for either.

    Raises:
        ValueError: it is no pickle, or holds more than tensors and plain values.
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(file):
            if opcode.name == "STOP":
                return Pickled(machine.pop(), machine.storages)
            machine.do(opcode.name, argument)
    except (IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        # An instruction that finds too little, or something else than it needs, before it.
        raise ValueError(f"its pickle is damaged ({type(error).__name__}: {error})") from None
    raise ValueError("its pickle has no end")


class _Machine:
    """The stack and the memory of one pickle."""

    def __init__(self) -> None:
        self.storages: dict[str, Storage] = {}
        self._stack: list[Any] = []
        self._memory: dict[int, Any] = {}

    def pop(self) -> Any:
        return self._stack.pop()

    def do(self, name: str, argument: Any) -> None:
        """Carries out one instruction, by its name in `pickletools`."""
        if name in _PUT:
            self._memory[argument] = self._stack[-1]
        elif name in _GET:
            self._stack.append(self._memory[argument])
        elif name in _LITERALS:
            self._stack.append(argument)
        elif name in _NEW:
            self._stack.append(_NEW[name]())
        elif name in _TUPLES:
            items = [self.pop() for _ in range(_TUPLES[name])]
            self._stack.append(tuple(reversed(items)))
        elif name in _CHANGES:
            _CHANGES[name](self)
        elif name == "GLOBAL":
            self._stack.append(_known_name(argument.replace(" ", ".")))
        elif name != "PROTO":
            raise ValueError(f"its pickle has the instruction {name}, which no tensor needs")
        elif argument != 2:
            raise ValueError(f"its pickle has protocol {argument}; torch.save writes 2")

    def since_mark(self) -> list[Any]:
        """Takes off what lies above the last mark, and the mark."""
        items: list[Any] = []
        while (item := self.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def make_tuple(self) -> None:
        self._stack.append(tuple(self.since_mark()))

    def append(self) -> None:
        item = self.pop()
        self._stack[-1].append(item)

    def extend(self) -> None:
        items = self.since_mark()
        self._stack[-1].extend(items)

    def set_item(self) -> None:
        value, key = self.pop(), self.pop()
        self._fill([key, value])

    def set_items(self) -> None:
        self._fill(self.since_mark())

    def _fill(self, items: list[Any]) -> None:
        target = self._stack[-1]
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Of other keys, such as tuples of tuples, the hash alone can take forever.
            if not isinstance(target, dict) or not isinstance(key, (str, int)):
                raise ValueError("its pickle has keys that are neither text nor number")
            target[key] = value

    def attach_state(self) -> None:
        """BUILD: torch hangs versions of modules on a state dict; they are not needed."""
        self.pop()

    def describe_storage(self) -> None:
        word, kind, key, _device, count, *view = self.pop()
        name = kind.text.removeprefix("torch.") if isinstance(kind, _Name) else ""
        known = word == "storage" and name in _STORAGE_DTYPES and isinstance(key, (str, int))
        if not known or type(count) is not int or count < 0 or view not in ([], [None]):
            raise ValueError("it holds a storage of unknown form")
        storage = self.storages.setdefault(str(key), Storage(str(key), name, count))
        if storage != Storage(str(key), name, count):
            raise ValueError(f"it describes storage {key} in two ways")
        self._stack.append(storage)

    def call(self) -> None:
        """REDUCE: none of the four names is called; what they would make is described."""
        arguments, name = self.pop(), self.pop()
        if not isinstance(name, _Name) or not isinstance(arguments, tuple):
            raise ValueError("its pickle calls what is no name")
        self._stack.append(_DESCRIBED_BY[name.text](*arguments))


def _known_name(text: str) -> _Name:
    module, _, last = text.rpartition(".")
    is_storage = module == "torch" and last in _STORAGE_DTYPES
    if not is_storage and text not in _DESCRIBED_BY:
        raise ValueError(f"it asks for {text}, which is no tensor; save the state dict alone")
    return _Name(text)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_ignored: Any) -> TensorView:
    numbers = (offset, *shape, *strides)
    are_whole = all(type(x) is int for x in numbers)
    if not isinstance(storage, Storage) or not are_whole or len(shape) != len(strides):
        raise ValueError("it holds a tensor of unknown form")
    return TensorView(storage, offset, tuple(shape), tuple(strides))


def _dict(pairs: Any = ()) -> dict[Any, Any]:
    """An OrderedDict, which Python 2 wrote with its pairs."""
    if any(not isinstance(key, (str, int)) for key, _ in pairs):
        raise ValueError("its pickle has keys that are neither text nor number")
    return dict(pairs)


_DESCRIBED_BY: Mapping[str, Callable[..., Any]] = {
    "collections.OrderedDict": _dict,
    "torch.Size": lambda sizes: tuple(sizes),
    "torch._utils._rebuild_tensor_v2": _tensor,
    # A tensor, whether it is trained, and hooks.
    "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
}
_PUT, _GET = ("BINPUT", "LONG_BINPUT"), ("BINGET", "LONG_BINGET")
_LITERALS = frozenset(
    {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING"}
)
_NEW: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "MARK": lambda: _MARK,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_CHANGES: Mapping[str, Callable[[_Machine], None]] = {
    "TUPLE": _Machine.make_tuple,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.extend,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "BUILD": _Machine.attach_state,
    "BINPERSID": _Machine.describe_storage,
    "REDUCE": _Machine.call,
}
