"""Takes back the shift that rounding a kernel gives to its layer's outputs.

A rounded weight is wrong by the same amount in every photo. Where its inputs are not 0 on average,
as pixels and the outputs of a ReLU6 are not, the layer's output is off by a constant: that constant
is known and is subtracted.

Source: Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction",
section 4.2, with inputs' means measured on photos.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.tf.kernel_quantizer import rounded_kernel
from edgedistill.tf.network_places import Place, places_of, source_names
from edgedistill.tf.runtime import keras

_WITH_KERNEL = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}


def names_of_inputs(network: Any) -> list[str]:
    """The layers whose outputs `correct_biases` must know the means of, each once, in order."""
    return list(dict.fromkeys(_input_name(place) for place in _places_with_kernels(network)))


def correct_biases(
    quantised: Any, network: Any, means: Mapping[str, NDArray[np.float32]], *, prefix: str
) -> None:
    """Makes each layer of a quantised network right on average over the photos.

    A batch normalisation after the layer takes the correction in its mean, a layer without one in
    its bias.

    Args:
        quantised: the fake-quantised copy of `network`, its kernels as there.
        network: the float network.
        means: of each channel of the outputs of `names_of_inputs`, over all pixels of the photos.
        prefix: of the names of the copy's layers.
    """
    for place in _places_with_kernels(network):
        layer, mean = place.layers[0], means[_input_name(place)]
        shift = _output_shift(rounded_kernel(layer) - layer.get_weights()[0], mean, place.operator)
        _subtract(quantised, place, shift, prefix)


def _places_with_kernels(network: Any) -> list[Place]:
    return [place for place in places_of(network) if place.operator in _WITH_KERNEL]


def _input_name(place: Place) -> str:
    (name,) = source_names(place.layers[0])
    return name


def _output_shift(
    error: NDArray[np.float32], mean: NDArray[np.float32], operator: str
) -> NDArray[np.float32]:
    """By how much a kernel's error moves each output channel, away from the photo's edges."""
    taps = error.sum(axis=(0, 1)) if error.ndim == 4 else error
    if operator == "DEPTHWISE_CONV_2D":
        return np.asarray(taps * mean[:, None], np.float32).reshape(-1)
    return np.asarray(mean @ taps, np.float32)


def _subtract(quantised: Any, place: Place, shift: NDArray[np.float32], prefix: str) -> None:
    first, *followers = (quantised.get_layer(prefix + x.name).layer for x in place.layers)
    if followers and isinstance(followers[0], keras.layers.BatchNormalization):
        followers[0].moving_mean.assign_add(shift)
    elif first.use_bias:
        first.bias.assign_sub(shift)
