"""The networks of the suite: built by name, saved as weights with a small record, loaded again.

Each takes raw [0, 255] RGB and holds its own preprocessing, so that no caller can feed it wrongly
scaled pixels. Each ends in the layers `pool`, `dropout` and `logits`.
"""

import gc
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from edgedistill.artifacts import NETWORK, WEIGHTS_FILE
from edgedistill.datasets import PackedDataset
from edgedistill.errors import ArtifactError
from edgedistill.tf.efficientnet_lite import BATCH_NORM_MOMENTUM, VARIANTS, build_lite
from edgedistill.tf.replicas import mirror_left
from edgedistill.tf.runtime import keras, tf

layers = keras.layers

STUDENT_ARCH = "efficientnet_lite1"
# Source: the statistics of ImageNet's training photos, in [0, 1] RGB, that EfficientNet was
# trained with.
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STDDEV = (0.229, 0.224, 0.225)
# Source: Simonyan and Zisserman's Caffe networks, in [0, 255] BGR; ResNet's weights follow them.
_CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)

HistoryRow = dict[str, Any]
"""One epoch; its keys are those that `training.train` gives."""


@dataclass(frozen=True)
class NetworkRecord:
    """What is kept beside a network's weights.

    `weights`: what training started from, as `weights.origin` names it. `history` has one row an
    epoch; `data_digest` names the split that it was trained on.
    """

    arch: str
    img_size_px: int
    label_names: Sequence[str]
    weights: str
    history: Sequence[HistoryRow]
    data_digest: str

    @classmethod
    def of(
        cls,
        photos: PackedDataset,
        arch: str,
        img_size_px: int,
        weights: str,
        history: Sequence[HistoryRow],
    ) -> Self:
        """Of a network that was trained on these photos."""
        return cls(arch, img_size_px, photos.label_names, weights, history, photos.split_digest)

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Of the network that lies in a folder.

        Raises:
            ArtifactError: its file is missing or damaged.
        """
        content = NETWORK.read(Path(folder))
        return cls(**{name: value for name, value in content.items() if name != "weights_sha256"})


class CaffePreprocessing(layers.Layer):  # type: ignore[name-defined, misc]
    """From [0, 255] RGB to BGR less ImageNet's mean, as ResNet's published weights expect."""

    def call(self, pixels: Any) -> Any:
        return tf.reverse(pixels, axis=[-1]) - tf.constant(_CAFFE_MEAN_BGR, pixels.dtype)


def build(arch: str, img_size_px: int, n_classes: int) -> Any:
    """A network with random weights.

    Args:
        arch: `STUDENT_ARCH` or a teacher's (`settings.TEACHER_SIZES_PX`).
        img_size_px: side of its images.
        n_classes: number of logits.

    Returns:
        A Keras network from [0, 255] RGB, shape (n, size, size, 3), to logits (n, n_classes).

    Raises:
        ValueError: `arch` is unknown.
    """
    if arch in VARIANTS:
        return build_lite(arch, img_size_px, n_classes, fold_pixels=arch == STUDENT_ARCH)
    if arch not in _BACKBONES:
        raise ValueError(f"arch must be one of {[*VARIANTS, *_BACKBONES]}; got {arch}")
    inputs = keras.Input((img_size_px, img_size_px, 3), name="pixels")
    features, dropout = _BACKBONES[arch](inputs)
    x = layers.GlobalAveragePooling2D(name="pool")(features)
    x = layers.Dropout(dropout, name="dropout")(x)
    logits = layers.Dense(n_classes, dtype="float32", name="logits")(x)
    network = keras.Model(inputs, logits, name=arch)
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM
    return network


def _efficientnet_b3(inputs: Any) -> tuple[Any, float]:
    backbone = keras.applications.EfficientNetB3(
        include_top=False, weights=None, input_tensor=inputs
    )
    fix_b3_normalisation(backbone)
    return backbone.output, 0.3


def _resnet101(inputs: Any) -> tuple[Any, float]:
    pixels = CaffePreprocessing(name="preprocessing")(inputs)
    backbone = keras.applications.ResNet101(include_top=False, weights=None, input_tensor=pixels)
    return backbone.output, 0.2


_BACKBONES = {"efficientnet_b3": _efficientnet_b3, "resnet101": _resnet101}


def fix_b3_normalisation(network: Any) -> None:
    """Sets B3's own normalisation to (x / 255 - mean) / standard deviation of ImageNet.

    tf_keras divides by the root of the deviation once in this layer, from the weights' file, and
    once more in a layer that it adds only for the word "imagenet": the same weights from a file
    would see other pixels. Setting the layer outright holds for all ways.
    """
    (normalisation,) = (x for x in network.layers if isinstance(x, layers.Normalization))
    variance = np.square(_IMAGENET_STDDEV)
    normalisation.set_weights([np.array(_IMAGENET_MEAN), variance, np.array(0, np.int64)])
    normalisation.finalize_state()


def feature_extractor(network: Any) -> Any:
    """The network up to its pooled features, shape (n, n_features)."""
    return keras.Model(network.input, network.get_layer("pool").output)


def weights_digest(network: Any) -> str:
    """SHA-256, in hexadecimal, over shape, type and values of the network's weights in order.

    Equal for equal weights, whatever wrote them; the bytes of their file depend on more.
    """
    digest = hashlib.sha256()
    for values in network.get_weights():
        digest.update(f"{values.dtype.str} {values.shape}\n".encode())
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def release_networks() -> None:
    """Frees the memory of all networks that nothing refers to any more, graphs included."""
    with mirror_left():  # the session holds it, too
        keras.backend.clear_session()
    gc.collect()  # networks and their layers refer to each other


def save_network(network: Any, folder: Path, record: NetworkRecord) -> None:
    """Writes weights and record into an existing folder."""
    network.save_weights(folder / WEIGHTS_FILE)
    NETWORK.write(
        folder,
        {
            "arch": record.arch,
            "img_size_px": record.img_size_px,
            "label_names": list(record.label_names),
            "weights": record.weights,
            "weights_sha256": weights_digest(network),
            "history": list(record.history),
            "data_digest": record.data_digest,
        },
    )


def load_network(folder: str | Path) -> tuple[Any, NetworkRecord]:
    """Builds a saved network again.

    Raises:
        ArtifactError: a file is missing, damaged, or does not fit the record.
    """
    folder = Path(folder)
    record = NetworkRecord.read(folder)
    network = build(record.arch, record.img_size_px, len(record.label_names))
    path = folder / WEIGHTS_FILE
    try:
        network.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(f"{path} cannot be read as {record.arch}: {error}.") from None
    if weights_digest(network) != NETWORK.read(folder)["weights_sha256"]:
        raise ArtifactError(
            f"{path} must hold the weights that {NETWORK.name} beside it names; it holds others: "
            "run the step that trained them again."
        )
    return network, record


def load_network_for(
    photos: PackedDataset, folder: str | Path, *, sizes_px: Sequence[int]
) -> tuple[Any, NetworkRecord]:
    """`load_network`, refused where it was trained on another split or for another image size.

    Args:
        photos: what it is to see.
        folder: where it lies.
        sizes_px: the sides that its images may have.

    Raises:
        ArtifactError: also what `load_network` raises.
    """
    record = NetworkRecord.read(folder)
    photos.require_own(record.data_digest, folder)
    if record.img_size_px not in sizes_px:
        wanted = " or ".join(map(str, sizes_px))
        raise ArtifactError(
            f"{folder} must hold a network for images of {wanted} px; got one for "
            f"{record.img_size_px} px."
        )
    return load_network(folder)


def load_student_for(photos: PackedDataset, folder: str | Path) -> tuple[Any, NetworkRecord]:
    """The student that was distilled from these photos, and its record.

    Raises:
        ArtifactError: also where it is another network than `STUDENT_ARCH`.
    """
    network, record = load_network_for(photos, folder, sizes_px=[photos.student_px])
    if record.arch != STUDENT_ARCH:
        raise ArtifactError(f"{folder} must hold {STUDENT_ARCH}; got {record.arch}.")
    return network, record
