"""EfficientNet-Lite as one flat functional Keras network, and the published weights in its layout.

Lite has no squeeze-and-excite and uses ReLU6, so that it quantises well; its first and last stages
are not deepened and its stem and head are not widened.

Source: Tan and Le 2019, "EfficientNet"; the Lite variants as TensorFlow's authors published them
in 2020.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.tf.runtime import keras

layers = keras.layers

BATCH_NORM_EPSILON = 1e-3
# Published: 0.99. Fine-tuning is a few hundred steps, in which running statistics must arrive.
BATCH_NORM_MOMENTUM = 0.9
# Preprocessing of the published weights: (x - 127) / 128.
PIXEL_MEAN = 127.0
PIXEL_SCALE = 128.0


@dataclass(frozen=True)
class Variant:
    """How a variant differs: width and depth multipliers, dropout rate."""

    width: float
    depth: float
    dropout: float


VARIANTS: Mapping[str, Variant] = {
    "efficientnet_lite1": Variant(1.0, 1.1, 0.2),
    "efficientnet_lite2": Variant(1.1, 1.2, 0.3),
}


@dataclass(frozen=True)
class _Stage:
    repeats: int
    kernel: int
    stride: int
    expand: int
    filters: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
_STEM_FILTERS = 32
_HEAD_FILTERS = 1280


@dataclass(frozen=True)
class _Block:
    """One inverted residual block, with the variant's width applied."""

    kernel: int
    stride: int
    expand: int
    filters_in: int
    filters_out: int


def _round_filters(filters: int, width: float) -> int:
    """Widened number of filters, a multiple of 8, never more than 10 % below the exact number."""
    exact = filters * width
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * exact else rounded


def _blocks(variant: Variant) -> Iterator[_Block]:
    filters_in = _STEM_FILTERS
    for number, stage in enumerate(_STAGES):
        is_edge = number in (0, len(_STAGES) - 1)
        repeats = stage.repeats if is_edge else math.ceil(stage.repeats * variant.depth)
        filters_out = _round_filters(stage.filters, variant.width)
        for repeat in range(repeats):
            stride = stage.stride if repeat == 0 else 1
            yield _Block(stage.kernel, stride, stage.expand, filters_in, filters_out)
            filters_in = filters_out


def build_lite(arch: str, img_size_px: int, n_classes: int, *, fold_pixels: bool) -> Any:
    """An EfficientNet-Lite with random weights.

    Args:
        arch: a key of `VARIANTS`.
        img_size_px: side of its images.
        n_classes: number of logits.
        fold_pixels: True: no preprocessing layer; `to_keras_weights` then puts it into the stem's
            batch normalisation, for a network that is to be quantised (tfmot refuses a Rescaling).

    Returns:
        A Keras network from [0, 255] RGB, shape (n, size, size, 3), to logits (n, n_classes).
    """
    variant = VARIANTS[arch]
    inputs = x = keras.Input((img_size_px, img_size_px, 3), name="pixels")
    if not fold_pixels:
        x = layers.Rescaling(1 / PIXEL_SCALE, -PIXEL_MEAN / PIXEL_SCALE, name="preprocessing")(x)
    x = _conv(x, _STEM_FILTERS, 3, 2, name="stem")
    for number, block in enumerate(_blocks(variant)):
        x = _inverted_residual(x, block, name=f"block{number:02d}")
    x = _conv(x, _HEAD_FILTERS, 1, 1, name="head")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(variant.dropout, name="dropout")(x)
    logits = layers.Dense(n_classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name=arch)


def _conv(x: Any, filters: int, kernel: int, stride: int, *, name: str, relu: bool = True) -> Any:
    x = layers.Conv2D(
        filters, kernel, stride, padding="same", use_bias=False, name=f"{name}_conv",
        kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out"),
    )(x)  # fmt: skip
    return _normalise(x, name, relu)


