import math
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgedistill.errors import ExportError
from edgedistill.tf.multiply_adds import count_multiply_adds
from tests.tf.tiny import SIZE_PX, colour_photos, packed, quantised_file, tiny_network
from tests.tflite_files import tiny_int8_model

Shape = tuple[int, ...]


def graph_of(*operators: tuple[str, Shape, Shape, Shape], signature: Shape | None = None) -> bytes:
    """A file of these operators: name, shapes of input, weights and output; it cannot run.

    `signature` is that of every output: -1 stands for a length known at run time only.
    """
    model: Any = schema.ModelT()
    graph: Any = schema.SubGraphT()
    model.version, model.buffers, model.subgraphs = 3, [schema.BufferT()], [graph]
    model.operatorCodes, graph.tensors, graph.operators = [], [], []
    for name, *shapes in operators:
        code, operator = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        operator.opcodeIndex = len(model.operatorCodes)
        first = len(graph.tensors)
        operator.inputs, operator.outputs = [first, first + 1], [first + 2]
        for shape in shapes:
            tensor = schema.TensorT()
            tensor.name, tensor.shape = f"tensor {len(graph.tensors)}", np.array(shape, "<i4")
            graph.tensors.append(tensor)
        if signature is not None:
            graph.tensors[-1].shapeSignature = np.array(signature, "<i4")
        model.operatorCodes.append(code)
        graph.operators.append(operator)
    graph.inputs, graph.outputs = [0], [len(graph.tensors) - 1]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def test_a_convolution_costs_its_whole_kernel_for_each_value() -> None:
    # 5 x 4 places with 7 channels out, each a sum over 3 x 2 places with 6 channels in.
    model = graph_of(("CONV_2D", (1, 10, 8, 6), (7, 3, 2, 6), (1, 5, 4, 7)))
    assert count_multiply_adds(model) == 5 * 4 * 7 * 3 * 2 * 6


def test_a_grouped_convolution_costs_its_own_groups_channels_only() -> None:
    # 6 channels in, in two groups: each value is a sum over 3 of them.
    model = graph_of(("CONV_2D", (1, 4, 4, 6), (8, 1, 1, 3), (1, 4, 4, 8)))
    assert count_multiply_adds(model) == 4 * 4 * 8 * 3


def test_a_depthwise_convolution_costs_one_channel_of_its_kernel() -> None:
    # Two filters for each of 3 channels; the kernel is 5 high and 3 wide.
    model = graph_of(("DEPTHWISE_CONV_2D", (1, 9, 9, 3), (1, 5, 3, 6), (1, 9, 9, 6)))
    assert count_multiply_adds(model) == 9 * 9 * 6 * 5 * 3


def test_a_dense_layer_costs_every_input_for_each_output() -> None:
    model = graph_of(("FULLY_CONNECTED", (1, 1280), (10, 1280), (1, 10)))
    assert count_multiply_adds(model) == 12_800


@pytest.mark.parametrize("kind", ["ADD", "MEAN", "QUANTIZE", "SOFTMAX", "RESHAPE", "PAD"])
def test_an_operator_without_weights_costs_nothing(kind: str) -> None:
    dense = ("FULLY_CONNECTED", (1, 4), (3, 4), (1, 3))
    assert count_multiply_adds(graph_of(dense, (kind, (1, 3), (1, 3), (1, 3)))) == 12


@pytest.mark.parametrize("kind", ["CONV_3D", "BATCH_MATMUL", "TRANSPOSE_CONV", "CUSTOM"])
def test_an_operator_that_may_cost_anything_is_refused_by_name(kind: str) -> None:
    model = graph_of((kind, (1, 4), (3, 4), (1, 3)))
    with pytest.raises(ExportError, match=f"multiply-adds of operator {kind} are not known"):
        count_multiply_adds(model)


def test_a_length_that_is_known_at_run_time_only_is_refused() -> None:
    dense = ("FULLY_CONNECTED", (1, 4), (3, 4), (1, 3))
    with pytest.raises(ExportError, match=r"must be static; that of tensor 'tensor 2' is not"):
        count_multiply_adds(graph_of(dense, signature=(-1, 3)))


