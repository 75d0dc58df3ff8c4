"""A full-integer TFLite file made by hand, so that tests need no TensorFlow to have a real one."""

from collections.abc import Iterator
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

LOGIT_SCALE = 1 / 8
LOGIT_ZERO_POINT = -20
_WEIGHT_SCALE = 1 / 1024
_MOST_CLASSES = 96


def tiny_int8_model(size_px: int = 8, n_classes: int = 3, input_type: str = "int8") -> bytes:
    """A network that means each channel over the image and puts a dense layer on the means.

    Class c looks at channel c % 3 alone. With m that channel's mean, rounded to an integer in
    0..255, and k = c // 3,

        logit(c) = (m * (32 - k) / 128 + c % 3) / 8

    whose integer in the file is round(m * (32 - k) / 128) + c % 3 - 20 (`LOGIT_SCALE` is 1 / 8,
    `LOGIT_ZERO_POINT` is -20; a half may fall either way, as kernels differ). A plain red image
    (255, 0, 0) thus has the integers 44 (64 - 20), -19 and -18 and is class 0; a black one has
    -20, -19, -18. The pixels enter with scale 1 and zero point -128 (0 for uint8).

    Args:
        size_px: side of the images.
        n_classes: 1 to 96.
        input_type: `int8`; `uint8` puts a QUANTIZE in front, as TensorFlow's converter does.
    """
    if not 1 <= n_classes <= _MOST_CLASSES or input_type not in ("int8", "uint8"):
        raise ValueError(f"cannot make {n_classes} classes with input {input_type}")
    file = _File()
    image = (1, size_px, size_px, 3)
    pixels = file.tensor("pixels", "INT8", image, (1.0, -128))
    axes = file.tensor("axes", "INT32", (2,), None, np.array([1, 2], "<i4"))
    means = file.tensor("means", "INT8", (1, 3), (1.0, -128))
    weights = file.tensor(
        "weights", "INT8", (n_classes, 3), (_WEIGHT_SCALE, 0), dense_weights(n_classes)
    )
    bias = file.tensor("bias", "INT32", (n_classes,), (_WEIGHT_SCALE, 0), dense_bias(n_classes))
    logits = file.tensor("logits", "INT8", (1, n_classes), (LOGIT_SCALE, LOGIT_ZERO_POINT))
    entry = pixels
    if input_type == "uint8":
        entry = file.tensor("raw_pixels", "UINT8", image, (1.0, 0))
        file.operator("QUANTIZE", 1, [entry], pixels, schema.QuantizeOptionsT())
    file.operator("MEAN", 2, [pixels, axes], means, schema.ReducerOptionsT())
    file.operator(
        "FULLY_CONNECTED", 4, [means, weights, bias], logits, schema.FullyConnectedOptionsT()
    )
    return file.packed(entry, logits)


def dense_weights(n_classes: int) -> NDArray[np.int8]:
    """Row c holds 32 - c // 3 at channel c % 3, else 0; one unit is 1 / 1024."""
    weights = np.zeros((n_classes, 3), np.int8)
    for c in range(n_classes):
        weights[c, c % 3] = 32 - c // 3
    return weights


def dense_bias(n_classes: int) -> NDArray[np.int32]:
    """128 * (c % 3); one unit is 1 / 1024, so 128 are one step of the logits."""
    return (128 * (np.arange(n_classes) % 3)).astype("<i4")


class _File:
    """Tensors and operators in the order in which they were added."""

    def __init__(self) -> None:
        self._model: Any = schema.ModelT()
        self._model.version = 3
        self._model.description = "made by hand for tests"
        self._model.operatorCodes = []
        self._graph: Any = schema.SubGraphT()
        self._graph.name = "main"
        self._graph.tensors = []
        self._graph.operators = []
        self._model.subgraphs = [self._graph]
        # Buffer 0 is empty by convention: what is computed has no data.
        self._model.buffers = [schema.BufferT()]

    def tensor(
        self,
        name: str,
        dtype: str,
        shape: tuple[int, ...],
        quantisation: tuple[float, int] | None,
        data: NDArray[Any] | None = None,
    ) -> int:
        tensor = schema.TensorT()
        tensor.name = name
        tensor.type = getattr(schema.TensorType, dtype)
        tensor.shape = np.array(shape, "<i4")
        tensor.hasRank = True
        tensor.buffer = 0
        if quantisation is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.array([quantisation[0]], "<f4")
            tensor.quantization.zeroPoint = np.array([quantisation[1]], "<i8")
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            tensor.buffer = len(self._model.buffers)
            self._model.buffers.append(buffer)
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def operator(
        self, name: str, version: int, inputs: list[int], output: int, options: Any
    ) -> None:
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
        code.version = version
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self._model.operatorCodes)
        operator.inputs = np.array(inputs, "<i4")
        operator.outputs = np.array([output], "<i4")
        operator.builtinOptions = options
        kind = type(options).__name__.removesuffix("T")
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        self._model.operatorCodes.append(code)
        self._graph.operators.append(operator)

    def packed(self, entry: int, end: int) -> bytes:
        self._graph.inputs = np.array([entry], "<i4")
        self._graph.outputs = np.array([end], "<i4")
        builder = flatbuffers.Builder(4096)
        builder.Finish(self._model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())


def damaged_copies(model: bytes, n_copies: int = 120) -> Iterator[bytes]:
    """Copies with one byte behind the identifier changed, wherever it lies."""
    draw = np.random.default_rng(1)
    for _ in range(n_copies):
        damaged = bytearray(model)
        damaged[draw.integers(8, len(model))] = draw.integers(0, 256)
        yield bytes(damaged)
