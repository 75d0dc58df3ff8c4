"""Weights from a user's file into a network: which kind of file, which layers, do they fit.

Nothing in a file is run: `torch_weights` and `keras_weights` read numbers and nothing else, the
latter in a process of its own (`keras_reader`).
"""

import errno
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from edgedistill.errors import NO_ROOM, EdgedistillError, StorageError, WeightsError
from edgedistill.tf.efficientnet_lite import VARIANTS, to_keras_weights
from edgedistill.tf.keras_reader import OF_DAMAGE, read_apart
from edgedistill.tf.keras_weights import WantedLayer, is_keras_zip
from edgedistill.tf.networks import STUDENT_ARCH, build, feature_extractor
from edgedistill.tf.runtime import keras
from edgedistill.tf.torch_weights import is_torch_zip, read_torch_state

_HEAD = "logits"
# How Keras calls the kinds of layers that have weights here (its class in snake case).
_KINDS = {
    keras.layers.Conv2D: "conv2d",
    keras.layers.DepthwiseConv2D: "depthwise_conv2d",
    keras.layers.BatchNormalization: "batch_normalization",
    keras.layers.Dense: "dense",
}
_NO_ROOM = NO_ROOM | {errno.EFBIG}
_SMALL_PX = 64  # no weights depend on the photos' size
_STEM_INPUTS = 27  # 3 x 3 pixels of 3 channels

LayerWeights = Mapping[str, Sequence[NDArray[np.float32]]]


def load_file(network: Any, arch: str, path: Path, *, with_head: bool = False) -> None:
    """Puts the weights of a file into a network; its head keeps its own unless it is asked for.

    The pixels that the weights expect must be those that the network gives them:

    - Lite from torch: (x - 127) / 128, as published; the student's stem is folded for raw ones.
    - Lite from Keras: as the network itself. The student (Lite1) takes raw pixels of 0 to 255,
      Lite2 those of its own layer, (x - 127) / 128; a file of the other way is told by the
      variances of its stem and refused.
    - EfficientNet-B3: as `keras.applications`, which normalises inside; that layer is not read.
    - ResNet101: as `keras.applications.resnet.preprocess_input` gives them; no file tells.

    Args:
        network: what `networks.build(arch, ...)` made.
        arch: name of the network.
        path: a file of torch (Lite only) or Keras.
        with_head: load the head as well, from a torch file of as many classes.

    Raises:
        WeightsError: there is no such file, it cannot be read, or a layer does not fit; the
            first such is named.
        StorageError: what the file holds finds no room among temporary files.
    """
    wanted = _wanted_layers(network, with_head=with_head)
    for name, values in _read(arch, path, wanted).items():
        network.get_layer(name).set_weights(values)


def check_file(arch: str, path: Path) -> None:
    """Refuses a file that `load_file` would refuse.

    Raises:
        WeightsError, StorageError: as `load_file`.
    """
    _require_kind(arch, path)
    # Built and thrown away: seconds, against hours until the training would find out.
    _read(arch, path, _wanted_layers(build(arch, _SMALL_PX, n_classes=2), with_head=False))


def _read(arch: str, path: Path, wanted: Sequence[WantedLayer]) -> LayerWeights:
    is_torch = _require_kind(arch, path)
    try:
        if is_torch:
            state = read_torch_state(path)
            weights = to_keras_weights(state, arch, fold_pixels=arch == STUDENT_ARCH)
            _require_shapes(wanted, weights)
        else:
            weights = read_apart(path, wanted)
            if arch in VARIANTS:
                _require_own_pixels(weights, is_raw=arch == STUDENT_ARCH)
        _require_numbers(wanted, weights)
    except (OSError, ValueError) as error:
        raise _refusal(arch, path, error) from None
    return {layer.name: weights[layer.name] for layer in wanted}


def _refusal(arch: str, path: Path, error: OSError | ValueError) -> EdgedistillError:
    """The error for a file that does not fit, or that the system does not give or unpack."""
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return StorageError(
            f"{path} finds no room in {tempfile.gettempdir()} to be read ({error.strerror}): free "
            "some space there, or set TMPDIR to another folder."
        )
    if isinstance(error, OSError) and error.errno not in OF_DAMAGE:
        return WeightsError(f"{path} cannot be read: {error.strerror}.")
    return WeightsError(f"{path} does not fit {arch}: {error}. Give a file of {arch}'s weights.")


def _require_kind(arch: str, path: Path) -> bool:
    """Whether it is a file of torch, not of Keras, by its content; refused if of neither."""
    forms = "Keras (.keras, .weights.h5, .h5)"
    if arch in VARIANTS:
        forms += " or of torch (.pth)"
    must = f"weights of {arch} must be imagenet, none or a file of {forms}"
    try:
        if not path.is_file():
            raise WeightsError(f"{must}; {path} is {'a folder' if path.is_dir() else 'no file'}.")
        with path.open("rb") as file:
            start = file.read(2)
        if h5py.is_hdf5(path) or is_keras_zip(path):
            return False
        if arch in VARIANTS and (start == b"\x80\x02" or is_torch_zip(path)):
            return True
    except OSError as error:
        raise WeightsError(f"{must}; {path} cannot be read: {error.strerror}.") from None
    what = "is empty" if not start else "is of another kind, damaged or cut off"
    raise WeightsError(f"{must}; {path} {what}.")


def _wanted_layers(network: Any, *, with_head: bool) -> list[WantedLayer]:
    """The layers with weights, without B3's normalisation, which is set by `networks`."""
    layers = (network if with_head else feature_extractor(network)).layers
    return [
        WantedLayer(
            layer.name,
            _KINDS[type(layer)],
            {w.name.split("/")[-1].partition(":")[0]: tuple(w.shape) for w in layer.weights},
        )
        for layer in layers
        if layer.weights and not isinstance(layer, keras.layers.Normalization)
    ]


def _require_shapes(wanted: Sequence[WantedLayer], weights: LayerWeights) -> None:
    for layer in wanted:
        for have, shape in zip(weights[layer.name], layer.shapes.values(), strict=True):
            if have.shape != shape:
                raise ValueError(f"layer {layer.name} must have shape {shape}; got {have.shape}")


def _require_numbers(wanted: Sequence[WantedLayer], weights: LayerWeights) -> None:
    for layer in wanted:
        for name, values in zip(layer.shapes, weights[layer.name], strict=True):
            if not np.isfinite(values).all():
                raise ValueError(f"{name} of layer {layer.name} has NaN or infinite numbers")
            if name == "moving_variance" and (values < 0).any():
                raise ValueError(f"{name} of layer {layer.name} has negative numbers")


def _require_own_pixels(weights: LayerWeights, *, is_raw: bool) -> None:
    """Tells pixels of 0 to 255 from those of -1 to 1 by what the stem's outputs vary.

    An output is the product of a kernel with 27 numbers. If those are at most 1 in size, its
    variance is at most 27 times the kernel's squared length (Cauchy and Schwarz). Of raw photos
    it is thousands of times that, and 0.3 to 0.4 times of scaled ones.
    """
    _gamma, _beta, _mean, variance = weights["stem_bn"]
    (kernel,) = weights["stem_conv"]
    if (variance.sum() > _STEM_INPUTS * np.square(kernel).sum()) != is_raw:
        wanted, found = "0 to 255", "about -1 to 1"
        if not is_raw:
            wanted, found = found, wanted
        raise ValueError(f"its stem must take pixels of {wanted}; by its variances, of {found}")
