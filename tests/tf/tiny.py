"""A tiny network and tiny photos of plain colours: real training and conversion in seconds."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.pixel_writing import ShardWriter
from edgedistill.pixels import PackedPixels

SIZE_PX = 16
N_CLASSES = 3


def logical_cpus(count: int) -> list[str]:
    """Makes several devices of this machine's CPU, before TensorFlow computes; gives their names.

    They stand for GPUs: each has variables and graphs of its own.
    """
    from edgedistill.tf.runtime import tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    parts = [tf.config.LogicalDeviceConfiguration()] * count
    tf.config.set_logical_device_configuration(cpu, parts)
    return [f"CPU:{number}" for number in range(count)]


def colour_photos(n_photos: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Noisy photos that are red, green or blue, and which they are."""
    draw = np.random.default_rng(seed)
    labels = np.arange(n_photos) % N_CLASSES
    images = draw.integers(0, 120, (n_photos, SIZE_PX, SIZE_PX, 3))
    images[np.arange(n_photos), :, :, labels] += 110
    return images.astype(np.uint8), labels


def packed(folder: Path, images: NDArray[np.uint8]) -> PackedPixels:
    with ShardWriter(folder, images.shape[1]) as writer:
        for image in images:
            writer.append(image)
    return PackedPixels(folder, len(images))


def tiny_network(size_px: int = SIZE_PX) -> Any:
    """Every kind of layer that EfficientNet-Lite has, few of each."""
    from edgedistill.tf.runtime import keras

    layers = keras.layers
    inputs = x = keras.Input((size_px, size_px, 3), name="pixels")
    for name, filters, stride in (("stem", 8, 2), ("body", 8, 1)):
        shortcut = x
        x = layers.Conv2D(filters, 3, stride, padding="same", use_bias=False, name=f"{name}_conv")(
            x
        )
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
        x = layers.ReLU(6.0, name=f"{name}_relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise_conv")(x)
    x = layers.BatchNormalization(momentum=0.9, name="depthwise_bn")(x)
    x = layers.Add(name="add")([x, shortcut])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(0.1, name="dropout")(x)
    return keras.Model(inputs, layers.Dense(N_CLASSES, name="logits")(x))


def trained_network(folder: Path, *, n_photos: int, epochs: int, seed: int) -> tuple[Any, Any]:
    """A float network whose batch normalisation has seen data, and the photos it was trained on.

    The photos lie below `folder`, which must not exist.
    """
    from edgedistill.tf.runtime import keras, seed_everything

    seed_everything(seed)
    images, labels = colour_photos(n_photos, seed=seed)
    network = tiny_network()
    network.compile(
        keras.optimizers.Adam(0.02), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    network.fit(images.astype(np.float32), labels, epochs=epochs, batch_size=16, verbose=0)
    return network, packed(folder, images)


def range_rows(pixels: PackedPixels, seed: int = 0) -> NDArray[np.int64]:
    """Photos that set ranges: all, or 128 of them."""
    return np.random.default_rng(seed).permutation(len(pixels))[:128]


def quantised_file(
    network: Any,
    pixels: PackedPixels,
    rows: NDArray[np.int64],
    *,
    input_type: str = "int8",
    output_type: str = "int8",
    full_input_range: bool = True,
) -> bytes:
    """The TFLite file of a float network, quantised after training."""
    from edgedistill.tf.export import convert_quantised
    from edgedistill.tf.qat import quantise_aware

    quantised = quantise_aware(network, pixels, rows, full_input_range=full_input_range)
    return convert_quantised(quantised, input_type=input_type, output_type=output_type)
