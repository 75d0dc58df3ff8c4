"""Counts the multiplications by weights that one image costs, read from the TFLite file.

TensorFlow is not needed for it: the schema comes with ai_edge_litert.
"""

import math
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from edgedistill.errors import ExportError
from edgedistill.tf.flatbuffer import operator_names, read_facts

_COUNTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
# They multiply by no weight: sums, means, largest values, moves, and changes of scale.
_WITHOUT_WEIGHTS = (
    "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "MAX_POOL_2D", "MEAN", "PAD", "QUANTIZE", "RELU",
    "RELU6", "RESHAPE", "SOFTMAX",
)  # fmt: skip


def count_multiply_adds(model: bytes) -> int:
    """Multiply-adds of one image: a multiplication by a weight and the addition of its product.

    Counted are CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED, a padded border like the rest; not
    their biases, activations and changes of scale, and nothing of the operators without weights.

    EfficientNet-Lite1 at 240 px with 1000 classes comes to 600 M. The published 631 M is half of
    all that TensorFlow's profiler calls a float operation, which takes the normalisation and the
    activation of every value in; in a TFLite file these are no operators of their own.

    Args:
        model: a TFLite file of one graph, all shapes static.

    Raises:
        ExportError: the file is no TFLite model of one graph, a shape is not static, or an
            operator is none of those above.
    """
    facts = read_facts(model)
    unknown = sorted(set(facts.operators) - {*_COUNTED, *_WITHOUT_WEIGHTS})
    if unknown:
        raise ExportError(
            f"multiply-adds of operator {unknown[0]} are not known; the model must be made of "
            f"{', '.join(sorted((*_COUNTED, *_WITHOUT_WEIGHTS)))}."
        )
    parsed = schema.ModelT.InitFromPackedBuf(model, 0)
    graph, names = parsed.subgraphs[0], operator_names(parsed)
    return sum(
        _of_operator(operator, names[operator.opcodeIndex], graph.tensors)
        for operator in graph.operators
    )


def _of_operator(operator: Any, kind: str, tensors: Any) -> int:
    """Values that the operator gives, times the weights that each of them is a sum over."""
    if kind not in _COUNTED:
        return 0
    weights = _static_shape(tensors[operator.inputs[1]])
    n_values = math.prod(_static_shape(tensors[operator.outputs[0]]))
    # Layouts: (output channel, height, width, input channel); (1, height, width, output channel),
    # where every channel has a filter of its own; (output, input).
    has_own_filters = kind == "DEPTHWISE_CONV_2D"
    return n_values * math.prod(weights[1:3] if has_own_filters else weights[1:])


def _static_shape(tensor: Any) -> list[int]:
    """The tensor's shape; one that is known at run time only is refused."""
    signature = [] if tensor.shapeSignature is None else list(tensor.shapeSignature)
    if tensor.shape is None or min([*tensor.shape, *signature], default=1) < 1:
        name = (tensor.name or b"").decode("utf-8", "replace")
        raise ExportError(f"every shape must be static; that of tensor '{name}' is not.")
    return [int(n) for n in tensor.shape]
