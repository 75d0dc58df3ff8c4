"""Looks into an HDF5 file from elsewhere without leaving it and without being drowned by it.

HDF5 lets a file lead to others (external links, external storage, virtual datasets), lead round in
circles (links), claim shapes that it does not hold, and ask for filters that are loaded as
plug-ins. What is read here goes by hard links alone, to a limited depth, and a dataset is read
only if it has the very shape that is wanted.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

_MOST_NAMES = 100_000
_MOST_NAME_BYTES = 16 << 20
_MOST_CHUNK_BYTES = 64 << 20
# HDF5's own deflate, shuffle and fletcher32, and the lzf that comes with h5py.
_FILTERS = {1, 2, 3, 32000}


@contextmanager
def opened_hdf5(path: Path) -> Iterator[h5py.File]:
    """The file, opened for reading.

    Raises:
        ValueError: it is no HDF5 file, or damaged where it is read.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except ValueError:
        raise
    except Exception as error:  # noqa: BLE001 - of a damaged file h5py raises whatever comes
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ValueError(f"it is damaged or cut off ({reason})") from None


def members(group: h5py.Group) -> Iterator[tuple[str, h5py.Group | h5py.Dataset]]:
    """What lies in a group, by name.

    Raises:
        ValueError: a member is a link to another place, in this file or another.
    """
    if len(group) > _MOST_NAMES:
        raise ValueError(f"a group of it has more than {_MOST_NAMES} members")
    for name in group:
        yield name, member(group, name)


def member(group: h5py.Group, path: str) -> h5py.Group | h5py.Dataset:
    """What lies at a path below a group, none of whose parts is a link.

    Raises:
        ValueError: there is nothing, or a link to another place.
    """
    found = group
    for name in path.split("/"):
        link = found.get(name, getlink=True) if isinstance(found, h5py.Group) else None
        if link is None:
            raise ValueError(f"it names {path!r}, which is not there")
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{name!r} is a link to another place; save the weights themselves")
        found = found[name]
    return found


def names_in(group: h5py.Group, attribute: str) -> list[str] | None:
    """The texts in an attribute, which Keras parts if it has more than 64 kB; None without it.

    Raises:
        ValueError: it does not hold texts, or too many.
    """
    if attribute in group.attrs:
        return _texts(group, attribute)
    parts: list[str] = []
    number = 0
    while f"{attribute}{number}" in group.attrs:
        parts += _texts(group, f"{attribute}{number}")
        number += 1
    return parts if number else None


def _texts(group: h5py.Group, attribute: str) -> list[str]:
    described = group.attrs.get_id(attribute)
    n_texts = math.prod(described.shape)
    if n_texts > _MOST_NAMES or n_texts * described.dtype.itemsize > _MOST_NAME_BYTES:
        raise ValueError(f"its attribute {attribute} is too large for names of layers")
    if n_texts == 0:  # an empty list, which Keras writes as one of floats
        return []
    if h5py.check_string_dtype(described.dtype) is None:
        raise ValueError(f"its attribute {attribute} holds no names")
    texts = np.asarray(group.attrs[attribute]).ravel().tolist()
    return [text.decode("utf-8") if isinstance(text, bytes) else str(text) for text in texts]


def read_floats(dataset: h5py.Dataset) -> NDArray[np.float32]:
    """A dataset of numbers, as float32; the caller has looked at its shape.

    Raises:
        ValueError: it holds no numbers, leads out of the file, or is packed in an unknown way.
    """
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"{dataset.name} keeps its numbers in another file")
    is_bfloat16 = dataset.dtype.kind == "V" and dataset.dtype.itemsize == 2
    if dataset.dtype.kind not in "fiu" and not is_bfloat16:
        raise ValueError(f"{dataset.name} holds {dataset.dtype}, no numbers")
    plan = dataset.id.get_create_plist()
    filters = {plan.get_filter(i)[0] for i in range(plan.get_nfilters())}
    chunk_bytes = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
    if not filters <= _FILTERS or chunk_bytes > _MOST_CHUNK_BYTES:
        raise ValueError(f"{dataset.name} is packed in an unusual way; save it as Keras does")
    values: NDArray[Any] = dataset[()]
    if is_bfloat16:  # Keras 3 writes its two bytes, the upper half of a float32
        return (values.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore"):  # infinite ones are refused where they are used
        return np.asarray(values, np.float32)
