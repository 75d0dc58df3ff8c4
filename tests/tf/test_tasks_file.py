"""The edited file: its ends, its insides, what it answers, and what it refuses to be made from."""

from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edgedistill.errors import ExportError
from edgedistill.tf.flatbuffer import Tensor, read_facts
from edgedistill.tf.tasks_file import packed_model, parsed_model, tasks_model
from edgedistill.tf.tasks_metadata import read_metadata
from tests.tflite_files import LOGIT_SCALE, LOGIT_ZERO_POINT, damaged_copies, tiny_int8_model

SIZE_PX = 16
N_CLASSES = 7
# Every pixel value once in each channel, in another order in each.
ALL_VALUES = np.stack(
    [np.roll(np.arange(256), 85 * c).reshape(SIZE_PX, SIZE_PX) for c in range(3)], axis=-1
).astype(np.uint8)


def plain_images(n_images: int) -> NDArray[np.uint8]:
    colours = np.random.default_rng(0).integers(0, 256, (n_images, 1, 1, 3))
    return (colours * np.ones((SIZE_PX, SIZE_PX, 1))).astype(np.uint8)


def answer(model: bytes, image: NDArray[Any]) -> NDArray[Any]:
    """The integers at the file's end for the integers at its entry."""
    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    (entry,), (end,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(entry["index"], image[None].astype(entry["dtype"]))
    interpreter.invoke()
    integers: NDArray[Any] = interpreter.get_tensor(end["index"])[0]
    return integers


def edited(model: bytes, edit: Any) -> bytes:
    """The file after `edit` changed its graph."""
    parsed = parsed_model(model)
    edit(parsed.subgraphs[0])
    return packed_model(parsed)


def with_input_scale(model: bytes, scale: float, zero_point: int) -> bytes:
    """The file with other quantisation of its entry; of a uint8 file, of what is inside, too."""

    def edit(graph: Any) -> None:
        for tensor in graph.tensors:
            if tensor.name in (b"pixels", b"raw_pixels"):
                offset = 128 if tensor.name == b"raw_pixels" else 0
                tensor.quantization.scale = np.array([scale], np.float32)
                tensor.quantization.zeroPoint = np.array([zero_point + offset])

    return edited(model, edit)


@pytest.mark.parametrize("input_type", ["int8", "uint8"])
def test_the_ends_are_what_mediapipe_takes(input_type: str) -> None:
    facts = read_facts(tasks_model(tiny_int8_model(SIZE_PX, N_CLASSES, input_type)))
    image, scores = (1, SIZE_PX, SIZE_PX, 3), (1, N_CLASSES)
    assert facts.inputs == (Tensor("raw_pixels", "uint8", image, 1.0, 0),)
    assert facts.outputs == (Tensor("probabilities", "uint8", scores, 1 / 256, 0),)
    assert facts.operators == {"FULLY_CONNECTED": 1, "MEAN": 1, "QUANTIZE": 2, "SOFTMAX": 1}
    assert set(facts.tensor_dtypes) == {"int8", "int32", "uint8"}


@pytest.mark.parametrize("input_type", ["int8", "uint8"])
def test_the_probabilities_are_the_softmax_of_the_files_own_logits(input_type: str) -> None:
    source = tiny_int8_model(SIZE_PX, N_CLASSES, input_type)
    made = tasks_model(source)
    for image in plain_images(40):
        given = image if input_type == "uint8" else image.astype(int) - 128
        logits = (answer(source, given).astype(float) - LOGIT_ZERO_POINT) * LOGIT_SCALE
        exact = np.exp(logits - logits.max())
        exact /= exact.sum()
        scores = answer(made, image)
        # One step: 255 / 256 is the most that uint8 holds, and probability 1 is 256 / 256.
        assert np.abs(scores - 256 * exact).max() <= 1
        # A class that shares the best score is as good.
        assert scores[logits.argmax()] == scores.max()


def test_the_answer_to_a_red_image_follows_by_hand() -> None:
    # Integers of the logits 44, -19, -18 (tiny_int8_model), so 8 steps a unit:
    # exp(0), exp(-63 / 8), exp(-62 / 8) are 1, 0.0004, 0.0004; 256 of 256 does not fit in uint8.
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    assert answer(tasks_model(tiny_int8_model()), red).tolist() == [255, 0, 0]
    # Integers -20, -19, -18: 1, 1.133, 1.284 of 3.417 are 74.9, 84.9 and 96.2 of 256.
    assert answer(tasks_model(tiny_int8_model()), 0 * red).tolist() == [75, 85, 96]


@pytest.mark.parametrize("input_type", ["int8", "uint8"])
@pytest.mark.parametrize(("scale", "zero_point"), [(1.0, -128), (0.9, -128), (1.3, -100)])
def test_a_pixel_is_the_same_integer_inside(input_type: str, scale: float, zero_point: int) -> None:
    source = with_input_scale(tiny_int8_model(SIZE_PX, 3, input_type), scale, zero_point)

    def end_at_the_pixels(graph: Any) -> None:
        (inside,) = (i for i, t in enumerate(graph.tensors) if t.name == b"pixels")
        graph.outputs = np.array([inside], np.int32)

    inside = answer(edited(tasks_model(source), end_at_the_pixels), ALL_VALUES)
    exact = np.round(ALL_VALUES / scale) + zero_point
    np.testing.assert_array_equal(inside, np.clip(exact, -128, 127))


def constants(model: bytes) -> list[tuple[str, bytes]]:
    parsed = parsed_model(model)
    found = []
    for tensor in parsed.subgraphs[0].tensors:
        data = parsed.buffers[tensor.buffer].data
        if data is not None:
            found.append((tensor.name.decode(), bytes(bytearray(data))))
    return found


def test_the_weights_are_the_same_byte_for_byte() -> None:
    source = tiny_int8_model(SIZE_PX, N_CLASSES)
    assert [name for name, _ in constants(source)] == ["axes", "weights", "bias"]
    assert constants(tasks_model(source)) == constants(source)


def test_the_same_file_gives_the_same_bytes_and_is_itself_left_alone() -> None:
    source = tiny_int8_model(SIZE_PX, N_CLASSES)
    assert tasks_model(source) == tasks_model(bytes(bytearray(source)))


def test_weights_lie_at_multiples_of_16_bytes() -> None:
    made = tasks_model(tiny_int8_model(SIZE_PX, N_CLASSES))
    model = schema.Model.GetRootAsModel(made, 0)
    places = []
    for i in range(model.BuffersLength()):
        buffer = model.Buffers(i)
        if buffer.DataLength():
            # Field 0 of the table: data.
            places.append(buffer._tab.Vector(buffer._tab.Offset(4)))
    assert len(places) == 3
    assert [place % 16 for place in places] == [0, 0, 0]


def test_the_new_operators_have_the_versions_that_int8_asks_for() -> None:
    made = parsed_model(tasks_model(tiny_int8_model(SIZE_PX, N_CLASSES, "uint8")))
    builtin = schema.BuiltinOperator
    codes = [(c.builtinCode, c.deprecatedBuiltinCode, c.version) for c in made.operatorCodes]
    # QUANTIZE was there already and serves twice.
    assert codes == [
        (builtin.QUANTIZE, builtin.QUANTIZE, 1),
        (builtin.MEAN, builtin.MEAN, 2),
        (builtin.FULLY_CONNECTED, builtin.FULLY_CONNECTED, 4),
        (builtin.SOFTMAX, builtin.SOFTMAX, 2),
    ]


@pytest.mark.parametrize("input_type", ["int8", "uint8"])
def test_every_tensor_is_computed_before_it_is_read(input_type: str) -> None:
    # LiteRT sorts the operators for itself; tflite-micro runs them as they stand.
    made = parsed_model(tasks_model(tiny_int8_model(input_type=input_type)))
    graph = made.subgraphs[0]
    constant = {i for i, t in enumerate(graph.tensors) if made.buffers[t.buffer].data is not None}
    known = constant | {int(graph.inputs[0])}
    for operator in graph.operators:
        assert set(operator.inputs.tolist()) <= known
        known |= set(operator.outputs.tolist())
    assert int(graph.outputs[0]) in known


def with_signature(model: bytes) -> bytes:
    parsed = parsed_model(model)
    graph = parsed.subgraphs[0]
    signature = schema.SignatureDefT()
    signature.signatureKey = "serving_default"
    signature.inputs, signature.outputs = [], []
    for ends, name, tensor in (
        (signature.inputs, "photo", graph.inputs[0]),
        (signature.outputs, "scores", graph.outputs[0]),
    ):
        end = schema.TensorMapT()
        end.name = name
        end.tensorIndex = int(tensor)
        ends.append(end)
    parsed.signatureDefs = [signature]
    return packed_model(parsed)


def test_a_signature_names_the_new_ends() -> None:
    made = tasks_model(with_signature(tiny_int8_model()))
    interpreter = Interpreter(model_content=made)
    assert interpreter.get_signature_list() == {
        "serving_default": {"inputs": ["photo"], "outputs": ["scores"]}
    }
    run = interpreter.get_signature_runner("serving_default")
    # The black image of test_the_answer_to_a_red_image_follows_by_hand.
    scores = run(photo=np.zeros((1, 8, 8, 3), np.uint8))["scores"]
    assert scores.dtype == np.uint8
    assert scores.tolist() == [[75, 85, 96]]


def test_metadata_of_the_old_ends_are_left_out_and_others_stay() -> None:
    parsed = parsed_model(tiny_int8_model())
    for name in ("TFLITE_METADATA", "min_runtime_version"):
        entry = schema.MetadataT()
        entry.name = name
        entry.buffer = len(parsed.buffers)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(b"\x08\0\0\0M001" if name.isupper() else b"1.14.0", np.uint8)
        parsed.buffers.append(buffer)
        parsed.metadata = [*(parsed.metadata or []), entry]
    made = tasks_model(packed_model(parsed))
    with pytest.raises(ExportError, match="has no TFLite Metadata"):
        read_metadata(made)
    after = parsed_model(made)
    (kept,) = after.metadata
    assert kept.name == b"min_runtime_version"
    assert bytes(bytearray(after.buffers[kept.buffer].data)) == b"1.14.0"


def _float_input(graph: Any) -> None:
    graph.tensors[graph.inputs[0]].type = schema.TensorType.FLOAT32


def _float_inside(graph: Any) -> None:
    graph.tensors[2].type = schema.TensorType.FLOAT32


def _batch_of_4(graph: Any) -> None:
    graph.tensors[graph.inputs[0]].shape = np.array([4, 8, 8, 3], np.int32)


def _any_batch(graph: Any) -> None:
    shape = graph.tensors[graph.inputs[0]].shape
    graph.tensors[graph.inputs[0]].shapeSignature = np.array([-1, *shape[1:]], np.int32)


def _no_image(graph: Any) -> None:
    graph.tensors[graph.inputs[0]].shape = np.array([1, 192], np.int32)


def _scores_as_an_image(graph: Any) -> None:
    graph.tensors[graph.outputs[0]].shape = np.array([1, 1, 1, 3], np.int32)


def _two_outputs(graph: Any) -> None:
    graph.outputs = np.array([2, graph.outputs[0]], np.int32)


def _unquantised_input(graph: Any) -> None:
    graph.tensors[graph.inputs[0]].quantization = None


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (_float_input, "must take images of int8 or uint8; got .*float32"),
        (_float_inside, "still has float operator MEAN"),
        (_batch_of_4, "the input's shape must be .* got \\(4, 8, 8, 3\\)"),
        (_any_batch, "shapes must be static; got \\[-1, 8, 8, 3\\]"),
        (_no_image, "must take images of int8 or uint8; got .*192"),
        (_scores_as_an_image, "must be \\(1, n_classes\\); got \\(1, 1, 1, 3\\)"),
        (_two_outputs, "must have one input and one output"),
        (_unquantised_input, "must have one scale and zero point"),
    ],
)
def test_another_graph_is_refused_by_what_it_is(edit: Any, words: str) -> None:
    with pytest.raises(ExportError, match=words):
        tasks_model(edited(tiny_int8_model(), edit))


