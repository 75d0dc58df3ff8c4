"""What an installation must be able to do offline: load ImageNet weights, make and run a file."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.pixel_writing import ShardWriter
from edgedistill.pixels import PackedPixels
from edgedistill.tf.efficientnet_lite import VARIANTS
from edgedistill.tf.export import convert_quantised
from edgedistill.tf.interpreter import predict_outputs
from edgedistill.tf.networks import build
from edgedistill.tf.qat import quantise_aware
from edgedistill.tf.runtime import keras, seed_everything
from edgedistill.tf.weights import IMAGENET, brought_along, load_pretrained

_SIZE_PX = 32
_N_CLASSES = 3
_N_IMAGES = 32
# Integers of 8 bits all the way through cost a few hundredths of the outputs' span.
_MOST_DIFFERENCE = 0.15


def holds_weights(arch: str) -> bool:
    """Whether the ImageNet weights of a network are here, so that nothing is downloaded."""
    return arch in VARIANTS or brought_along(arch) is not None


def load_imagenet(arch: str) -> int:
    """Loads the ImageNet weights of a network; gives how many numbers it has, its head's too.

    Raises:
        WeightsError: they cannot be had or do not fit.
    """
    keras.backend.clear_session()
    network = build(arch, _SIZE_PX, _N_CLASSES)
    load_pretrained(network, arch, IMAGENET)
    return int(network.count_params())


def export_and_run() -> int:
    """Quantises a small network, runs its file and holds it to the network; gives its bytes.

    Raises:
        ValueError: the file says something else than the network.
    """
    seed_everything(0)
    network = _small_network()
    images = np.random.default_rng(0).integers(0, 256, (_N_IMAGES, _SIZE_PX, _SIZE_PX, 3))
    with tempfile.TemporaryDirectory(prefix="self-test-") as folder:
        pixels = _packed(Path(folder) / "pixels", images.astype(np.uint8))
        quantised = quantise_aware(network, pixels, np.arange(_N_IMAGES), full_input_range=True)
        file = convert_quantised(quantised, input_type="int8", output_type="int8")
        have = predict_outputs(file, pixels)
    want = network(images.astype(np.float32), training=False).numpy()
    difference = float(np.abs(have - want).max() / np.ptp(want))
    if not difference <= _MOST_DIFFERENCE:
        raise ValueError(
            f"the int8 file's outputs are off by {difference:.2f} of the float network's span; "
            f"at most {_MOST_DIFFERENCE} are right"
        )
    return len(file)


def _small_network() -> Any:
    layers = keras.layers
    inputs = keras.Input((_SIZE_PX, _SIZE_PX, 3), name="pixels")
    x = layers.Conv2D(8, 3, 2, padding="same", use_bias=False, name="stem_conv")(inputs)
    x = layers.BatchNormalization(name="stem_bn")(x)
    x = layers.ReLU(6.0, name="stem_relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise_conv")(x)
    x = layers.BatchNormalization(name="depthwise_bn")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(_N_CLASSES, name="logits")(x))


def _packed(folder: Path, images: NDArray[np.uint8]) -> PackedPixels:
    with ShardWriter(folder, images.shape[1]) as writer:
        for image in images:
            writer.append(image)
    return PackedPixels(folder, len(images))
