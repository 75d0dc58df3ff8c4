"""The folded pass is the network's own, its gradients are, and nothing is normalised by itself."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tf.tiny import N_CLASSES, SIZE_PX, colour_photos, packed, range_rows, tiny_network

pytestmark = pytest.mark.slow

NORMALISING = {"FusedBatchNormV3", "FusedBatchNormGradV3"}


def _give_statistics(network: Any) -> None:
    """Every batch normalisation another scale, shift, mean and variance for each channel."""
    from edgedistill.tf.runtime import keras

    draw = np.random.default_rng(1)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            n = layer.moving_mean.shape[0]
            of_channels = [(0.5, 1.5), (-0.5, 0.5), (-0.5, 0.5), (0.5, 1.5)]
            layer.set_weights([draw.uniform(*ends, n) for ends in of_channels])


def _frozen(network: Any) -> Any:
    from edgedistill.tf.fine_tuning import freeze_normalisation

    _give_statistics(network)
    freeze_normalisation(network)
    return network


def _photos(size_px: int = SIZE_PX, count: int = 6) -> NDArray[np.float32]:
    draw = np.random.default_rng(0)
    return draw.integers(0, 256, (count, size_px, size_px, 3)).astype(np.float32)


def _operators_of_a_step(run: Callable[..., Any], network: Any, images: Any) -> set[str]:
    """Of the graph of a pass and its gradients, those inside of its calls too."""
    from edgedistill.tf.runtime import tf

    def step(photos: Any) -> list[Any]:
        return _gradients(lambda x: run(x, training=True), network, photos)

    graph = tf.function(step, autograph=False).get_concrete_function(images).graph
    definition = graph.as_graph_def()
    inside = [node for part in definition.library.function for node in part.node_def]
    return {node.op for node in [*definition.node, *inside]}


def _gradients(run: Callable[[Any], Any], network: Any, images: Any) -> list[Any]:
    from edgedistill.tf.runtime import tf
    from edgedistill.tf.trained_variables import trained_variables

    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(run(images)))
    return list(tape.gradient(loss, trained_variables(network)))


@pytest.mark.parametrize(
    "arch", ["efficientnet_lite1", "efficientnet_lite2", "efficientnet_b3", "resnet101"]
)
def test_it_gives_what_the_network_gives(arch: str) -> None:
    from edgedistill.tf.folded_pass import FoldedPass
    from edgedistill.tf.networks import build, release_networks

    release_networks()
    network = build(arch, 64, 5)
    _give_statistics(network)
    want = network(_photos(64), training=False).numpy()
    got = FoldedPass(network)(_photos(64), training=False).numpy()
    np.testing.assert_allclose(got, want, atol=1e-4 * np.abs(want).max())


def test_no_layer_normalises_by_itself_neither_forwards_nor_backwards() -> None:
    from edgedistill.tf.folded_pass import FoldedPass

    network, images = _frozen(tiny_network()), _photos()
    assert _operators_of_a_step(network, network, images) >= NORMALISING
    assert not NORMALISING & _operators_of_a_step(FoldedPass(network), network, images)


def test_its_gradients_are_the_networks() -> None:
    from edgedistill.tf.folded_pass import FoldedPass

    network, images = _frozen(tiny_network()), _photos()
    network.get_layer("dropout").rate = 0.0
    run = FoldedPass(network)
    want = _gradients(lambda x: network(x, training=True), network, images)
    got = _gradients(lambda x: run(x, training=True), network, images)
    assert len(got) == 5  # three kernels, and kernel and bias of the logits
    for ours, theirs in zip(got, want, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max())


def test_a_normalisation_that_is_trained_still_follows_the_photos() -> None:
    from edgedistill.tf.folded_pass import FoldedPass

    network, twin = tiny_network(), tiny_network()
    for one in (network, twin):
        one.get_layer("dropout").rate = 0.0
    twin.set_weights(network.get_weights())
    got = FoldedPass(network)(_photos(), training=True)
    np.testing.assert_array_equal(got, twin(_photos(), training=True))
    assert network.get_layer("stem_bn").moving_mean.numpy().any()
    for ours, theirs in zip(network.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def _convolution(kind: str) -> Any:
    from edgedistill.tf.runtime import keras

    layers = keras.layers
    draw = keras.initializers.RandomNormal(seed=1)
    how = {"bias_initializer": draw, "padding": "same", "name": "convolution"}
    return {
        "with a bias": lambda: layers.Conv2D(4, 3, **how),
        "strided": lambda: layers.Conv2D(4, 3, 2, **how),
        "dilated": lambda: layers.Conv2D(4, 3, dilation_rate=2, **how),
        "depthwise": lambda: layers.DepthwiseConv2D(3, **how),
        "depthwise of two": lambda: layers.DepthwiseConv2D(3, 2, depth_multiplier=2, **how),
    }[kind]()


@pytest.mark.parametrize(
    "kind", ["with a bias", "strided", "dilated", "depthwise", "depthwise of two"]
)
@pytest.mark.parametrize("scaled", [True, False])
def test_every_kind_of_convolution_is_folded(kind: str, scaled: bool) -> None:
    from edgedistill.tf.folded_pass import FoldedPass
    from edgedistill.tf.runtime import keras

    entry = keras.Input((SIZE_PX, SIZE_PX, 3))
    normalise = keras.layers.BatchNormalization(name="last", scale=scaled, center=scaled)
    network = keras.Model(entry, normalise(_convolution(kind)(entry)))
    draw = np.random.default_rng(3)
    normalise.set_weights([draw.uniform(0.5, 2, w.shape) for w in normalise.get_weights()])
    values = FoldedPass(network).values(_photos(), training=False)
    assert "convolution" not in values
    want = network(_photos(), training=False).numpy()
    np.testing.assert_allclose(values["last"], want, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize("kind", ["an activation", "another use", "the network's output"])
def test_a_convolution_that_something_else_comes_after_is_left_alone(kind: str) -> None:
    from edgedistill.tf.folded_pass import FoldedPass
    from edgedistill.tf.runtime import keras

    layers = keras.layers
    entry = keras.Input((SIZE_PX, SIZE_PX, 3))
    activation = "relu" if kind == "an activation" else None
    convolved = layers.Conv2D(4, 3, activation=activation, name="convolution")(entry)
    end = layers.BatchNormalization()(convolved)
    if kind == "another use":
        end = layers.Add()([end, convolved])
    network = keras.Model(entry, convolved if kind == "the network's output" else end)
    _give_statistics(network)
    run = FoldedPass(network)
    assert "convolution" in run.values(_photos(), training=False)
    want = network(_photos(), training=False)
    np.testing.assert_allclose(run(_photos(), training=False), want, rtol=1e-6)


@pytest.fixture
def half_precision() -> Iterator[None]:
    from edgedistill.tf.runtime import keras

    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    yield
    keras.mixed_precision.set_global_policy("float32")


@pytest.mark.usefixtures("half_precision")
def test_in_mixed_precision_convolutions_are_computed_in_bfloat16() -> None:
    from edgedistill.tf.folded_pass import FoldedPass
    from edgedistill.tf.runtime import tf

    network = _frozen(tiny_network())
    values = FoldedPass(network).values(_photos() / 255, training=False)
    assert values["stem_bn"].dtype == tf.bfloat16
    want = tf.cast(network(_photos() / 255, training=False), tf.float32).numpy()
    # bfloat16 has 8 bits: each of four layers rounds by up to 2**-9 of its values.
    np.testing.assert_allclose(
        tf.cast(values["logits"], tf.float32), want, atol=4 * 2**-8 * np.abs(want).max()
    )


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, NDArray[np.float32]]:
    """A quantised network, and photos."""
    from edgedistill.tf.qat import quantise_aware
    from edgedistill.tf.runtime import seed_everything

    seed_everything(4)
    network = tiny_network()
    _give_statistics(network)
    images, _ = colour_photos(32, seed=0)
    pixels = packed(tmp_path_factory.mktemp("photos") / "p", images)
    made = quantise_aware(network, pixels, range_rows(pixels), full_input_range=True)
    made.get_layer("quant_dropout").layer.rate = 0.0
    return made, images.astype(np.float32)


def test_a_quantised_networks_pass_is_its_own_but_for_values_between_two_levels(
    quantised: tuple[Any, NDArray[np.float32]],
) -> None:
    from edgedistill.tf.folded_pass import FoldedPass
    from edgedistill.tf.ranges import range_of
    from edgedistill.tf.runtime import keras

    network, images = quantised
    values = FoldedPass(network).values(images, training=True)
    for name in ("quant_stem_relu", "quant_depthwise_bn", "quant_add", "quant_logits"):
        part = keras.Model(network.input, network.get_layer(name).output)
        lowest, highest = range_of(network.get_layer(name)) or (0.0, 0.0)
        steps = np.abs(values[name] - part(images, training=False)) / (highest - lowest) * 255
        assert steps.max() < 2.5  # a value that rounds to the other side moves those after it
        assert np.mean(steps > 0.5) < 0.01
        assert len(np.unique(np.asarray(values[name]))) <= 256


def test_a_quantised_networks_gradients_are_its_own(
    quantised: tuple[Any, NDArray[np.float32]],
) -> None:
    from edgedistill.tf.folded_pass import FoldedPass

    network, images = quantised
    run = FoldedPass(network)
    want = _gradients(lambda x: network(x, training=True), network, images)
    got = _gradients(lambda x: run(x, training=True), network, images)
    assert [g.shape for g in got] == [
        (3, 3, 3, 8),
        (3, 3, 8, 8),
        (3, 3, 8, 1),
        (8, N_CLASSES),
        (3,),
    ]
    for ours, theirs in zip(got, want, strict=True):
        apart = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
        assert apart < 0.01


def test_a_quantised_step_has_no_operator_that_gpus_cannot_repeat(
    quantised: tuple[Any, NDArray[np.float32]],
) -> None:
    from edgedistill.tf.folded_pass import FoldedPass

    network, images = quantised
    found = _operators_of_a_step(FoldedPass(network), network, images)
    # TensorFlow 2.21 says of both, of their GPU form: "Determinism is not yet supported".
    assert not found & {
        "FakeQuantWithMinMaxVarsGradient",
        "FakeQuantWithMinMaxVarsPerChannelGradient",
    }
    assert "FakeQuantWithMinMaxArgsGradient" in found
    assert not NORMALISING & found
