"""From the full-integer file to the one for MediaPipe Tasks, ML Kit and LiteRT.js.

Those runtimes refuse int8 at the ends and want probabilities. The very same weights get a uint8
input in front and a softmax behind, by an edit of the FlatBuffer: nothing is converted again, so
nothing inside can come out otherwise.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgedistill.errors import ExportError
from edgedistill.tf.flatbuffer import read_facts, require_full_integer

PROBABILITY_SCALE = 1 / 256
"""Of the uint8 output: probability = scale * value. TFLite's int8 softmax has no other scale."""

METADATA_NAME = "TFLITE_METADATA"
"""Of the entry in the file's list of metadata whose buffer holds the TFLite Metadata."""

# What reading raises where a number in the file leads out of it, or stands for nothing.
UNREADABLE = (struct.error, ValueError, IndexError, KeyError, TypeError, OverflowError)

# Each with the version that TFLite's schema asks for int8 (op_version.cc).
_QUANTIZE = (schema.BuiltinOperator.QUANTIZE, 1)
_SOFTMAX = (schema.BuiltinOperator.SOFTMAX, 2)
# force_align of Buffer.data in TFLite's schema: kernels read int32 biases straight from the file.
_DATA_ALIGNMENT = 16


def tasks_model(model: bytes) -> bytes:
    """The file with raw uint8 pixels in and uint8 probabilities out, around the same weights.

    Pixels enter with scale 1 and zero point 0 whatever the range inside: such runtimes copy a
    photo's bytes into the tensor and look at no scale, so the file's own first operator must do
    it. A pixel becomes the same integer inside as round(pixel / scale) + zero point makes it.

    Args:
        model: full-integer file of static batch 1, int8 or uint8 in, int8 logits out.

    Returns:
        The file; the same bytes for the same `model`. A signature of `model` is kept and names
        the new ends. TFLite Metadata of `model`, which describe the old ends, are left out.

    Raises:
        ExportError: `model` is no such file.
    """
    parsed = parsed_model(model)
    _require_source(model)
    graph = _Graph(parsed)
    entry, end = (int(graph.parts.inputs[0]), int(graph.parts.outputs[0]))
    new_entry = _raw_pixels(graph, entry)
    new_end = _probabilities(graph, end)
    graph.parts.inputs = np.array([new_entry], np.int32)
    graph.parts.outputs = np.array([new_end], np.int32)
    for signature in parsed.signatureDefs or []:
        _rename_ends(signature, {entry: new_entry, end: new_end})
    _drop_tasks_metadata(parsed)
    return packed_model(parsed)


def parsed_model(model: bytes) -> Any:
    """All of the file's FlatBuffer as objects of TFLite's schema.

    Raises:
        ExportError: the file is no TFLite model, or damaged.
    """
    if model[4:8] != b"TFL3":
        raise ExportError("the file must be a TFLite model; got something else.")
    with refusing_damage("the TFLite model is"):
        parsed = schema.ModelT.InitFromPackedBuf(model, 0)
        outside = any(buffer.offset for buffer in parsed.buffers)
    if outside:
        raise ExportError("the model must hold its weights itself; got weights packed behind it.")
    return parsed


@contextmanager
def refusing_damage(what: str) -> Iterator[None]:
    """Turns what reading a damaged file raises into an ExportError: '<what> damaged ...'."""
    try:
        yield
    except UNREADABLE as error:
        reason = f"{type(error).__name__}: {error}"
        raise ExportError(f"{what} damaged or cut short ({reason}).") from None


def packed_model(parsed: Any) -> bytes:
    """The FlatBuffer of the objects; weights lie at multiples of 16 bytes, as the schema asks.

    Args:
        parsed: from `parsed_model`; left as it was given.
    """
    buffers = parsed.buffers
    n_bytes = sum(len(b.data) for b in buffers if b.data is not None)
    builder = flatbuffers.Builder(n_bytes + 1024)
    parsed.buffers = [_AlignedBuffer(b) for b in buffers]
    try:
        builder.Finish(parsed.Pack(builder), file_identifier=b"TFL3")
    finally:
        parsed.buffers = buffers
    return bytes(builder.Output())


class _AlignedBuffer:
    """A buffer that packs itself aligned, which the generated class does not."""

    def __init__(self, buffer: Any):
        self._buffer = buffer

    def Pack(self, builder: Any) -> int:  # noqa: N802  the schema's own name
        data = self._buffer.data
        start = None if data is None else _aligned_vector(builder, bytes(bytearray(data)))
        schema.BufferStart(builder)
        if start is not None:
            schema.BufferAddData(builder, start)
        schema.BufferAddOffset(builder, self._buffer.offset)
        schema.BufferAddSize(builder, self._buffer.size)
        return int(schema.BufferEnd(builder))


def _aligned_vector(builder: Any, data: bytes) -> int:
    builder.StartVector(1, len(data), _DATA_ALIGNMENT)
    builder.head -= len(data)
    builder.Bytes[builder.head : builder.head + len(data)] = data
    return int(builder.EndVector())


