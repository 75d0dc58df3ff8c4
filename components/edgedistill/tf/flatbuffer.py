"""What a TFLite file says of itself: its tensors, operators and ends, read from the FlatBuffer.

TensorFlow is not needed for it: the schema comes with ai_edge_litert.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgedistill.errors import ExportError

_TYPE_NAMES = {
    value: name.lower() for name, value in vars(schema.TensorType).items() if name.isupper()
}
_OPERATOR_NAMES = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if name.isupper()
}
# Within 1 % of the largest int32.
_FULL_INT32 = 0.99 * 2**31


@dataclass(frozen=True)
class Tensor:
    """A tensor of the file; scale and zero point are None where it has not one for all values."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True)
class FileFacts:
    """What `read_facts` found.

    Attributes:
        inputs: in the graph's order.
        outputs: in the graph's order.
        tensor_dtypes: number of tensors of each type.
        operators: number of operators of each kind.
        operator_order: the kind of each operator, in the graph's order.
        float_users: operators that take or give a float, each with such a tensor's name.
        dynamic_shapes: shapes with an open size, each with its tensor's name.
        full_biases: names of int32 constants with a value that is, or nearly is, as large as an
            int32 can be: the converter cuts off there what does not fit.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    tensor_dtypes: dict[str, int]
    operators: dict[str, int]
    operator_order: tuple[str, ...]
    float_users: tuple[str, ...]
    dynamic_shapes: tuple[str, ...]
    full_biases: tuple[str, ...]


def read_facts(model: bytes) -> FileFacts:
    """Reads every tensor and operator of the file's only graph.

    Raises:
        ExportError: the file is no TFLite model of one graph.
    """
    if model[4:8] != b"TFL3":
        raise ExportError("the exported file is no TFLite model.")
    parsed = schema.ModelT.InitFromPackedBuf(model, 0)
    if len(parsed.subgraphs) != 1:
        raise ExportError(f"the model must have one graph; got {len(parsed.subgraphs)}.")
    graph = parsed.subgraphs[0]
    codes = operator_names(parsed)
    tensors = [_tensor(t) for t in graph.tensors]
    order = tuple(codes[o.opcodeIndex] for o in graph.operators)
    return FileFacts(
        inputs=tuple(tensors[i] for i in graph.inputs),
        outputs=tuple(tensors[i] for i in graph.outputs),
        tensor_dtypes=dict(sorted(Counter(t.dtype for t in tensors).items())),
        operators=dict(sorted(Counter(order).items())),
        operator_order=order,
        float_users=tuple(_float_users(graph, codes, tensors)),
        dynamic_shapes=tuple(_dynamic_shapes(graph.tensors)),
        full_biases=tuple(_name(t) for t in graph.tensors if _is_full(t, parsed.buffers)),
    )


def require_full_integer(
    facts: FileFacts, *, input_type: str, output_type: str, full_input_range: bool, img_size_px: int
) -> None:
    """Proves that the file is what was promised, or refuses it.

    Args:
        facts: what the file says of itself.
        input_type: `int8` or `uint8`.
        output_type: `int8`.
        full_input_range: whether the input must have scale 1 and zero point -128 (0 for uint8).
        img_size_px: side of the images that the file must take.

    Raises:
        ExportError: naming the first thing that is otherwise.
    """
    allowed = {"int8", "int32", input_type}
    if facts.float_users:
        raise ExportError(f"the int8 model still has float operator {facts.float_users[0]}.")
    odd = sorted(set(facts.tensor_dtypes) - allowed)
    if odd:
        raise ExportError(f"every tensor must be {_either(allowed)}; got {', '.join(odd)}.")
    require_static(facts)
    if facts.full_biases:
        raise ExportError(
            f"every bias must fit an int32; '{facts.full_biases[0]}' does not: its channel's "
            "weights count for nothing beside it."
        )
    if len(facts.inputs) != 1 or len(facts.outputs) != 1:
        raise ExportError("the model must have one input and one output.")
    entry, exit_ = facts.inputs[0], facts.outputs[0]
    _require("the input's type", entry.dtype, input_type)
    _require("the output's type", exit_.dtype, output_type)
    _require("the input's shape", entry.shape, (1, img_size_px, img_size_px, 3))
    _require("the output's batch", exit_.shape[0], 1)
    if full_input_range:
        _require("the input's scale", entry.scale, 1.0)
        _require("the input's zero point", entry.zero_point, 0 if input_type == "uint8" else -128)
    if exit_.scale is None or "SOFTMAX" in facts.operators:
        raise ExportError("the output must be quantised logits.")


def require_static(facts: FileFacts) -> None:
    """Proves that every tensor has one shape, known before the file runs.

    Raises:
        ExportError: naming the first tensor that has not.
    """
    if facts.dynamic_shapes:
        raise ExportError(f"the model's shapes must be static; got {facts.dynamic_shapes[0]}.")


def _require(what: str, got: object, wanted: object) -> None:
    if got != wanted:
        raise ExportError(f"{what} must be {wanted}; got {got}.")


def _either(names: set[str]) -> str:
    return " or ".join(sorted(names))


def operator_names(parsed: Any) -> list[str]:
    """The name of each of a parsed model's operator codes, such as CONV_2D.

    Args:
        parsed: a `ModelT` of the schema; its operators say their kind by an index into this list.
    """
    # Old files keep the number in a field of one byte.
    numbers = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in parsed.operatorCodes]
    return [str(_OPERATOR_NAMES.get(number, f"operator {number}")) for number in numbers]


def _tensor(tensor: Any) -> Tensor:
    quantisation = tensor.quantization
    has_scale = quantisation is not None and quantisation.scale is not None
    per_tensor = has_scale and len(quantisation.scale) == 1
    shape = () if tensor.shape is None else tuple(int(n) for n in tensor.shape)
    return Tensor(
        name=_name(tensor),
        dtype=_TYPE_NAMES[tensor.type],
        shape=shape,
        scale=float(quantisation.scale[0]) if per_tensor else None,
        zero_point=int(quantisation.zeroPoint[0]) if per_tensor else None,
    )


def _name(tensor: Any) -> str:
    return str((tensor.name or b"").decode("utf-8", "replace"))


def _dynamic_shapes(tensors: Any) -> Iterator[str]:
    for tensor in tensors:
        # The shape is the one that the file was converted with; the signature has -1 for "any".
        for shape in (tensor.shape, tensor.shapeSignature):
            if shape is not None and min(shape, default=1) < 1:
                yield f"{list(map(int, shape))} (tensor '{_name(tensor)}')"
                break


def _is_full(tensor: Any, buffers: Any) -> bool:
    data = buffers[tensor.buffer].data
    if tensor.type != schema.TensorType.INT32 or data is None:
        return False
    values = np.frombuffer(bytes(bytearray(data)), "<i4").astype(np.int64)
    return bool(np.abs(values).max(initial=0) > _FULL_INT32)


def _float_users(graph: Any, codes: list[str], tensors: list[Tensor]) -> list[str]:
    users = []
    for operator in graph.operators:
        for index in (*operator.inputs, *operator.outputs):
            if index >= 0 and tensors[index].dtype.startswith(("float", "bfloat")):
                users.append(f"{codes[operator.opcodeIndex]} (tensor '{tensors[index].name}')")
                break
    return users
