"""Quantisation-aware training: tfmot's network, with every range set from data before it trains.

tfmot starts each range at ±6 and follows the data with a decay of 0.999, so that after a hundred
steps nine tenths of that guess are left. Here the float network says what the ranges are.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.pixels import PackedPixels
from edgedistill.tf.bias_correction import correct_biases
from edgedistill.tf.kernel_quantizer import quantise_layers
from edgedistill.tf.ranges import range_of, set_range
from edgedistill.tf.runtime import keras, tf

_PREFIX = "quant_"
_BATCH = 32


def quantise_aware(
    network: Any, pixels: PackedPixels, rows: NDArray[np.int64], *, full_input_range: bool
) -> Any:
    """The network with fake quantisation in it, its ranges set, its batch normalisation frozen:
    neither statistics nor scales and shifts (gamma, beta) are trained.

    As it comes it is the network quantised after training, in a better way than the converter's
    own: its ranges are means and not extremes, and its biases are corrected for the rounding of
    the kernels. It can be trained on from there.

    Args:
        network: float Keras network from [0, 255] RGB to logits, flat.
        pixels: training photos.
        rows: which of them set ranges and correct biases; 128 do, 512 gave no better network.
        full_input_range: True: the input's range is exactly [0, 255] whatever the photos hold, so
            that its scale is 1 and its zero point -128.

    Returns:
        A Keras network of its own; weights as in `network` but for the biases.
    """
    quantised = quantise_layers(network)
    _freeze_wrapped_normalisation(quantised)
    correct_biases(quantised, network, _float_batches(pixels, rows), prefix=_PREFIX)
    _set_output_ranges(quantised, network, pixels, rows)
    highest = 255.0
    if not full_input_range:
        highest = float(max(batch.max() for batch in pixels.batches(_BATCH, rows)))
    set_range(_input_quantiser(quantised), 0.0, highest)
    return quantised


def output_range_names(quantised: Any) -> list[str]:
    """Names of the float layers whose outputs a quantised network quantises, in its order."""
    return [
        layer.name.removeprefix(_PREFIX)
        for layer in quantised.layers
        if range_of(layer) is not None and layer.name.startswith(_PREFIX)
    ]


def _freeze_wrapped_normalisation(quantised: Any) -> None:
    for layer in quantised.layers:
        inner = getattr(layer, "layer", None)
        if isinstance(inner, keras.layers.BatchNormalization):
            inner.trainable = False


def _set_output_ranges(
    quantised: Any, network: Any, pixels: PackedPixels, rows: NDArray[np.int64]
) -> None:
    """Gives each quantised tensor the mean of its lowest and of its highest value in a batch.

    Every photo weighs the same, so that a last batch of one photo cannot narrow the ranges much.
    """
    names = output_range_names(quantised)
    outputs = [network.get_layer(name).output for name in names]
    observer = tf.function(keras.Model(network.input, outputs))
    extremes, weights = [], []
    for batch in _float_batches(pixels, rows):
        outputs = tf.nest.flatten(observer(batch, training=False))  # one output is no list
        extremes.append([(tf.reduce_min(y).numpy(), tf.reduce_max(y).numpy()) for y in outputs])
        weights.append(len(batch))
    means = np.average(extremes, axis=0, weights=weights)
    for name, (lowest, highest) in zip(names, means, strict=True):
        # A range must hold 0, which stands for itself exactly in an integer tensor.
        layer = quantised.get_layer(_PREFIX + name)
        set_range(layer, min(lowest, 0.0), max(highest, 0.0))


def _float_batches(pixels: PackedPixels, rows: NDArray[np.int64]) -> Iterator[Any]:
    return (tf.cast(batch, tf.float32) for batch in pixels.batches(_BATCH, rows))


def _input_quantiser(quantised: Any) -> Any:
    return next(x for x in quantised.layers if x.name.startswith("quantize_layer"))
