"""Fake quantisation of kernels on the very grid that the converter gives them.

tfmot's own does otherwise in three ways. It takes the last axis of every kernel for the output
channels; in a depthwise kernel, of shape (height, width, channels, multiplier), that is the
multiplier, 1, so that all channels share one scale and a channel of small weights keeps a few of
its 255 levels - in the file too, which inherits the scale. It keeps the range in variables that
start at ±6 and are those of the weights before the last step; here the range is always that of the
kernel as it is. And it follows a channel of hardly any weights, such as the published networks
have, down to scales on which the bias does not fit an int32: the file's sums then overflow.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# First: they prepare TensorFlow, which tfmot imports too.
from edgedistill.tf.ranges import hold_ranges
from edgedistill.tf.runtime import keras, tf

# isort: split
import tensorflow_model_optimization as tfmot

# A channel this much weaker than the kernel's strongest is dead: after its batch normalisation it
# gives its bias. On a scale fit for such weights the bias would not fit an int32, and overflows.
_WEAKEST = 2.0**-12
# In a kernel of no weights at all a scale still must be something. Outputs of weights as small as
# this are drowned by the epsilon of a batch normalisation.
_SMALLEST = 2.0**-20
# How many of a kernel's last axes are its output channels, by kind of layer. A dense layer has one
# scale, which older interpreters take for granted.
_CHANNEL_AXES = {
    keras.layers.DepthwiseConv2D: 2,
    keras.layers.Conv2D: 1,
    keras.layers.Dense: 0,
}


def quantise_layers(network: Any) -> Any:
    """tfmot's quantisation-aware copy of a network, with kernels quantised by this module.

    Its ranges are to be set, and stay as they are then (`ranges`).
    """
    annotated = tfmot.quantization.keras.quantize_annotate_model(network)
    quantised = tfmot.quantization.keras.quantize_apply(annotated, _Scheme())
    hold_ranges(quantised)
    return quantised


def rounded_kernel(layer: Any) -> NDArray[np.float32]:
    """A float layer's kernel as `quantise_layers` rounds it.

    Args:
        layer: a convolution, depthwise convolution or dense layer.
    """
    quantiser = KernelQuantizer(_CHANNEL_AXES[type(layer)])
    return np.asarray(quantiser(layer.get_weights()[0], training=False, weights={}))


def kernel_steps(layer: Any, kernel: NDArray[np.float32]) -> NDArray[np.float64]:
    """The step between two levels of each output channel of a kernel.

    Args:
        layer: a convolution or depthwise convolution.
        kernel: of its shape.

    Returns:
        Shape (channels,).
    """
    rows = kernel.reshape(*kernel.shape[: -_CHANNEL_AXES[type(layer)]], -1)
    return np.asarray(_largest(rows, tuple(range(rows.ndim - 1))), np.float64) / 127


class KernelQuantizer(
    tfmot.quantization.keras.quantizers.Quantizer  # type: ignore[misc]
):
    """Symmetric int8 in [-127, 127], the largest weight of a scale at ±127.

    A channel whose largest weight is below 1/4096 of the kernel's gets the scale of one that is
    just there; no scale is below that of a weight of 2**-20.

    `n_channel_axes`: over how many of the last axes each place has a scale of its own; 0: one
    scale for the whole kernel.
    """

    def __init__(self, n_channel_axes: int):
        self._n_channel_axes = n_channel_axes

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        """No variables: the range is the kernel's own."""
        return {}

    def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
        """The kernel with each weight on its nearest level, in its shape.

        The gradient of a weight is that of its level: none lies outside the range. TensorFlow's own
        gradient also adds up what lies outside, for which it has no repeatable form on GPUs.
        """
        rounded = tf.grad_pass_through(lambda kernel: _on_levels(kernel, self._n_channel_axes))
        return rounded(tf.convert_to_tensor(inputs))

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {"n_channel_axes": self._n_channel_axes}


def _on_levels(kernel: Any, n_channel_axes: int) -> Any:
    if n_channel_axes == 0:
        largest = _largest(kernel, None)
        return tf.quantization.fake_quant_with_min_max_vars(
            kernel, -largest, largest, narrow_range=True
        )
    # The operator knows channels as the last axis only.
    shape = [int(n) for n in kernel.shape]
    rows = tf.reshape(kernel, (*shape[:-n_channel_axes], -1))
    largest = _largest(rows, tuple(range(len(rows.shape) - 1)))
    quantised = tf.quantization.fake_quant_with_min_max_vars_per_channel(
        rows, -largest, largest, narrow_range=True
    )
    return tf.reshape(quantised, shape)


def _largest(kernel: Any, axes: tuple[int, ...] | None) -> Any:
    """The largest weight that each scale has room for."""
    sizes = tf.abs(kernel)
    floor = tf.maximum(_WEAKEST * tf.reduce_max(sizes), _SMALLEST)
    return tf.maximum(tf.reduce_max(sizes, axis=axes), floor)


class _Scheme(
    tfmot.quantization.keras.default_8bit.Default8BitQuantizeScheme  # type: ignore[misc]
):
    def get_quantize_registry(self) -> Any:
        return _Registry()


class _Registry(
    tfmot.quantization.keras.default_8bit.Default8BitQuantizeRegistry  # type: ignore[misc]
):
    def get_quantize_config(self, layer: Any) -> Any:
        config = super().get_quantize_config(layer)
        if type(layer) in _CHANNEL_AXES:
            config.weight_quantizer = KernelQuantizer(_CHANNEL_AXES[type(layer)])
        return config