def _normalise(x: Any, name: str, relu: bool = True) -> Any:
    x = layers.BatchNormalization(
        epsilon=BATCH_NORM_EPSILON, momentum=BATCH_NORM_MOMENTUM, name=f"{name}_bn"
    )(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if relu else x


def _inverted_residual(x: Any, block: _Block, *, name: str) -> Any:
    shortcut = x
    if block.expand > 1:
        x = _conv(x, block.filters_in * block.expand, 1, 1, name=f"{name}_expand")
    x = layers.DepthwiseConv2D(
        block.kernel, block.stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv",
        depthwise_initializer=keras.initializers.VarianceScaling(2.0, "fan_out"),
    )(x)  # fmt: skip
    x = _normalise(x, f"{name}_depthwise")
    x = _conv(x, block.filters_out, 1, 1, name=f"{name}_project", relu=False)
    if block.stride == 1 and block.filters_in == block.filters_out:
        x = layers.Add(name=f"{name}_add")([x, shortcut])
    return x


def to_keras_weights(
    state: Mapping[str, NDArray[Any]], arch: str, *, fold_pixels: bool
) -> dict[str, list[NDArray[np.float32]]]:
    """A torch state dict of EfficientNet-Lite in this module's layout.

    Args:
        state: tensors by their torch names (`read_torch_state`).
        arch: a key of `VARIANTS`.
        fold_pixels: as the network was built.

    Returns:
        For each layer with weights, by name, the list that `layer.set_weights` takes.

    Raises:
        ValueError: a tensor that the network needs is not in `state`.
    """
    weights = {}
    for ours, theirs in _layer_names(VARIANTS[arch]):
        try:
            weights[ours] = _layer_weights(state, ours, theirs)
        except KeyError as error:
            raise ValueError(f"it has no tensor {error.args[0]}") from None
    if fold_pixels:
        kernel = weights["stem_conv"][0]
        weights["stem_bn"] = _fold_pixels(weights["stem_bn"], kernel)
    return weights


def _layer_names(variant: Variant) -> Iterator[tuple[str, str]]:
    """Our name and the published one of each layer with weights."""
    yield from (("stem_conv", "_conv_stem"), ("stem_bn", "_bn0"))
    for number, block in enumerate(_blocks(variant)):
        ours, theirs = f"block{number:02d}", f"_blocks.{number}"
        if block.expand > 1:
            yield f"{ours}_expand_conv", f"{theirs}._expand_conv"
            yield f"{ours}_expand_bn", f"{theirs}._bn0"
        yield f"{ours}_depthwise_conv", f"{theirs}._depthwise_conv"
        yield f"{ours}_depthwise_bn", f"{theirs}._bn1"
        yield f"{ours}_project_conv", f"{theirs}._project_conv"
        yield f"{ours}_project_bn", f"{theirs}._bn2"
    yield from (("head_conv", "_conv_head"), ("head_bn", "_bn1"), ("logits", "_fc"))


def _layer_weights(
    state: Mapping[str, NDArray[Any]], ours: str, theirs: str
) -> list[NDArray[np.float32]]:
    if ours.endswith("_bn"):
        names = ("weight", "bias", "running_mean", "running_var")
        return [state[f"{theirs}.{name}"] for name in names]
    kernel = state[f"{theirs}.weight"]
    if ours == "logits":
        return [kernel.T, state[f"{theirs}.bias"]]
    # Convolution OIHW -> HWIO; depthwise C1HW -> HWC1.
    order = (2, 3, 0, 1) if ours.endswith("depthwise_conv") else (2, 3, 1, 0)
    return [kernel.transpose(order)]


def _fold_pixels(
    batch_norm: list[NDArray[np.float32]], kernel: NDArray[np.float32]
) -> list[NDArray[np.float32]]:
    """The stem's batch normalisation for raw pixels in place of (x - 127) / 128.

    With the kernel left as it is, raw pixels make the convolution's output 128 times as large and
    shift it by 127 times the kernel's sum; mean and variance take that back. The epsilon is not
    scaled by the layer, so the variance carries the rest of it. The kernel must not be divided
    instead: Adam's step, relative to it, would grow 128-fold.
    """
    gamma, beta, mean, variance = batch_norm
    folded_mean = PIXEL_SCALE * mean + PIXEL_MEAN * kernel.sum(axis=(0, 1, 2))
    rest_of_epsilon = (PIXEL_SCALE**2 - 1) * BATCH_NORM_EPSILON
    folded_variance = PIXEL_SCALE**2 * variance + rest_of_epsilon
    return [gamma, beta, folded_mean, folded_variance]
