"""From a Keras network to a full-integer TFLite file."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.pixels import PackedPixels
from edgedistill.tf.qat import quantise_measured
from edgedistill.tf.quiet import quiet_native_code
from edgedistill.tf.runtime import tf

_TYPES = {"int8": tf.int8, "uint8": tf.uint8}


def convert_quantised(network: Any, *, input_type: str, output_type: str) -> bytes:
    """The TFLite file of a quantisation-aware network; its own ranges decide.

    Args:
        network: what `qat.quantise_aware` made, trained.
        input_type: `int8` or `uint8`.
        output_type: `int8`.
    """
    converter = _converter(network)
    converter.inference_input_type = _TYPES[input_type]
    converter.inference_output_type = _TYPES[output_type]
    with warnings.catch_warnings(), quiet_native_code():
        # Said of every int8 input; the ranges inside the network are the statistics.
        warnings.filterwarnings("ignore", message="Statistics for quantized inputs")
        return bytes(converter.convert())


def convert_post_training(
    network: Any,
    pixels: PackedPixels,
    rows: NDArray[np.int64],
    *,
    input_type: str,
    output_type: str,
    full_input_range: bool,
) -> bytes:
    """The TFLite file of a float network, its ranges taken from training photos, not trained.

    Ours and not the converter's own way, which takes the extremes of all photos for the ranges and
    leaves biases as they are: its file is further from the float network.

    Args:
        network: float Keras network from [0, 255] RGB to logits.
        pixels: training photos.
        rows: which of them set the ranges; 128 are enough, 512 gave no better file.
        input_type: `int8` or `uint8`.
        output_type: `int8`.
        full_input_range: True: the input's range is exactly [0, 255] whatever the photos hold.
    """
    quantised = quantise_measured(network, pixels, rows, full_input_range=full_input_range)
    return convert_quantised(quantised, input_type=input_type, output_type=output_type)


def _converter(network: Any) -> Any:
    # Here and not above: `runtime` must be the first to import TensorFlow.
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    # The graph is frozen: left to itself the converter saves and loads a SavedModel first,
    # which takes ten times as long and gives the same file.
    size = network.input_shape[1:]
    graph = tf.function(lambda pixels: network(pixels, training=False)).get_concrete_function(
        tf.TensorSpec((1, *size), tf.float32, name="pixels")
    )
    frozen = convert_variables_to_constants_v2(graph)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], None)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter
