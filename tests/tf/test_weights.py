"""Weights from users' files: as Keras 2, Keras 3 and torch write them, and what is refused."""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from edgedistill.errors import StorageError, WeightsError
from edgedistill.tf.torch_weights import read_torch_state
from tests.tf.torch_files import save_zip, state_dict

pytestmark = pytest.mark.slow

SIZE_PX = 64
LITE1, LITE2, B3, RESNET = (
    "efficientnet_lite1",
    "efficientnet_lite2",
    "efficientnet_b3",
    "resnet101",
)


def _pixels() -> NDArray[np.float32]:
    draw = np.random.default_rng(1)
    return draw.integers(0, 256, (2, SIZE_PX, SIZE_PX, 3)).astype(np.float32)


def _features(network: Any) -> NDArray[np.float32]:
    from edgedistill.tf.networks import feature_extractor

    features: NDArray[np.float32] = feature_extractor(network)(_pixels()).numpy()
    return features


def _published(arch: str, n_classes: int, *, fold_pixels: bool) -> Any:
    """A Lite network with the published weights and a random head."""
    from edgedistill.tf.efficientnet_lite import build_lite, to_keras_weights
    from edgedistill.tf.weights import packaged_lite_weights

    network = build_lite(arch, SIZE_PX, n_classes, fold_pixels=fold_pixels)
    state = read_torch_state(packaged_lite_weights(arch))
    for name, values in to_keras_weights(state, arch, fold_pixels=fold_pixels).items():
        if name != "logits":
            network.get_layer(name).set_weights(values)
    return network


SAVERS: dict[str, Callable[[Any, Path], None]] = {
    "weights.h5": lambda network, path: network.save_weights(path),
    "plain.h5": lambda network, path: network.save_weights(path),
    "whole.h5": lambda network, path: network.save(path),
    "whole.keras": lambda network, path: network.save(path),
}


@pytest.fixture(scope="module")
def student() -> Any:
    return _published(LITE1, 7, fold_pixels=True)


@cache
def _built(arch: str) -> Any:
    from edgedistill.tf.networks import build

    return build(arch, SIZE_PX, 3)


def _empty(arch: str) -> Any:
    """A network that holds nothing of an earlier test; building one takes seconds."""
    network = _built(arch)
    network.set_weights([np.full(w.shape, 0.25, w.dtype) for w in network.get_weights()])
    return network


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("name", SAVERS)
def test_a_student_saved_by_keras_starts_another_one_that_keeps_its_own_head(
    tmp_path: Path, student: Any, name: str
) -> None:
    from edgedistill.tf.weights import load_pretrained

    path = tmp_path / f"student.{name}"
    SAVERS[name](student, path)
    network = _empty(LITE1)
    head = network.get_layer("logits").get_weights()
    load_pretrained(network, LITE1, str(path))
    np.testing.assert_array_equal(_features(network), _features(student))
    for have, want in zip(network.get_layer("logits").get_weights(), head, strict=True):
        np.testing.assert_array_equal(have, want)


def test_a_lite2_saved_by_keras_is_loaded(tmp_path: Path) -> None:
    from edgedistill.tf.weights import load_pretrained

    source = _published(LITE2, 7, fold_pixels=False)
    source.save_weights(tmp_path / "lite2.weights.h5")
    network = _empty(LITE2)
    load_pretrained(network, LITE2, str(tmp_path / "lite2.weights.h5"))
    np.testing.assert_array_equal(_features(network), _features(source))


@pytest.mark.parametrize(
    ("arch", "wanted", "found"),
    [(LITE1, "0 to 255", "about -1 to 1"), (LITE2, "about -1 to 1", "0 to 255")],
)
def test_a_lite_file_of_other_pixels_is_told_by_its_stem_and_refused(
    tmp_path: Path, arch: str, wanted: str, found: str
) -> None:
    from edgedistill.tf.weights import load_pretrained

    path = tmp_path / "other.h5"
    _published(arch, 2, fold_pixels=arch == LITE2).save_weights(path)
    sentence = f"its stem must take pixels of {wanted}; by its variances, of {found}"
    with pytest.raises(WeightsError, match=sentence):
        load_pretrained(_empty(arch), arch, str(path))


def test_a_torch_zip_gives_the_student_what_the_packaged_file_gives(
    tmp_path: Path, student: Any
) -> None:
    from edgedistill.tf.weights import load_pretrained, packaged_lite_weights

    tensors = read_torch_state(packaged_lite_weights(LITE1))
    wrapped = {"epoch": 5, "state_dict": state_dict({f"module.{n}": t for n, t in tensors.items()})}
    path = save_zip(tmp_path / "lite1.pth", wrapped)
    network = _empty(LITE1)
    load_pretrained(network, LITE1, str(path))
    np.testing.assert_array_equal(_features(network), _features(student))


