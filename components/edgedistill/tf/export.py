"""From a Keras network to a full-integer TFLite file."""

import warnings
from typing import Any

from edgedistill.tf.dead_channels import mend_dead_channels
from edgedistill.tf.quiet import quiet_native_code
from edgedistill.tf.runtime import tf

_TYPES = {"int8": tf.int8, "uint8": tf.uint8}


def convert_quantised(network: Any, *, input_type: str, output_type: str) -> bytes:
    """The TFLite file of a quantisation-aware network; its own ranges decide.

    What no integer file can hold is mended in the network itself, so that both say the same:
    channels whose kernel counts for nothing, which training makes, too.

    Args:
        network: what `qat.quantise_aware` made, trained on or not.
        input_type: `int8` or `uint8`.
        output_type: `int8`.
    """
    mend_dead_channels(network)
    converter = _converter(network)
    converter.inference_input_type = _TYPES[input_type]
    converter.inference_output_type = _TYPES[output_type]
    with warnings.catch_warnings(), quiet_native_code():
        # Said of every int8 input; the ranges inside the network are the statistics.
        warnings.filterwarnings("ignore", message="Statistics for quantized inputs")
        return bytes(converter.convert())


def _converter(network: Any) -> Any:
    # Here and not above: `runtime` must be the first to import TensorFlow.
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    # The graph is frozen: left to itself the converter saves and loads a SavedModel first,
    # which takes ten times as long and gives the same file.
    pixels = tf.TensorSpec((1, *network.input_shape[1:]), tf.float32, name="pixels")
    graph = tf.function(
        lambda pixels: network(pixels, training=False), input_signature=[pixels], autograph=False
    )
    frozen = convert_variables_to_constants_v2(graph.get_concrete_function())
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], None)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter
