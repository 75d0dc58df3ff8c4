"""Conversion, proof and the interpreter on a tiny network."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgedistill.errors import ExportError
from tests.tf.tiny import (
    SIZE_PX,
    quantised_file,
    range_rows,
    trained_network,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    folder = tmp_path_factory.mktemp("photos") / "p"
    return trained_network(folder, n_photos=96, epochs=8, seed=1)


def _file(trained: tuple[Any, Any], kind: str, input_type: str) -> tuple[bytes, Any]:
    from edgedistill.tf.export import convert_quantised
    from edgedistill.tf.qat import quantise_aware

    network, pixels = trained
    if kind == "qat":
        quantised = quantise_aware(network, pixels, range_rows(pixels), full_input_range=True)
        model = convert_quantised(quantised, input_type=input_type, output_type="int8")
        return model, quantised
    model = quantised_file(
        network, pixels, np.arange(64), input_type=input_type, output_type="int8",
        full_input_range=True,
    )  # fmt: skip
    return model, network


@pytest.mark.parametrize("input_type", ["int8", "uint8"])
@pytest.mark.parametrize("kind", ["qat", "post-training"])
def test_the_file_is_proven_full_integer_and_answers_like_its_network(
    trained: tuple[Any, Any], tmp_path: Path, kind: str, input_type: str
) -> None:
    from edgedistill.tf.flatbuffer import read_facts, require_full_integer
    from edgedistill.tf.inference import Predictor
    from edgedistill.tf.interpreter import predict_outputs

    model, network = _file(trained, kind, input_type)
    facts = read_facts(model)
    require_full_integer(
        facts, input_type=input_type, output_type="int8", full_input_range=True, img_size_px=SIZE_PX
    )
    assert facts.inputs[0].scale == 1.0
    assert facts.inputs[0].zero_point == {"int8": -128, "uint8": 0}[input_type]

    path = tmp_path / "model.tflite"
    path.write_bytes(model)
    pixels = trained[1]
    logits = predict_outputs(path, pixels)
    step = facts.outputs[0].scale
    assert step is not None
    assert np.abs(logits - Predictor(network).outputs(pixels)).max() <= 6 * step
    np.testing.assert_array_equal(logits, _by_tensorflow(path, pixels.take(range(len(pixels)))))


@pytest.mark.parametrize("kind", ["qat", "post-training"])
def test_the_dense_layer_has_one_scale_which_older_interpreters_expect(
    trained: tuple[Any, Any], kind: str
) -> None:
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.ModelT.InitFromPackedBuf(_file(trained, kind, "int8")[0], 0).subgraphs[0]
    weights = graph.tensors[graph.operators[-1].inputs[1]]
    assert tuple(weights.shape) == (3, 8)
    assert len(weights.quantization.scale) == 1


def _by_tensorflow(path: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The same file through TensorFlow's own interpreter, one image after the other."""
    from edgedistill.tf.runtime import tf

    interpreter = tf.lite.Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    (entry,), (end,) = interpreter.get_input_details(), interpreter.get_output_details()
    in_scale, in_zero = entry["quantization"]
    out_scale, out_zero = end["quantization"]
    answers = []
    for image in images:
        quantised = np.round(image / in_scale + in_zero).astype(entry["dtype"])
        interpreter.set_tensor(entry["index"], quantised[None])
        interpreter.invoke()
        raw = interpreter.get_tensor(end["index"])[0].astype(np.float32)
        answers.append((raw - out_zero) * np.float32(out_scale))
    return np.array(answers)


def test_the_answers_do_not_depend_on_the_number_of_threads(
    trained: tuple[Any, Any], tmp_path: Path
) -> None:
    from edgedistill.tf.interpreter import predict_outputs

    model, _ = _file(trained, "post-training", "int8")
    path = tmp_path / "model.tflite"
    path.write_bytes(model)
    one, three = (predict_outputs(path, trained[1], n_threads=n) for n in (1, 3))
    np.testing.assert_array_equal(one, three)


def test_a_float_file_is_refused_by_the_name_of_an_operator(trained: tuple[Any, Any]) -> None:
    from edgedistill.tf.flatbuffer import read_facts, require_full_integer
    from edgedistill.tf.runtime import tf

    model = tf.lite.TFLiteConverter.from_keras_model(trained[0]).convert()
    with pytest.raises(ExportError, match=r"still has float operator CONV_2D \(tensor '"):
        require_full_integer(
            read_facts(model), input_type="int8", output_type="int8", full_input_range=True,
            img_size_px=SIZE_PX,
        )  # fmt: skip


def test_an_input_scale_other_than_1_is_refused(trained: tuple[Any, Any]) -> None:
    from edgedistill.tf.flatbuffer import read_facts, require_full_integer

    network, pixels = trained
    model = quantised_file(
        network, pixels, np.arange(64), input_type="int8", output_type="int8",
        full_input_range=False,
    )  # fmt: skip
    with pytest.raises(ExportError, match=r"the input's scale must be 1\.0; got 0\.\d+"):
        require_full_integer(
            read_facts(model), input_type="int8", output_type="int8", full_input_range=True,
            img_size_px=SIZE_PX,
        )  # fmt: skip


def test_what_is_no_tflite_file_is_refused() -> None:
    from edgedistill.tf.flatbuffer import read_facts

    with pytest.raises(ExportError, match="no TFLite model"):
        read_facts(b"\0" * 64)