_KERAS3 = """
import sys
import keras
import numpy as np

backbone = keras.applications.EfficientNetB3(
    include_top=False, weights=None, input_shape=(64, 64, 3)
)
draw = np.random.default_rng(0)
backbone.set_weights([draw.uniform(0.1, 0.9, w.shape) for w in backbone.get_weights()])
inputs = keras.Input((64, 64, 3))
features = keras.layers.GlobalAveragePooling2D()(backbone(inputs))
whole = keras.Model(inputs, keras.layers.Dense(4, name="mine")(features))
whole.compile("adam", "mse")
folder = sys.argv[1]
backbone.save_weights(folder + "/backbone.weights.h5")
whole.save(folder + "/whole.keras")
whole.save(folder + "/whole.h5")
np.savez(folder + "/arrays.npz", **{
    f"{layer.name}:{n}": array
    for layer in backbone.layers for n, array in enumerate(layer.get_weights())
})
"""


@pytest.fixture(scope="module")
def keras3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of B3 by Keras 3, which needs a process of its own beside tf_keras."""
    folder = tmp_path_factory.mktemp("keras3")
    env = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    subprocess.run([sys.executable, "-c", _KERAS3, str(folder)], check=True, env=env, timeout=300)
    return folder


@pytest.mark.parametrize("name", ["backbone.weights.h5", "whole.keras", "whole.h5"])
def test_b3_of_keras_3_is_loaded_by_names_and_keeps_its_own_normalisation(
    keras3: Path, name: str
) -> None:
    from edgedistill.tf.runtime import keras
    from edgedistill.tf.weights import load_pretrained

    network = _empty(B3)
    load_pretrained(network, B3, str(keras3 / name))
    arrays = np.load(keras3 / "arrays.npz")
    n_compared = 0
    for layer in network.layers:
        if isinstance(layer, keras.layers.Normalization):
            np.testing.assert_allclose(layer.get_weights()[0], [0.485, 0.456, 0.406], rtol=1e-6)
        elif layer.name != "logits":
            for number, have in enumerate(layer.get_weights()):
                np.testing.assert_array_equal(have, arrays[f"{layer.name}:{number}"])
                n_compared += 1
    assert n_compared == len(arrays.files) - 3  # its mean, variance and count


def _resnet() -> Any:
    from edgedistill.tf.runtime import keras

    backbone = keras.applications.ResNet101(
        include_top=False, weights=None, input_shape=(SIZE_PX, SIZE_PX, 3)
    )
    draw = np.random.default_rng(0)
    backbone.set_weights([draw.uniform(0.1, 0.9, w.shape) for w in backbone.get_weights()])
    return backbone


def test_resnet_is_loaded_alone_and_out_of_a_users_network_around_it(tmp_path: Path) -> None:
    from edgedistill.tf.networks import feature_extractor
    from edgedistill.tf.runtime import keras
    from edgedistill.tf.weights import load_pretrained

    backbone = _resnet()
    backbone.save_weights(tmp_path / "notop.h5")
    pool, mine = keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(4, name="mine")
    whole = keras.Sequential([backbone, pool, mine])
    whole.save_weights(tmp_path / "whole.weights.h5")
    backbone.get_layer("conv1_bn").trainable = False  # which puts its weights elsewhere
    whole.save_weights(tmp_path / "whole.h5")
    for name in ("notop.h5", "whole.weights.h5", "whole.h5"):
        network = _empty(RESNET)
        load_pretrained(network, RESNET, str(tmp_path / name))
        for layer in feature_extractor(network).layers:
            if layer.weights:
                want = backbone.get_layer(layer.name)
                for have, array in zip(layer.weights, want.weights, strict=True):
                    np.testing.assert_array_equal(have, array)


def _cut(path: Path, source: Path) -> None:
    path.write_bytes(source.read_bytes()[:-5000])


def _text(path: Path, _source: Path) -> None:
    path.write_text("imagenet")


def _png(path: Path, _source: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_text, "weights of .* must be imagenet, none or a file of Keras .* is of another kind"),
        (_png, "weights of .* must be imagenet, none or a file of Keras .* is of another kind"),
        (lambda path, _: path.touch(), "is empty"),
        (lambda path, _: path.mkdir(), "is a folder"),
        (lambda path, _: None, "is no file"),
        (lambda path, _: os.mkfifo(path), "is no file"),
        (_cut, "damaged or cut off"),
    ],
)
@pytest.mark.parametrize("arch", [LITE1, B3])
def test_what_holds_no_weights_is_one_sentence_before_anything_is_computed(
    tmp_path: Path, student: Any, arch: str, make: Callable[[Path, Path], None], reason: str
) -> None:
    from edgedistill.tf.weights import ensure_available

    source = tmp_path / "source.h5"
    student.save_weights(source)
    make(tmp_path / "weights.h5", source)
    with pytest.raises(WeightsError, match=reason) as caught:
        ensure_available(arch, str(tmp_path / "weights.h5"))
    assert str(tmp_path / "weights.h5") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_room_to_read_a_file_in_is_no_fault_of_the_file(tmp_path: Path, student: Any) -> None:
    from edgedistill.tf.weights import ensure_available

    path = tmp_path / "student.weights.h5"
    student.save_weights(path)
    _, hard = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(StorageError) as caught:
            ensure_available(LITE1, str(path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(caught.value) == (
        f"{path} finds no room in {tempfile.gettempdir()} to be read (File too large): free some "
        "space there, or set TMPDIR to another folder."
    )
    ensure_available(LITE1, str(path))


def test_a_torch_file_is_for_lite_alone() -> None:
    from edgedistill.tf.weights import ensure_available, packaged_lite_weights

    with pytest.raises(WeightsError, match=r"must be imagenet, none or a file of Keras"):
        ensure_available(B3, str(packaged_lite_weights(LITE1)))


def test_a_file_of_another_network_is_refused_before_the_run_by_its_first_layer(
    tmp_path: Path, student: Any
) -> None:
    from edgedistill.tf.weights import ensure_available, load_pretrained, packaged_lite_weights

    with pytest.raises(WeightsError, match=r"does not fit efficientnet_lite1: layer block\d\d_"):
        ensure_available(LITE1, str(packaged_lite_weights(LITE2)))
    path = tmp_path / "student.h5"
    student.save_weights(path)
    # The stem of B3 has 40 filters, of Lite1 32.
    sentence = r"layer stem_conv must have shape \(3, 3, 3, 40\); got \(3, 3, 3, 32\)"
    with pytest.raises(WeightsError, match=sentence):
        ensure_available(B3, str(path))
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = [b"conv1_bn"]
        file.move("stem_bn", "conv1_bn")
    with pytest.raises(WeightsError, match="does not fit resnet101: it has no layer conv1_conv"):
        load_pretrained(_empty(RESNET), RESNET, str(path))


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("kernel:0", np.nan, "kernel of layer head_conv has NaN or infinite numbers"),
        ("kernel:0", -np.inf, "kernel of layer head_conv has NaN or infinite numbers"),
        ("moving_variance:0", -1.0, "moving_variance of layer head_bn has negative numbers"),
    ],
)
def test_numbers_that_no_network_computes_with_are_refused_by_their_layer(
    tmp_path: Path, student: Any, variable: str, value: float, reason: str
) -> None:
    from edgedistill.tf.weights import load_pretrained

    path = tmp_path / "student.h5"
    student.save_weights(path)
    layer = "head_conv" if variable == "kernel:0" else "head_bn"
    with h5py.File(path, "a") as file:
        file[f"{layer}/{layer}/{variable}"][..., 3] = value
    with pytest.raises(WeightsError, match=reason):
        load_pretrained(_empty(LITE1), LITE1, str(path))


def test_a_torch_file_that_lacks_a_tensor_or_holds_nan_is_refused_by_its_name(
    tmp_path: Path,
) -> None:
    from edgedistill.tf.weights import load_pretrained, packaged_lite_weights

    tensors = read_torch_state(packaged_lite_weights(LITE1))
    lacking = {n: t for n, t in tensors.items() if n != "_blocks.3._bn1.bias"}
    path = save_zip(tmp_path / "lite1.pth", state_dict(lacking))
    with pytest.raises(WeightsError, match=r"it has no tensor _blocks\.3\._bn1\.bias"):
        load_pretrained(_empty(LITE1), LITE1, str(path))
    broken = tensors["_conv_head.weight"].copy()
    broken[0, 0] = np.nan
    path = save_zip(tmp_path / "lite1.pth", state_dict({**tensors, "_conv_head.weight": broken}))
    with pytest.raises(WeightsError, match="kernel of layer head_conv has NaN"):
        load_pretrained(_empty(LITE1), LITE1, str(path))