@pytest.mark.parametrize("input_type", ["int8", "uint8"])
def test_the_file_made_by_hand_costs_its_dense_layer(input_type: str) -> None:
    # The means of three channels, each times a weight for each of 7 classes.
    assert count_multiply_adds(tiny_int8_model(16, 7, input_type)) == 3 * 7


def test_an_operators_number_in_the_field_of_old_files_counts() -> None:
    dense = ("FULLY_CONNECTED", (1, 4), (3, 4), (1, 3))
    model = schema.ModelT.InitFromPackedBuf(graph_of(dense), 0)
    (code,) = model.operatorCodes
    code.deprecatedBuiltinCode, code.builtinCode = code.builtinCode, 0
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    assert count_multiply_adds(bytes(builder.Output())) == 12


def test_what_is_no_tflite_file_is_refused() -> None:
    with pytest.raises(ExportError, match="no TFLite model"):
        count_multiply_adds(b"\0" * 64)


def _converted(network: Any, folder: Path, size_px: int) -> bytes:

    images, _ = colour_photos(4, seed=0)
    times = -(-size_px // SIZE_PX)
    images = images.repeat(times, axis=1).repeat(times, axis=2)[:, :size_px, :size_px]
    return quantised_file(
        network, packed(folder, images), np.arange(2), input_type="int8", output_type="int8",
        full_input_range=True,
    )  # fmt: skip


@pytest.mark.slow
def test_a_converted_networks_layers_are_all_counted(tmp_path: Path) -> None:
    stem = 8 * 8 * 8 * (3 * 3 * 3)  # stride 2 on 16 px
    body = 8 * 8 * 8 * (3 * 3 * 8)
    depthwise = 8 * 8 * 8 * (3 * 3)
    dense = 3 * 8
    model = _converted(tiny_network(), tmp_path / "p", SIZE_PX)
    assert count_multiply_adds(model) == stem + body + depthwise + dense


def lite_multiply_adds(width: float, depth: float, size_px: int, n_classes: int) -> int:
    """Of an EfficientNet-Lite by its published table: repeats, kernel, stride, expansion, width."""
    table = [
        (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80),
        (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
    ]  # fmt: skip
    side = math.ceil(size_px / 2)
    total = side**2 * 32 * 27
    n_in = 32
    for number, (repeats, kernel, stride, expansion, filters) in enumerate(table):
        n_out = int(filters * width / 8 + 0.5) * 8
        n_out += 8 if n_out < 0.9 * filters * width else 0
        for repeat in range(repeats if number in (0, 6) else math.ceil(repeats * depth)):
            n_inner = n_in * expansion
            if expansion > 1:
                total += side**2 * n_in * n_inner
            side = math.ceil(side / (stride if repeat == 0 else 1))
            total += side**2 * n_inner * kernel**2 + side**2 * n_inner * n_out
            n_in = n_out
    return total + side**2 * n_in * 1280 + 1280 * n_classes


@pytest.mark.slow
def test_lite1_costs_600_million_of_the_631_that_were_published(tmp_path: Path) -> None:
    from edgedistill.tf.efficientnet_lite import build_lite

    network = build_lite("efficientnet_lite1", 240, 1000, fold_pixels=True)
    counted = count_multiply_adds(_converted(network, tmp_path / "p", 240))
    assert counted == lite_multiply_adds(1.0, 1.1, 240, 1000) == 600_185_232
    # The published figure holds the float operations outside of the products too, some 6 for
    # each value that a convolution gives (10.1 million), halved: 600 + 3 * 10.1 = 631.
    assert counted / 631e6 == pytest.approx(0.951, abs=0.001)


@pytest.mark.parametrize(
    ("width", "depth", "size_px", "published"),
    [(1.0, 1.0, 224, 407e6), (1.0, 1.1, 240, 631e6), (1.1, 1.2, 260, 899e6),
     (1.2, 1.4, 280, 1.44e9), (1.4, 1.8, 300, 2.64e9)],
)  # fmt: skip
def test_the_published_counts_are_3_to_6_percent_above_the_products(
    width: float, depth: float, size_px: int, published: float
) -> None:
    ratio = published / lite_multiply_adds(width, depth, size_px, 1000)
    assert 1.03 < ratio < 1.06