def _quantize_and_mean(graph: Any) -> None:
    graph.operators[1].inputs = np.array([graph.inputs[0], 1], np.int32)


def _mean_alone(graph: Any) -> None:
    _quantize_and_mean(graph)
    del graph.operators[0]


@pytest.mark.parametrize("edit", [_quantize_and_mean, _mean_alone])
def test_a_uint8_file_that_computes_on_its_input_is_refused(edit: Any) -> None:
    with pytest.raises(ExportError, match="must go to a QUANTIZE operator alone"):
        tasks_model(edited(tiny_int8_model(input_type="uint8"), edit))


def test_a_file_that_has_its_softmax_is_refused() -> None:
    made = tasks_model(tiny_int8_model())
    with pytest.raises(ExportError, match="the output's type must be int8; got uint8"):
        tasks_model(made)


def test_weights_outside_the_flatbuffer_are_refused() -> None:
    parsed = parsed_model(tiny_int8_model())
    parsed.buffers[2].data, parsed.buffers[2].offset, parsed.buffers[2].size = None, 4096, 9
    with pytest.raises(ExportError, match="must hold its weights itself"):
        tasks_model(packed_model(parsed))


def test_what_is_no_tflite_file_or_cut_short_is_refused() -> None:
    with pytest.raises(ExportError, match="must be a TFLite model"):
        tasks_model(b"\0" * 64)
    source = tiny_int8_model()
    for n_bytes in range(8, 200, 8):
        with pytest.raises(ExportError, match="damaged or cut short"):
            tasks_model(source[:n_bytes])


def test_a_damaged_file_is_made_into_another_or_refused_and_nothing_else() -> None:
    n_refused = 0
    for damaged in damaged_copies(tiny_int8_model()):
        try:
            tasks_model(damaged)
        except ExportError:
            n_refused += 1
    # The rest hit a weight, a name or a hole.
    assert 20 < n_refused < 120