def _require_source(model: bytes) -> None:
    with refusing_damage("the TFLite model is"):
        facts = read_facts(model)
    entry = facts.inputs[0] if facts.inputs else None
    if entry is None or len(entry.shape) != 4 or entry.dtype not in ("int8", "uint8"):
        raise ExportError(
            "the model must take images of int8 or uint8; got "
            f"{entry and (entry.dtype, entry.shape)}."
        )
    require_full_integer(
        facts,
        input_type=entry.dtype,
        output_type="int8",
        full_input_range=False,
        img_size_px=entry.shape[1],
    )
    if len(facts.outputs[0].shape) != 2:
        raise ExportError(
            f"the model's output must be (1, n_classes); got {facts.outputs[0].shape}."
        )
    if entry.scale is None:
        raise ExportError("the model's input must have one scale and zero point; got none.")


class _Graph:
    """The file's only graph, and what an edit of it needs."""

    def __init__(self, parsed: Any):
        self._codes = parsed.operatorCodes
        self.parts = parsed.subgraphs[0]

    def users(self, tensor: int) -> list[Any]:
        """The operators that read the tensor."""
        return [o for o in self.parts.operators if tensor in o.inputs]

    def is_quantize(self, operator: Any) -> bool:
        code = self._codes[operator.opcodeIndex]
        return bool(max(code.builtinCode, code.deprecatedBuiltinCode) == _QUANTIZE[0])

    def add_tensor(self, name: str, dtype: int, like: int, quantisation: tuple[float, int]) -> int:
        """A computed tensor with the shape of tensor `like`; returns its index."""
        tensor = schema.TensorT()
        tensor.name = name
        tensor.type = dtype
        tensor.shape = np.array(self.parts.tensors[like].shape, np.int32)
        tensor.hasRank = True
        # Buffer 0 is empty in every file: what is computed has no data.
        tensor.buffer = 0
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = np.array(quantisation[:1], np.float32)
        tensor.quantization.zeroPoint = np.array(quantisation[1:], np.int64)
        self.parts.tensors.append(tensor)
        return len(self.parts.tensors) - 1

    def operator(self, kind: tuple[int, int], source: int, target: int) -> Any:
        """An operator of one input and one output, not yet in the graph."""
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(*kind)
        operator.inputs = np.array([source], np.int32)
        operator.outputs = np.array([target], np.int32)
        return operator

    def _code(self, builtin: int, version: int) -> int:
        for index, code in enumerate(self._codes):
            number = max(code.builtinCode, code.deprecatedBuiltinCode)
            if (number, code.version) == (builtin, version):
                return index
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = builtin
        code.version = version
        self._codes.append(code)
        return len(self._codes) - 1


def _raw_pixels(graph: _Graph, entry: int) -> int:
    """Lets raw uint8 pixels in; returns the graph's new entry."""
    tensor = graph.parts.tensors[entry]
    if tensor.type == schema.TensorType.INT8:
        raw = graph.add_tensor("raw_pixels", schema.TensorType.UINT8, entry, (1.0, 0))
        graph.parts.operators.insert(0, _quantize(graph, raw, entry))
        return raw
    users = graph.users(entry)
    if len(users) != 1 or not graph.is_quantize(users[0]):
        raise ExportError("the model's uint8 input must go to a QUANTIZE operator alone.")
    # Its QUANTIZE turns one scale into the other, so the entry's own can be put right.
    tensor.quantization.scale = np.array([1.0], np.float32)
    tensor.quantization.zeroPoint = np.array([0], np.int64)
    return entry


def _probabilities(graph: _Graph, end: int) -> int:
    """Puts the softmax behind the logits; returns the graph's new end."""
    signed = graph.add_tensor(
        "signed_probabilities", schema.TensorType.INT8, end, (PROBABILITY_SCALE, -128)
    )
    unsigned = graph.add_tensor(
        "probabilities", schema.TensorType.UINT8, end, (PROBABILITY_SCALE, 0)
    )
    softmax = graph.operator(_SOFTMAX, end, signed)
    softmax.builtinOptionsType = schema.BuiltinOptions.SoftmaxOptions
    softmax.builtinOptions = schema.SoftmaxOptionsT()
    softmax.builtinOptions.beta = 1.0
    graph.parts.operators += [softmax, _quantize(graph, signed, unsigned)]
    return unsigned


def _quantize(graph: _Graph, source: int, target: int) -> Any:
    operator = graph.operator(_QUANTIZE, source, target)
    operator.builtinOptionsType = schema.BuiltinOptions.QuantizeOptions
    operator.builtinOptions = schema.QuantizeOptionsT()
    return operator


def _rename_ends(signature: Any, new_index: dict[int, int]) -> None:
    for end in (*(signature.inputs or []), *(signature.outputs or [])):
        end.tensorIndex = new_index.get(end.tensorIndex, end.tensorIndex)


def _drop_tasks_metadata(parsed: Any) -> None:
    kept = []
    for entry in parsed.metadata or []:
        if entry.name == METADATA_NAME.encode():
            # Its buffer keeps its place, or every later one would get another number.
            parsed.buffers[entry.buffer] = schema.BufferT()
        else:
            kept.append(entry)
    parsed.metadata = kept or None
