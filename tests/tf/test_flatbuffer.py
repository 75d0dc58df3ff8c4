"""What a file says of itself, and what is refused; no TensorFlow is needed to see it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgedistill.errors import ExportError
from edgedistill.tf.flatbuffer import read_facts, require_full_integer, require_static
from edgedistill.tf.tasks_file import packed_model, parsed_model
from tests.tflite_files import tiny_int8_model

# Tensors of the hand-made file, by number.
MEANS, BIAS = 2, 4


def _edited(edit: Callable[[Any], None]) -> bytes:
    """The hand-made file after `edit` of its FlatBuffer's objects."""
    parsed = parsed_model(tiny_int8_model(size_px=8))
    edit(parsed)
    return packed_model(parsed)


def _prove(model: bytes) -> None:
    require_full_integer(
        read_facts(model), input_type="int8", output_type="int8", full_input_range=True,
        img_size_px=8,
    )  # fmt: skip


def test_the_hand_made_file_is_proven() -> None:
    _prove(tiny_int8_model(size_px=8))


def test_operators_are_told_in_the_graphs_order() -> None:
    facts = read_facts(tiny_int8_model(input_type="uint8"))
    assert facts.operator_order == ("QUANTIZE", "MEAN", "FULLY_CONNECTED")
    assert facts.operators == {"FULLY_CONNECTED": 1, "MEAN": 1, "QUANTIZE": 1}


def test_an_open_batch_is_refused_at_the_input() -> None:
    def edit(parsed: Any) -> None:
        graph = parsed.subgraphs[0]
        # As the converter writes it: the shape says 1, the signature "any".
        graph.tensors[graph.inputs[0]].shapeSignature = np.array([-1, 8, 8, 3], np.int32)

    with pytest.raises(ExportError, match=r"static; got \[-1, 8, 8, 3\] \(tensor 'pixels'\)"):
        _prove(_edited(edit))


@pytest.mark.parametrize("field", ["shape", "shapeSignature"])
def test_an_open_shape_inside_the_graph_is_refused_by_its_name(field: str) -> None:
    def edit(parsed: Any) -> None:
        setattr(parsed.subgraphs[0].tensors[MEANS], field, np.array([-1, 3], np.int32))

    facts = read_facts(_edited(edit))
    with pytest.raises(ExportError, match=r"static; got \[-1, 3\] \(tensor 'means'\)"):
        require_static(facts)


def test_a_signature_of_static_sizes_is_none_of_an_open_shape() -> None:
    def edit(parsed: Any) -> None:
        parsed.subgraphs[0].tensors[MEANS].shapeSignature = np.array([1, 3], np.int32)

    _prove(_edited(edit))


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        (2**31 - 1, False),
        (-(2**31), False),
        # 0.99 * 2**31 = 2,126,008,811.5
        (2_126_008_812, False),
        (-2_126_008_812, False),
        (2_126_008_811, True),
        (-2_126_008_811, True),
    ],
)
def test_a_bias_at_the_end_of_an_int32_is_refused_by_its_name(value: int, fits: bool) -> None:
    def edit(parsed: Any) -> None:
        bias = parsed.subgraphs[0].tensors[BIAS]
        numbers = np.array([5, value, -5], "<i4")
        parsed.buffers[bias.buffer].data = np.frombuffer(numbers.tobytes(), np.uint8)

    model = _edited(edit)
    if fits:
        _prove(model)
    else:
        with pytest.raises(ExportError, match="must fit an int32; 'bias' does not"):
            _prove(model)


def test_large_bytes_of_another_type_are_no_bias() -> None:
    def edit(parsed: Any) -> None:
        graph = parsed.subgraphs[0]
        weights = next(t for t in graph.tensors if t.name == b"weights")
        # Read as int32 these nine bytes would be large, and too many by one.
        parsed.buffers[weights.buffer].data = np.full(9, 127, np.uint8)
        assert weights.type == schema.TensorType.INT8

    assert read_facts(_edited(edit)).full_biases == ()
