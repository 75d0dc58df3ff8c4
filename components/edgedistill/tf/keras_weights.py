"""Reads the layers' weights of a Keras file without Keras, so that nothing in it can run.

Read are numbers only; `config.json` and `model_config`, which say what to build and may name code,
are not looked at. The forms, told apart by what is in them:

- `.keras`: a zip with one of the next kind in it, `model.weights.h5`;
- `.weights.h5`: HDF5 with `.../layers/<kind>_<number>/vars/0, 1, ...`; Keras 3 notes each layer's
  name there, tf_keras and the first versions of Keras 3 do not;
- `.h5`, the older form, weights alone or a whole model with them in `model_weights`: groups listed
  in `layer_names`, each listing its arrays in `weight_names`.

A network inside a network (a backbone with somebody's own head around it) is found in all of them.

Source: saving_lib and hdf5_format of tf_keras 2.21 and Keras 3.15.
"""

import math
import shutil
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from edgedistill.tf.hdf5_file import member, members, names_in, opened_hdf5, read_floats

_WEIGHTS_MEMBER = "model.weights.h5"
_CONTAINERS = ("layers", "_layer_checkpoint_dependencies")  # the latter of Keras 2.13
# A preprocessing layer's, which a network here sets for itself.
_STATISTICS = {"mean", "variance", "count"}
# Weights, optimiser's rows (two with Adam, three with averaging) and a head of any size.
_MOST_TIMES, _ALWAYS_ALLOWED_BYTES = 8, 64 << 20
_MOST_GROUPS, _MOST_DEPTH = 20_000, 32  # ResNet101 has 700, below the root or two deeper
_DAMAGED_ZIP = (
    zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class WantedLayer:
    """A layer that weights are looked for.

    `kind`: its class as Keras calls it in files, such as `depthwise_conv2d`. `shapes`: of its
    variables, by name, in the order of `layer.weights`.
    """

    name: str
    kind: str
    shapes: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class _StoredLayer:
    """A layer in the file; what the file does not tell is empty or 0.

    `place`: where it lies, for messages. `parent`: the network that it belongs to.
    """

    place: str
    name: str
    parent: str
    kind: str
    number: int
    variables: Sequence[tuple[str, h5py.Dataset]]


def is_keras_zip(path: Path) -> bool:
    """Whether the file is a zip with a network's weights in it, as `.keras` is.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _WEIGHTS_MEMBER in archive.namelist()
    except (*_DAMAGED_ZIP, ValueError):
        return False


def read_keras_weights(
    path: Path, wanted: Sequence[WantedLayer]
) -> dict[str, list[NDArray[np.float32]]]:
    """For each wanted layer, by name, its arrays in the order of its variables.

    Layers are found by name. In a file without names, or in which no name agrees, the first layer
    of each kind stands for the first that is wanted, and so on; what comes after is left out.
    HDF5 can hang on a damaged file: `keras_reader.read_apart` calls this in a process of its own.

    Args:
        path: a `.keras`, `.weights.h5` or `.h5` file.
        wanted: the layers, in their order in the network.

    Raises:
        ValueError: the file is damaged or of another kind, or a layer does not fit; the first
            such is named.
        OSError: the file cannot be read.
    """
    n_bytes = sum(4 * math.prod(s) for layer in wanted for s in layer.shapes.values())
    most_bytes = _MOST_TIMES * n_bytes + _ALWAYS_ALLOWED_BYTES
    with _hdf5_part(path, most_bytes) as hdf5_path, opened_hdf5(hdf5_path) as file:
        stored = [
            layer
            for layer in _stored_layers(file)
            if layer.variables and {name for name, _ in layer.variables} != _STATISTICS
        ]
        if not stored:
            raise ValueError("it holds no layers as Keras writes them")
        return {layer.name: _read(layer, own) for layer, own in _matched(wanted, stored)}


@contextmanager
def _hdf5_part(path: Path, most_bytes: int) -> Iterator[Path]:
    """The file itself, or what a `.keras` file has in it, unpacked for as long as needed."""
    if h5py.is_hdf5(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="weights-") as folder:
        target = Path(folder) / _WEIGHTS_MEMBER
        try:
            with zipfile.ZipFile(path) as archive:
                _unpack(archive, target, most_bytes)
        except _DAMAGED_ZIP as error:
            raise ValueError(f"its zip is damaged or cut off ({error})") from None
        yield target


def _unpack(archive: zipfile.ZipFile, target: Path, most_bytes: int) -> None:
    found = [info for info in archive.infolist() if info.filename == _WEIGHTS_MEMBER]
    if len(found) != 1:
        raise ValueError(f"its zip must hold one {_WEIGHTS_MEMBER}; it holds {len(found)}")
    if found[0].file_size > most_bytes:
        raise ValueError(
            f"its weights unpack to {found[0].file_size / 1e6:.0f} MB, and "
            f"{most_bytes / 1e6:.0f} MB are the most; save them alone, by save_weights"
        )
    # zipfile gives no more than the size that was declared.
    with archive.open(found[0]) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file)


def _stored_layers(file: h5py.File) -> Iterator[_StoredLayer]:
    whole = member(file, "model_weights") if "model_weights" in file else file
    names = names_in(whole, "layer_names")
    if names is None:
        return _layers_by_kind(file)
    return (layer for name in names for layer in _layers_of_group(whole, name))


def _layers_of_group(whole: h5py.Group, group_name: str) -> Iterator[_StoredLayer]:
    """The layers in one group of the older form: one, or those of a network inside."""
    group = member(whole, group_name)
    weight_names = names_in(group, "weight_names") or []
    # "stem_conv/kernel:0"; in the oldest files without the layer.
    owners = [name.split("/")[-2] if "/" in name else "" for name in weight_names]
    # The group's name is the layer's; what its weights are called may be numbered.
    is_one = len(set(owners)) == 1
    by_layer: dict[str, list[tuple[str, h5py.Dataset]]] = {}
    for owner, name in zip(owners, weight_names, strict=True):
        variable = name.split("/")[-1].partition(":")[0]
        layer = group_name if is_one else owner
        by_layer.setdefault(layer, []).append((variable, member(group, name)))
    for name, variables in by_layer.items():
        yield _StoredLayer(f"{group_name}/{name}", name, "", "", 0, variables)


def _layers_by_kind(file: h5py.File) -> Iterator[_StoredLayer]:
    """The layers of the newer form, of all networks in it, in no order."""
    waiting = [child for _, child in members(file)]
    n_seen = 0
    while waiting:
        group = waiting.pop()
        if not isinstance(group, h5py.Group):
            continue
        n_seen += 1
        parts = group.name.split("/")
        if n_seen > _MOST_GROUPS or len(parts) > _MOST_DEPTH:
            raise ValueError("its groups are too many, or lead round in a circle")
        if parts[-1] == "vars":
            if len(parts) > 2 and parts[-3] in _CONTAINERS:
                yield _layer_of_vars(group, "/".join(parts[:-2]), parts[-2])
        else:
            waiting.extend(child for _, child in members(group))


def _layer_of_vars(variables: h5py.Group, parent: str, entry: str) -> _StoredLayer:
    kind, _, number = entry.rpartition("_")
    if not number.isdecimal():
        kind, number = entry, "0"
    noted = names_in(variables, "name") or [""]
    arrays = [(name, array) for name, array in members(variables) if name.isdecimal()]
    in_order = [("", array) for _, array in sorted(arrays, key=lambda pair: int(pair[0]))]
    return _StoredLayer(f"{parent}/{entry}", noted[0], parent, kind, int(number), in_order)


def _matched(
    wanted: Sequence[WantedLayer], stored: Sequence[_StoredLayer]
) -> Iterator[tuple[WantedLayer, _StoredLayer]]:
    counts = Counter(layer.name for layer in stored)
    if not any(counts[layer.name] for layer in wanted):
        return _matched_by_order(wanted, stored)
    return _matched_by_name(wanted, stored)


def _matched_by_name(
    wanted: Sequence[WantedLayer], stored: Sequence[_StoredLayer]
) -> Iterator[tuple[WantedLayer, _StoredLayer]]:
    by_name: dict[str, list[_StoredLayer]] = {}
    for own in stored:
        by_name.setdefault(own.name, []).append(own)
    for layer in wanted:
        found = by_name.get(layer.name, [])
        if len(found) != 1:
            number = "two layers" if found else "no layer"
            raise ValueError(f"it has {number} {layer.name}")
        yield layer, found[0]


def _matched_by_order(
    wanted: Sequence[WantedLayer], stored: Sequence[_StoredLayer]
) -> Iterator[tuple[WantedLayer, _StoredLayer]]:
    """Pairs within the network of most layers, of each kind by number; the older form has none."""
    ((largest, _),) = Counter(layer.parent for layer in stored).most_common(1)
    rows: dict[str, list[_StoredLayer]] = {}
    for own in sorted(stored, key=lambda own: own.number):
        if own.parent == largest:
            rows.setdefault(own.kind, []).append(own)
    for layer in wanted:
        row = rows.get(layer.kind, rows.get("", []))
        if not row:
            raise ValueError(f"it has no layer {layer.name}, nor one for its place")
        yield layer, row.pop(0)


def _read(layer: WantedLayer, stored: _StoredLayer) -> list[NDArray[np.float32]]:
    """The arrays of one layer, each shape looked at before anything is read."""
    own_name = "" if stored.name == layer.name else f" ({stored.place.lstrip('/')} in the file)"
    by_name = dict(stored.variables)
    arrays = [array for _, array in stored.variables]
    if by_name.keys() == layer.shapes.keys():
        arrays = [by_name[name] for name in layer.shapes]
    if len(arrays) != len(layer.shapes):
        raise ValueError(
            f"layer {layer.name} must have {len(layer.shapes)} arrays; got {len(arrays)}{own_name}"
        )
    for array, shape in zip(arrays, layer.shapes.values(), strict=True):
        have = array.shape if isinstance(array, h5py.Dataset) else "a group"
        if have != shape:
            raise ValueError(f"layer {layer.name} must have shape {shape}; got {have}{own_name}")
    return [read_floats(array) for array in arrays]
