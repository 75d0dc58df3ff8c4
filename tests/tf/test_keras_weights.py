"""The reader of Keras files: what it finds in each form, and what it refuses to follow or swallow.

The files are written by hand here, in the layouts that tf_keras 2.21 and Keras 3.15 were seen to
write; test_weights.py reads files of theirs.
"""

import resource
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from edgedistill.tf import keras_weights
from edgedistill.tf.keras_weights import WantedLayer, is_keras_zip, read_keras_weights

Array = NDArray[np.float32]
Layers = Mapping[str, Mapping[str, Array]]

CONV = WantedLayer("stem_conv", "conv2d", {"kernel": (1, 1, 3, 2)})
NORM = WantedLayer(
    "stem_bn",
    "batch_normalization",
    {"gamma": (2,), "beta": (2,), "moving_mean": (2,), "moving_variance": (2,)},
)
LAST = WantedLayer("last_conv", "conv2d", {"kernel": (1, 1, 2, 4)})
WANTED = (CONV, NORM, LAST)


def _layers() -> dict[str, dict[str, Array]]:
    """The wanted ones, every number another, and a head that nobody wants."""
    shapes = {layer.name: dict(layer.shapes) for layer in WANTED}
    shapes["mine"] = {"kernel": (4, 5), "bias": (5,)}
    numbers = iter(range(100))
    return {
        name: {
            variable: np.array([next(numbers) for _ in range(int(np.prod(s)))], "f4").reshape(s)
            for variable, s in own.items()
        }
        for name, own in shapes.items()
    }


def _expected() -> dict[str, list[Array]]:
    layers = _layers()
    return {layer.name: list(layers[layer.name].values()) for layer in WANTED}


def _assert_read(path: Path) -> None:
    read = read_keras_weights(path, WANTED)
    assert [*read] == ["stem_conv", "stem_bn", "last_conv"]
    for name, arrays in _expected().items():
        assert len(read[name]) == len(arrays)
        for have, want in zip(read[name], arrays, strict=True):
            assert have.dtype == np.float32
            np.testing.assert_array_equal(have, want)


def _older(path: Path, layers: Layers, *, inside: str = "/", suffix: str = ":0") -> Path:
    """The form with `layer_names`: a group a layer, also for layers without weights."""
    with h5py.File(path, "a") as file:
        whole = file.require_group(inside)
        whole.attrs["layer_names"] = [b"input_1", *(name.encode() for name in layers)]
        whole.create_group("input_1").attrs["weight_names"] = np.array([])
        for name, variables in layers.items():
            group = whole.create_group(name)
            names = [f"{name}/{variable}{suffix}" for variable in variables]
            group.attrs["weight_names"] = [n.encode() for n in names]
            for n, values in zip(names, variables.values(), strict=True):
                group[n] = values
    return path


def _nested(path: Path) -> Path:
    """The same with the backbone as one layer: what is trained comes before what is not."""
    layers = _layers()
    head = {"mine": layers.pop("mine")}
    pairs = [(f"{n}/{v}:0", values) for n, own in layers.items() for v, values in own.items()]
    pairs.sort(key=lambda pair: "moving_" in pair[0])
    _older(path, head, inside="model_weights")
    with h5py.File(path, "a") as file:
        whole = file["model_weights"]
        whole.attrs["layer_names"] = [b"input_1", b"backbone", b"mine"]
        group = whole.create_group("backbone")
        group.attrs["weight_names"] = [name.encode() for name, _ in pairs]
        for name, values in pairs:
            group[name] = values
        file["optimizer_weights/Adam/m/stem_conv/kernel:0"] = np.zeros((1, 1, 3, 2))
    return path


_ENTRIES = {
    "stem_conv": "conv2d",
    "stem_bn": "batch_normalization",
    "last_conv": "conv2d_1",
    "mine": "dense",
}


