"""Kernels are quantised in training to the very integers that the file holds."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tf.tiny import colour_photos, packed, range_rows, tiny_network

pytestmark = pytest.mark.slow

# Two rows of weights. Alone, the first has levels of 127 / 127 = 1, the second of 1.27 / 127 =
# 0.01. Together they share levels of 1, and all of the second row but its largest is lost.
LARGE, SMALL = (127.0, 1.4, -2.6), (1.27, 0.014, -0.026)
LARGE_ROUNDED, SMALL_ROUNDED = (127.0, 1.0, -3.0), (1.27, 0.01, -0.03)


@pytest.mark.parametrize(
    ("shape", "n_channel_axes"),
    [((2, 3, 1, 1), 0), ((1, 3, 1, 2), 1), ((1, 3, 2, 1), 2), ((3, 1, 1, 2), 2)],
    ids=["one scale", "convolution", "depthwise", "depthwise with a multiplier of 2"],
)
def test_each_output_channel_has_levels_of_its_own(
    shape: tuple[int, ...], n_channel_axes: int
) -> None:
    from edgedistill.tf.kernel_quantizer import KernelQuantizer

    def kernel(first: tuple[float, ...], second: tuple[float, ...]) -> NDArray[np.float32]:
        stacked = [first, second] if n_channel_axes == 0 else list(zip(first, second, strict=True))
        return np.array(stacked, np.float32).reshape(shape)

    quantised = KernelQuantizer(n_channel_axes)(kernel(LARGE, SMALL), training=False, weights={})
    small = (1.0, 0.0, 0.0) if n_channel_axes == 0 else SMALL_ROUNDED
    np.testing.assert_allclose(quantised, kernel(LARGE_ROUNDED, small), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n_channel_axes", [0, 1, 2])
def test_the_gradient_of_every_weight_passes(n_channel_axes: int) -> None:
    from edgedistill.tf.kernel_quantizer import KernelQuantizer
    from edgedistill.tf.runtime import tf

    draw = np.random.default_rng(0)
    kernel = tf.constant(draw.normal(size=(3, 3, 4, 5)).astype(np.float32))
    factors = draw.uniform(1, 2, (3, 3, 4, 5)).astype(np.float32)
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        loss = tf.reduce_sum(
            KernelQuantizer(n_channel_axes)(kernel, training=True, weights={}) * factors
        )
    np.testing.assert_array_equal(tape.gradient(loss, kernel), factors)


def test_a_dead_channel_gets_the_scale_of_the_weakest_live_one() -> None:
    from edgedistill.tf.kernel_quantizer import KernelQuantizer

    # 4096 times as weak as 127 is 0.031: levels of 0.031 / 127 = 0.000244.
    step = 127 / 4096 / 127
    kernel = np.array([[127, 1], [1e-4, 1.6 * step]], np.float32).T.reshape(1, 2, 2, 1)
    quantised = KernelQuantizer(2)(kernel, training=False, weights={})
    expected = np.array([[127, 1], [0, 2 * step]]).T.reshape(1, 2, 2, 1)
    np.testing.assert_allclose(quantised, expected, rtol=1e-4, atol=1e-9)


def test_a_dead_channels_output_is_its_bias_in_the_file_too(tmp_path: Path) -> None:
    from edgedistill.tf.export import convert_quantised
    from edgedistill.tf.inference import Predictor
    from edgedistill.tf.interpreter import predict_outputs
    from edgedistill.tf.qat import quantise_aware
    from edgedistill.tf.runtime import seed_everything

    seed_everything(8)
    network = tiny_network()
    layer, normalisation = network.get_layer("stem_conv"), network.get_layer("stem_bn")
    (kernel,) = layer.get_weights()
    gamma, beta, mean, variance = normalisation.get_weights()
    # As in the published weights: nothing comes in, and what goes out is 4. An own scale would be
    # 1e-7 / 127 = 8e-10, and the bias 4 / 8e-10 = 5e9, more than 2**31.
    kernel[..., 0], beta[0], variance[0] = 1e-7, 4.0, 1.0
    layer.set_weights([kernel])
    normalisation.set_weights([gamma, beta, mean, variance])
    pixels = packed(tmp_path / "p", colour_photos(32, seed=3)[0])
    quantised = quantise_aware(network, pixels, range_rows(pixels), full_input_range=True)
    path = tmp_path / "model.tflite"
    path.write_bytes(convert_quantised(quantised, input_type="int8", output_type="int8"))
    by_network = Predictor(quantised).outputs(pixels)
    spread = by_network.max() - by_network.min()
    np.testing.assert_allclose(predict_outputs(path, pixels), by_network, atol=0.05 * spread)


def test_zero_weights_stay_zero() -> None:
    from edgedistill.tf.kernel_quantizer import KernelQuantizer

    kernel = np.zeros((3, 3, 2, 1), np.float32)
    kernel[:, :, 1] = 5.0
    np.testing.assert_allclose(KernelQuantizer(2)(kernel, training=False, weights={}), kernel)


@pytest.fixture(scope="module")
def trained_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, bytes]:
    """A quantised network after some steps of training at a high rate, and its file."""
    from edgedistill.tf.export import convert_quantised
    from edgedistill.tf.qat import quantise_aware
    from edgedistill.tf.runtime import keras, seed_everything

    seed_everything(2)
    images, labels = colour_photos(64, seed=1)
    network = tiny_network()
    _spread_channels(network)
    pixels = packed(tmp_path_factory.mktemp("k") / "p", images)
    quantised = quantise_aware(network, pixels, range_rows(pixels), full_input_range=True)
    quantised.compile(
        keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    quantised.fit(images.astype(np.float32), labels, epochs=1, batch_size=16, verbose=0)
    return quantised, convert_quantised(quantised, input_type="int8", output_type="int8")


def _spread_channels(network: Any) -> None:
    """Depthwise weights 100 times as small in one channel as in another; statistics, too, vary."""
    layer = network.get_layer("depthwise_conv")
    (kernel,) = layer.get_weights()
    layer.set_weights([kernel * np.geomspace(0.01, 1, 8).reshape(1, 1, 8, 1)])
    draw = np.random.default_rng(5)
    gamma = draw.uniform(0.5, 2, 8) * np.tile([1, -1], 4)
    network.get_layer("depthwise_bn").set_weights(
        [gamma, draw.normal(size=8), draw.normal(size=8), draw.uniform(0.5, 2, 8)]
    )


def _stored(model: bytes, operator: str) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """The integers and the scales of the weights of the file's last operator of this kind."""
    from ai_edge_litert import schema_py_generated as schema

    parsed = schema.ModelT.InitFromPackedBuf(model, 0)
    graph = parsed.subgraphs[0]
    code = getattr(schema.BuiltinOperator, operator)
    (*_, weights) = (
        graph.tensors[o.inputs[1]]
        for o in graph.operators
        if parsed.operatorCodes[o.opcodeIndex].builtinCode == code
    )
    integers = np.frombuffer(bytes(parsed.buffers[weights.buffer].data), np.int8)
    return integers.reshape(weights.shape), np.asarray(weights.quantization.scale)


@pytest.mark.parametrize(
    ("operator", "name"), [("DEPTHWISE_CONV_2D", "depthwise"), ("CONV_2D", "body")]
)
def test_the_file_holds_the_integers_that_training_ended_with(
    trained_file: tuple[Any, bytes], operator: str, name: str
) -> None:
    quantised, model = trained_file
    (weights,) = (w.numpy() for w in quantised.get_layer(f"quant_{name}_conv").trainable_weights)
    # Output channels first: (channels, all else); the file has them last in a depthwise kernel.
    is_depthwise = operator == "DEPTHWISE_CONV_2D"
    rows = weights.transpose((2, 3, 0, 1) if is_depthwise else (3, 0, 1, 2)).reshape(8, -1)
    integers, scales = _stored(model, operator)
    stored = (integers.transpose(3, 0, 1, 2) if is_depthwise else integers).reshape(8, -1)

    gamma, _, _, variance = quantised.get_layer(f"quant_{name}_bn").layer.get_weights()
    folded = gamma / np.sqrt(variance + 1e-3)  # tiny's batch normalisation has Keras' epsilon
    largest = np.abs(rows).max(axis=1)
    np.testing.assert_allclose(scales, np.abs(folded) * largest / 127, rtol=1e-5)
    levels = np.round(rows / largest[:, None] * 127) * np.sign(folded)[:, None]
    np.testing.assert_array_equal(stored, levels)
    assert set(np.abs(stored).max(axis=1)) == {127}


def test_the_dense_layer_of_the_file_has_one_scale(trained_file: tuple[Any, bytes]) -> None:
    quantised, model = trained_file
    (weights,) = (w.numpy() for w in quantised.layers[-1].trainable_weights if w.shape == (8, 3))
    integers, scales = _stored(model, "FULLY_CONNECTED")
    np.testing.assert_allclose(scales, [np.abs(weights).max() / 127], rtol=1e-5)
    np.testing.assert_array_equal(integers, np.round(weights.T / np.abs(weights).max() * 127))
