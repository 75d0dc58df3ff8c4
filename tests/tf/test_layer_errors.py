"""What quantisation does to each layer, on tiny networks whose noise is known or made."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgedistill.errors import ExportError
from edgedistill.pixels import PackedPixels
from tests.tf.tiny import (
    SIZE_PX,
    packed,
    quantised_file,
    range_rows,
    trained_network,
)

pytestmark = pytest.mark.slow

ROWS = np.arange(8)
PLACES = [
    ("stem_conv", "CONV_2D"),
    ("body_conv", "CONV_2D"),
    ("depthwise_conv", "DEPTHWISE_CONV_2D"),
    ("add", "ADD"),
    ("pool", "MEAN"),
    ("logits", "FULLY_CONNECTED"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, PackedPixels]:
    folder = tmp_path_factory.mktemp("photos") / "p"
    return trained_network(folder, n_photos=48, epochs=6, seed=3)


def _file(trained: tuple[Any, PackedPixels], kind: str, input_type: str = "int8") -> bytes:
    from edgedistill.tf.export import convert_quantised
    from edgedistill.tf.qat import quantise_aware

    network, pixels = trained
    if kind == "qat":
        quantised = quantise_aware(network, pixels, range_rows(pixels), full_input_range=True)
        return convert_quantised(quantised, input_type=input_type, output_type="int8")
    if kind == "post-training":
        return quantised_file(
            network, pixels, np.arange(48), input_type=input_type, output_type="int8",
            full_input_range=True,
        )  # fmt: skip
    return _by_converter(network, pixels.take(np.arange(48)), input_type)


def _by_converter(network: Any, images: NDArray[np.uint8], input_type: str) -> bytes:
    """As TensorFlow's converter quantises after training by itself."""
    from edgedistill.tf.quiet import quiet_native_code
    from edgedistill.tf.runtime import tf

    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([i[None].astype(np.float32)] for i in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = {"int8": tf.int8, "uint8": tf.uint8}[input_type]
    converter.inference_output_type = tf.int8
    with quiet_native_code():
        return bytes(converter.convert())


def _logits_of_file(model: bytes, images: NDArray[np.uint8], folder: Path) -> NDArray[np.float32]:
    from edgedistill.tf.interpreter import predict_outputs

    path = folder / "model.tflite"
    path.write_bytes(model)
    return predict_outputs(path, packed(folder / "photos", images))


@pytest.mark.parametrize("input_type", ["int8", "uint8"])
@pytest.mark.parametrize("kind", ["qat", "post-training", "converter"])
def test_each_operator_is_named_by_its_layer_and_the_last_one_is_the_files_answer(
    trained: tuple[Any, PackedPixels], tmp_path: Path, kind: str, input_type: str
) -> None:
    from edgedistill.tf.layer_errors import layer_errors

    network, pixels = trained
    model = _file(trained, kind, input_type)
    errors = layer_errors(model, network, pixels, ROWS)
    entry = [("pixels", "QUANTIZE")] if input_type == "uint8" else []
    assert [(e.layer, e.operator) for e in errors] == entry + PLACES
    if entry and kind != "converter":
        # Scale 1 and zero points 0 and -128: pixels pass exactly.
        assert (errors[0].sqnr_db, errors[0].own_sqnr_db) == (None, None)

    images = pixels.take(ROWS)
    exact = network(images.astype(np.float32), training=False).numpy().astype(np.float64)
    noise = exact - _logits_of_file(model, images, tmp_path)
    expected = 10 * math.log10((exact**2).sum() / (noise**2).sum())
    # LiteRT's own kernels and XNNPACK's, which answered here, may differ by a rounding.
    assert errors[-1].sqnr_db == pytest.approx(expected, abs=2.0)


def test_noise_adds_up_but_each_layers_own_does_not(trained: tuple[Any, PackedPixels]) -> None:
    from edgedistill.tf.layer_errors import layer_errors

    first, *later = layer_errors(_file(trained, "qat"), *trained, ROWS)
    # Nothing comes before the first operator but exact pixels.
    assert first.own_sqnr_db == pytest.approx(first.sqnr_db, abs=1e-3)
    for error in later:
        assert error.sqnr_db is not None
        assert error.own_sqnr_db is not None
        assert error.own_sqnr_db > error.sqnr_db


def test_a_layers_own_noise_is_against_what_the_file_gave_it(
    trained: tuple[Any, PackedPixels],
) -> None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    from edgedistill.tf.layer_errors import layer_errors

    network, pixels = trained
    model = _file(trained, "post-training")
    interpreter = Interpreter(
        model_content=model,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
    )
    interpreter.allocate_tensors()
    details = {d["shape"].tobytes(): d for d in interpreter.get_tensor_details() if d["name"]}
    pooled, answer = (details[np.array([1, n], np.int32).tobytes()] for n in (8, 3))

    def value(of: Any) -> NDArray[np.float64]:
        scale, zero_point = of["quantization"]
        levels = interpreter.get_tensor(of["index"])[0].astype(np.float64)
        return np.asarray((levels - zero_point) * scale)

    kernel, bias = network.get_layer("logits").get_weights()
    signal = noise = 0.0
    for row in ROWS:
        entry = pixels.row(int(row)).astype(np.int16) - 128
        interpreter.set_tensor(
            interpreter.get_input_details()[0]["index"], entry[None].astype("i1")
        )
        interpreter.invoke()
        exact = value(pooled) @ kernel + bias
        signal += (exact**2).sum()
        noise += ((exact - value(answer)) ** 2).sum()
    error = layer_errors(model, network, pixels, ROWS)[-1]
    assert error.own_sqnr_db == pytest.approx(10 * math.log10(signal / noise), abs=0.5)


@pytest.mark.parametrize("damaged", ["stem_conv", "body_conv", "depthwise_conv", "logits"])
def test_the_damaged_layer_is_named_first(trained: tuple[Any, PackedPixels], damaged: str) -> None:
    from edgedistill.core.layer_error import worst_layers
    from edgedistill.tf.layer_errors import layer_errors

    network, pixels = trained
    model = _with_one_weight_in_8_lost(_file(trained, "post-training"), damaged)
    errors = layer_errors(model, network, pixels, ROWS)
    worst = worst_layers(errors, n=2)
    assert len(worst) == 2
    assert worst[0].layer == damaged
    own = {e.layer: e.own_sqnr_db for e in errors}
    damage = own.pop(damaged)
    assert damage is not None
    assert all(other is not None and other > damage + 6 for other in own.values())


def _with_one_weight_in_8_lost(model: bytes, layer: str) -> bytes:
    """The file with each eighth weight of a layer's kernel set to 0."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    parsed = schema.ModelT.InitFromPackedBuf(model, 0)
    graph = parsed.subgraphs[0]
    number = [name for name, _ in PLACES].index(layer)
    weights = parsed.buffers[graph.tensors[graph.operators[number].inputs[1]].buffer]
    data = np.array(weights.data, np.uint8)
    data[::8] = 0
    weights.data = data
    builder = flatbuffers.Builder(len(model))
    builder.Finish(parsed.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.parametrize("damaged", ["body_relu", "add", "pool"])
def test_a_layer_whose_range_is_far_too_wide_is_named_first(
    trained: tuple[Any, PackedPixels], damaged: str
) -> None:
    from edgedistill.core.layer_error import worst_layers
    from edgedistill.tf.export import convert_quantised
    from edgedistill.tf.layer_errors import layer_errors
    from edgedistill.tf.qat import quantise_aware

    network, pixels = trained
    quantised = quantise_aware(network, pixels, range_rows(pixels), full_input_range=True)
    for variable in quantised.get_layer(f"quant_{damaged}").weights:
        if variable.name.endswith("_max:0"):
            variable.assign(variable * 40)
    model = convert_quantised(quantised, input_type="int8", output_type="int8")
    worst = worst_layers(layer_errors(model, network, pixels, ROWS), n=1)
    assert [e.layer for e in worst] == [{"body_relu": "body_conv"}.get(damaged, damaged)]


def test_a_file_of_another_network_is_refused(trained: tuple[Any, PackedPixels]) -> None:
    from edgedistill.tf.layer_errors import layer_errors
    from edgedistill.tf.runtime import keras

    inputs = keras.Input((SIZE_PX, SIZE_PX, 3), name="pixels")
    x = keras.layers.Conv2D(4, 3, name="only")(inputs)
    other = keras.Model(inputs, keras.layers.GlobalAveragePooling2D(name="pool")(x))
    with pytest.raises(ExportError, match="CONV_2D after pixels is no layer of the network"):
        layer_errors(_file(trained, "post-training"), other, trained[1], ROWS)


def test_a_file_that_is_wired_otherwise_is_refused(trained: tuple[Any, PackedPixels]) -> None:
    from edgedistill.tf.layer_errors import layer_errors
    from edgedistill.tf.runtime import keras

    def network(*, in_a_row: bool) -> Any:
        inputs = keras.Input((SIZE_PX, SIZE_PX, 3), name="pixels")
        first = keras.layers.Conv2D(3, 3, padding="same", name="first")(inputs)
        source = first if in_a_row else inputs
        second = keras.layers.Conv2D(3, 3, padding="same", name="second")(source)
        return keras.Model(inputs, keras.layers.Add(name="add")([first, second]))

    pixels = trained[1]
    model = _file((network(in_a_row=True), pixels), "post-training")
    with pytest.raises(ExportError, match="CONV_2D after first is no layer of the network"):
        layer_errors(model, network(in_a_row=False), pixels, ROWS)


def test_no_photo_is_refused(trained: tuple[Any, PackedPixels]) -> None:
    from edgedistill.tf.layer_errors import layer_errors

    with pytest.raises(ValueError, match="at least one photo"):
        layer_errors(b"", *trained[:1], trained[1], np.array([], np.int64))