def _newer(
    path: Path, layers: Layers, *, names: bool = False, inside: str = "", container: str = "layers"
) -> Path:
    """The form with `vars`, numbered by kind, also for layers without weights."""
    with h5py.File(path, "a") as file:
        file.create_group(f"{container}/input_layer/vars")
        for name, variables in layers.items():
            parent = "" if name == "mine" else inside
            group = file.create_group(f"{parent}{container}/{_ENTRIES[name]}/vars")
            if names:
                group.attrs["name"] = name
            for number, values in enumerate(variables.values()):
                group[str(number)] = values
        for number in range(12):
            file[f"optimizer/vars/{number}"] = np.zeros((1, 1, 3, 2))
    return path


def _keras(path: Path, weights: Path, *, compression: int = zipfile.ZIP_STORED) -> Path:
    """As Keras: what to build is text in a file of its own, which may say anything."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", '{"class_name": "Lambda", "config": "import os"}')
        archive.write(weights, "model.weights.h5")
    return path


FORMS: dict[str, Callable[[Path], Path]] = {
    "older": lambda folder: _older(folder / "w.h5", _layers()),
    "older of Keras 3": lambda folder: _older(folder / "w.h5", _layers(), suffix=""),
    "older whole": lambda folder: _older(folder / "w.h5", _layers(), inside="model_weights"),
    "older nested": lambda folder: _nested(folder / "w.h5"),
    "newer": lambda folder: _newer(folder / "w.weights.h5", _layers()),
    "newer named": lambda folder: _newer(folder / "w.weights.h5", _layers(), names=True),
    "newer nested": lambda folder: _newer(
        folder / "w.weights.h5", _layers(), inside="layers/functional/"
    ),
    "newer nested named": lambda folder: _newer(
        folder / "w.weights.h5", _layers(), names=True, inside="backbone/"
    ),
    "Keras 2.13": lambda folder: _newer(
        folder / "w.weights.h5", _layers(), container="_layer_checkpoint_dependencies"
    ),
    "keras": lambda folder: _keras(
        folder / "w.keras", _newer(folder / "model.weights.h5", _layers())
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_wanted_layers(tmp_path: Path, form: str) -> None:
    _assert_read(FORMS[form](tmp_path))


def test_arrays_are_taken_by_their_names_where_a_file_has_them_in_another_order(
    tmp_path: Path,
) -> None:
    layers = _layers()
    layers["stem_bn"] = dict(reversed(layers["stem_bn"].items()))
    _assert_read(_older(tmp_path / "w.h5", layers))


def test_one_that_keras_calls_otherwise_is_taken_by_its_place(tmp_path: Path) -> None:
    # Keras 3 calls a depthwise kernel "kernel", tf_keras "depthwise_kernel".
    wanted = WantedLayer("stem_conv", "depthwise_conv2d", {"depthwise_kernel": (1, 1, 3, 2)})
    read = read_keras_weights(_older(tmp_path / "w.h5", _layers()), [wanted])
    np.testing.assert_array_equal(read["stem_conv"][0], _layers()["stem_conv"]["kernel"])


def test_the_tenth_layer_of_a_kind_comes_after_the_ninth(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for number in range(12):
            suffix = f"_{number}" if number else ""
            file[f"layers/dense{suffix}/vars/0"] = np.full(1, number, "f4")
    wanted = [WantedLayer(f"own{n}", "dense", {"kernel": (1,)}) for n in range(12)]
    read = read_keras_weights(tmp_path / "w.h5", wanted)
    assert [read[f"own{n}"][0][0] for n in range(12)] == list(range(12))


def test_the_tenth_array_of_a_layer_comes_after_the_ninth(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for number in range(12):
            file[f"layers/dense/vars/{number}"] = np.full(1, number, "f4")
    wanted = [WantedLayer("own", "dense", {f"v{n}": (1,) for n in range(12)})]
    read = read_keras_weights(tmp_path / "w.h5", wanted)
    assert [array[0] for array in read["own"]] == list(range(12))


def test_an_older_file_with_other_names_is_read_in_its_order(tmp_path: Path) -> None:
    layers = {f"layer{n}": own for n, own in enumerate(_layers().values())}
    one = np.ones(3, "f4")
    statistics = {"mean": one, "variance": one, "count": one[0]}
    _assert_read(_older(tmp_path / "w.h5", {"normalization": statistics, **layers}))


def test_layers_around_a_backbone_without_names_do_not_stand_for_its_own(tmp_path: Path) -> None:
    path = FORMS["newer nested"](tmp_path)
    with h5py.File(path, "a") as file:
        file["layers/conv2d/vars/0"] = np.zeros((1, 1, 3, 2), "f4")
    _assert_read(path)


def test_a_layer_is_called_by_its_group_where_its_arrays_are_numbered(tmp_path: Path) -> None:
    path = _older(tmp_path / "w.h5", _layers())
    with h5py.File(path, "a") as file:
        group = file["stem_conv"]
        group.move("stem_conv", "stem_conv_7")
        group.attrs["weight_names"] = [b"stem_conv_7/kernel:0"]
    _assert_read(path)


def test_names_that_keras_parted_are_put_together(tmp_path: Path) -> None:
    path = _older(tmp_path / "w.h5", _layers())
    with h5py.File(path, "a") as file:
        names = list(file.attrs["layer_names"])
        del file.attrs["layer_names"]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:2], names[2:]
    _assert_read(path)


@pytest.mark.parametrize("dtype", ["f2", "f8", "bfloat16"])
def test_every_kind_of_float_becomes_float32(tmp_path: Path, dtype: str) -> None:
    # Keras 3 writes bfloat16 as two bytes without a type: the upper half of a float32.
    values = np.array([0.5, -2.25], "f4")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        if dtype == "bfloat16":
            file["layers/dense/vars/0"] = (values.view("u4") >> 16).astype("u2").view("V2")
        else:
            file["layers/dense/vars/0"] = values.astype(dtype)
    read = read_keras_weights(tmp_path / "w.h5", [WantedLayer("own", "dense", {"kernel": (2,)})])
    assert read["own"][0].dtype == np.float32
    assert read["own"][0].tolist() == [0.5, -2.25]


@pytest.mark.parametrize("form", ["older", "older nested", "newer named", "newer nested named"])
def test_the_first_layer_that_a_file_lacks_is_named(tmp_path: Path, form: str) -> None:
    more = (CONV, WantedLayer("body_conv", "conv2d", {"kernel": (1,)}), *WANTED[1:])
    with pytest.raises(ValueError, match="it has no layer body_conv"):
        read_keras_weights(FORMS[form](tmp_path), more)


def test_the_first_layer_that_a_file_without_names_lacks_is_named(tmp_path: Path) -> None:
    more = (*WANTED, WantedLayer("third_conv", "conv2d", {"kernel": (1,)}))
    with pytest.raises(ValueError, match="it has no layer third_conv, nor one for its place"):
        read_keras_weights(FORMS["newer"](tmp_path), more)


def test_a_layer_of_another_shape_is_named_with_both(tmp_path: Path) -> None:
    layers = _layers()
    layers["last_conv"] = {"kernel": np.zeros((1, 1, 2, 7), "f4")}
    for path in (_older(tmp_path / "a.h5", layers), _newer(tmp_path / "b.h5", layers)):
        sentence = r"layer last_conv must have shape \(1, 1, 2, 4\); got \(1, 1, 2, 7\)"
        with pytest.raises(ValueError, match=sentence):
            read_keras_weights(path, WANTED)


def test_where_a_layer_was_looked_for_is_told_if_it_has_another_name(tmp_path: Path) -> None:
    layers = _layers()
    layers["last_conv"] = {"kernel": np.zeros((1, 1, 2, 7), "f4")}
    with pytest.raises(ValueError, match=r"got \(1, 1, 2, 7\) \(layers/conv2d_1 in the file\)"):
        read_keras_weights(_newer(tmp_path / "w.h5", layers), WANTED)


def test_a_layer_with_an_array_too_few_is_named(tmp_path: Path) -> None:
    layers = _layers()
    del layers["stem_bn"]["gamma"]
    with pytest.raises(ValueError, match="layer stem_bn must have 4 arrays; got 3"):
        read_keras_weights(_older(tmp_path / "w.h5", layers), WANTED)


def test_two_layers_of_one_name_are_refused(tmp_path: Path) -> None:
    path = FORMS["newer nested named"](tmp_path)
    with h5py.File(path, "a") as file:
        file.copy("backbone", "backbone2")
    with pytest.raises(ValueError, match="it has two layers stem_conv"):
        read_keras_weights(path, WANTED)


def _outside(folder: Path) -> Path:
    path = folder / "outside.h5"
    with h5py.File(path, "w") as file:
        file["kernel"] = _layers()["stem_conv"]["kernel"]
    return path


def _external_link(file: h5py.File, folder: Path) -> None:
    file["stem_conv/stem_conv/kernel:0"] = h5py.ExternalLink(_outside(folder), "kernel")


def _external_storage(file: h5py.File, folder: Path) -> None:
    (folder / "raw").write_bytes(bytes(24))
    file.create_dataset(
        "stem_conv/stem_conv/kernel:0", (1, 1, 3, 2), "f4", external=[(folder / "raw", 0, 24)]
    )


def _virtual(file: h5py.File, folder: Path) -> None:
    layout = h5py.VirtualLayout((1, 1, 3, 2), "f4")
    layout[:] = h5py.VirtualSource(_outside(folder), "kernel", (1, 1, 3, 2))
    file.create_virtual_dataset("stem_conv/stem_conv/kernel:0", layout)


def _soft_link(file: h5py.File, _folder: Path) -> None:
    file["elsewhere"] = _layers()["stem_conv"]["kernel"]
    file["stem_conv/stem_conv/kernel:0"] = h5py.SoftLink("/elsewhere")


@pytest.mark.parametrize(
    ("replace", "reason"),
    [
        (_external_link, "is a link to another place"),
        (_soft_link, "is a link to another place"),
        (_external_storage, "keeps its numbers in another file"),
        (_virtual, "keeps its numbers in another file"),
    ],
)
def test_numbers_from_outside_the_file_are_refused(
    tmp_path: Path, replace: Callable[[h5py.File, Path], None], reason: str
) -> None:
    path = _older(tmp_path / "w.h5", _layers())
    with h5py.File(path, "a") as file:
        del file["stem_conv/stem_conv/kernel:0"]
        replace(file, tmp_path)
    with h5py.File(path) as file:  # h5py itself would follow
        assert file["stem_conv/stem_conv/kernel:0"].shape == (1, 1, 3, 2)
    with pytest.raises(ValueError, match=reason):
        read_keras_weights(path, WANTED)


def test_a_link_in_the_newer_form_is_refused(tmp_path: Path) -> None:
    path = FORMS["newer"](tmp_path)
    with h5py.File(path, "a") as file:
        file["layers/other"] = h5py.ExternalLink(_outside(tmp_path), "/")
    with pytest.raises(ValueError, match="'other' is a link to another place"):
        read_keras_weights(path, WANTED)


def test_groups_that_lead_round_in_a_circle_come_to_an_end(tmp_path: Path) -> None:
    path = FORMS["newer"](tmp_path)
    with h5py.File(path, "a") as file:
        file["layers/round"] = file["layers"]
    with pytest.raises(ValueError, match="round in a circle"):
        read_keras_weights(path, WANTED)


def test_a_shape_that_the_file_only_claims_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = _older(tmp_path / "w.h5", _layers())
    with h5py.File(path, "a") as file:
        del file["stem_conv/stem_conv/kernel:0"]
        file.create_dataset(
            "stem_conv/stem_conv/kernel:0", (1 << 40,), "f4", chunks=(1 << 20,), compression=9
        )
    assert path.stat().st_size < 1 << 20
    with pytest.raises(ValueError, match=r"must have shape .* got \(1099511627776,\)"):
        read_keras_weights(path, WANTED)


def test_chunks_much_larger_than_the_array_are_refused(tmp_path: Path) -> None:
    path = _older(tmp_path / "w.h5", _layers())
    with h5py.File(path, "a") as file:
        del file["stem_conv/stem_conv/kernel:0"]
        file.create_dataset(
            "stem_conv/stem_conv/kernel:0", (1, 1, 3, 2), "f4",
            maxshape=(None,) * 4, chunks=(1, 1, 1 << 13, 1 << 12),
        )  # fmt: skip
    with pytest.raises(ValueError, match="packed in an unusual way"):
        read_keras_weights(path, WANTED)


def test_text_in_place_of_numbers_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["layers/dense/vars/0"] = np.array([b"a", b"b"])
    with pytest.raises(ValueError, match=r"holds \|S1, no numbers"):
        read_keras_weights(tmp_path / "w.h5", [WantedLayer("own", "dense", {"kernel": (2,)})])


def test_names_that_are_numbers_or_not_there_are_refused(tmp_path: Path) -> None:
    path = _older(tmp_path / "w.h5", _layers())
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = [b"stem_conv", b"nowhere"]
    with pytest.raises(ValueError, match="names 'nowhere', which is not there"):
        read_keras_weights(path, WANTED)
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = [1.5, 2.5]
    with pytest.raises(ValueError, match="layer_names holds no names"):
        read_keras_weights(path, WANTED)


def test_an_hdf5_file_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no layers"):
        read_keras_weights(_outside(tmp_path), WANTED)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Wanted are 4 * (6 + 8 + 8) = 88 bytes; allowed are 8 times that and, here, 1 MB.
    monkeypatch.setattr(keras_weights, "_ALWAYS_ALLOWED_BYTES", 1_000_000)
    zeros = tmp_path / "zeros"
    for n_bytes, reason in [(1_000_705, "unpack to 1 MB, and 1 MB are the most"),
                            (1_000_704, "damaged")]:  # fmt: skip
        zeros.write_bytes(bytes(n_bytes))  # unpacked, it is no HDF5
        path = _keras(tmp_path / "w.keras", zeros, compression=zipfile.ZIP_DEFLATED)
        with pytest.raises(ValueError, match=reason):
            read_keras_weights(path, WANTED)


def test_a_zip_that_unpacks_to_more_than_it_declares_gives_no_more(tmp_path: Path) -> None:
    zeros = tmp_path / "zeros"
    zeros.write_bytes(bytes(1 << 24))
    path = _keras(tmp_path / "w.keras", zeros, compression=zipfile.ZIP_DEFLATED)
    size = (1 << 24).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, (100).to_bytes(4, "little")))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="damaged"):
        read_keras_weights(path, WANTED)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 << 10  # kB


def test_a_zip_without_weights_is_none_of_keras(tmp_path: Path) -> None:
    path = _keras(tmp_path / "w.keras", FORMS["newer"](tmp_path))
    assert is_keras_zip(path)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("model.weights.h5", b"another")
    with pytest.raises(ValueError, match=r"must hold one model\.weights\.h5; it holds 2"):
        read_keras_weights(path, WANTED)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../model.weights.h5", b"")
    assert not is_keras_zip(path)


def _damaged(whole: bytes, n_flips: int) -> Sequence[bytes]:
    draw = np.random.default_rng(0)
    flips = []
    for bit in draw.integers(0, 8 * len(whole), n_flips):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << (bit % 8)
        flips.append(bytes(changed))
    return [*(whole[: len(whole) * n // 20] for n in range(20)), *flips]


# Flipped bits in lists of names keep HDF5 in a loop now and then: test_keras_reader.py.
@pytest.mark.parametrize(("form", "n_flips"), [("older", 0), ("newer", 100), ("keras", 100)])
def test_no_cut_and_no_flipped_bit_gives_anything_but_arrays_or_a_value_error(
    tmp_path: Path, form: str, n_flips: int
) -> None:
    whole = FORMS[form](tmp_path).read_bytes()
    n_refused = 0
    for content in _damaged(whole, n_flips):
        path = tmp_path / "damaged"
        path.write_bytes(content)
        try:
            read: dict[str, list[Any]] = dict(read_keras_weights(path, WANTED))
        except ValueError:
            n_refused += 1
        else:
            for layer in WANTED:
                assert [a.shape for a in read[layer.name]] == [*layer.shapes.values()]
    assert n_refused >= 19
