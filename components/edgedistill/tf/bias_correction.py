"""Takes back the shift that rounding a kernel gives to its layer's outputs.

A rounded weight is wrong by the same amount in every photo. Where its inputs are not 0 on average,
as pixels and the outputs of a ReLU6 are not, the layer's output is off by a constant: that constant
is known and is subtracted.

Source: Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction",
section 4.2, with inputs' means measured on photos.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.tf.kernel_quantizer import rounded_kernel
from edgedistill.tf.network_places import Place, places_of
from edgedistill.tf.runtime import keras, tf

_WITH_KERNEL = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}


def correct_biases(quantised: Any, network: Any, batches: Iterable[Any], *, prefix: str) -> None:
    """Makes each layer of a quantised network right on average over the photos.

    A batch normalisation after the layer takes the correction in its mean, a layer without one in
    its bias.

    Args:
        quantised: the fake-quantised copy of `network`, its kernels as there.
        network: the float network.
        batches: photos, each a float batch of shape (n, size, size, 3).
        prefix: of the names of the copy's layers.
    """
    places = [place for place in places_of(network) if place.operator in _WITH_KERNEL]
    means = _input_means(network, places, batches)
    for place, mean in zip(places, means, strict=True):
        layer = place.layers[0]
        shift = _output_shift(rounded_kernel(layer) - layer.get_weights()[0], mean, place.operator)
        _subtract(quantised, place, shift, prefix)


def _input_means(
    network: Any, places: list[Place], batches: Iterable[Any]
) -> list[NDArray[np.float32]]:
    """The mean of each input channel of each place, over all pixels of all batches."""
    inputs = [place.layers[0].input for place in places]
    observer = keras.Model(network.input, inputs)

    def channel_means(batch: Any) -> list[Any]:
        values = tf.nest.flatten(observer(batch, training=False))  # one output is no list
        return [tf.reduce_mean(x, axis=tuple(range(len(x.shape) - 1))) for x in values]

    graph = tf.function(channel_means, autograph=False)
    of_batches, weights = [], []
    for batch in batches:
        of_batches.append([mean.numpy() for mean in graph(batch)])
        weights.append(len(batch))  # a last batch may be smaller
    return [
        np.average(of_place, axis=0, weights=weights) for of_place in zip(*of_batches, strict=True)
    ]


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
