"""Quantisation-aware training: tfmot's network, with every range set from data before it trains.

tfmot starts each range at ±6 and follows the data with a decay of 0.999, so that after a hundred
steps nine tenths of that guess are left. Here the float network says what the ranges are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.pixels import PackedPixels
from edgedistill.tf.bias_correction import correct_biases, names_of_inputs
from edgedistill.tf.folded_pass import FoldedPass
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
    seen = _look(network, output_range_names(quantised), names_of_inputs(network), pixels, rows)
    correct_biases(quantised, network, seen.means, prefix=_PREFIX)
    for name, (lowest, highest) in seen.extremes.items():
        # A range must hold 0, which stands for itself exactly in an integer tensor.
        set_range(quantised.get_layer(_PREFIX + name), min(lowest, 0.0), max(highest, 0.0))
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


@dataclass(frozen=True)
class _Seen:
    """What layers gave for some photos, by the layers' names.

    Attributes:
        extremes: the mean of the lowest and that of the highest values of batches.
        means: of each channel.
    """

    extremes: dict[str, tuple[float, float]]
    means: dict[str, NDArray[np.float32]]


def _look(
    network: Any,
    of_extremes: Sequence[str],
    of_means: Sequence[str],
    pixels: PackedPixels,
    rows: NDArray[np.int64],
) -> _Seen:
    """Shows the photos to the float network once.

    Every photo weighs the same, so that a last batch of one photo cannot narrow the ranges much.
    """
    observe = _observer(network, of_extremes, of_means)
    found = [[len(batch), *observe(batch)] for batch in pixels.batches(_BATCH, rows)]
    weights, extremes, *means = zip(*found, strict=True)
    ends = np.average(extremes, axis=0, weights=weights)
    return _Seen(
        {name: (low, high) for name, (low, high) in zip(of_extremes, ends.tolist(), strict=True)},
        {
            name: np.average(of_batches, axis=0, weights=weights)
            for name, of_batches in zip(of_means, means, strict=True)
        },
    )


def _observer(network: Any, of_extremes: Sequence[str], of_means: Sequence[str]) -> Any:
    """A graph: a batch in; lowest and highest values, shape (n, 2), and means of channels out.

    Each tensor is looked at where it is made, so that memory need not hold them all.
    """
    run = FoldedPass(network)

    def observe(batch: Any) -> list[Any]:
        values = run.values(tf.cast(batch, tf.float32), training=False)
        outputs = [values[name] for name in of_extremes]
        ends = tf.stack([(tf.reduce_min(y), tf.reduce_max(y)) for y in outputs])
        inputs = [values[name] for name in of_means]
        return [ends, *(tf.reduce_mean(x, axis=range(len(x.shape) - 1)) for x in inputs)]

    signature = [tf.TensorSpec((None, *network.input_shape[1:]), tf.uint8)]
    return tf.function(observe, input_signature=signature, autograph=False)


def _input_quantiser(quantised: Any) -> Any:
    return next(x for x in quantised.layers if x.name.startswith("quantize_layer"))
