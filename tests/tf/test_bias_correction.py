"""What rounding kernels shifts on average is taken back."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgedistill.pixels import PackedPixels
from tests.tf.tiny import SIZE_PX, colour_photos, packed, range_rows, tiny_network

pytestmark = pytest.mark.slow

# Levels of 1. Of the first channel's weights 0.4 is lost in each of four places, of the second's
# 0.3 is gained in one: the outputs fall by 1.6 and rise by 0.3 for each unit of a constant input.
ROUNDED_DOWN = (127.0, 1.4, 2.4, 3.4, 4.4)
ROUNDED_UP = (127.0, 0.7, 0.0, 0.0, 0.0)


@pytest.fixture
def photos(tmp_path: Path) -> PackedPixels:
    """Half of them all 10, half all 30: 20 on average.

    They are shown as a batch of 32 (20 and 12 of them: 17.5 on average) and one of 8 (30): the mean
    of the batches' means, 23.75, is not that of the photos.
    """
    images = np.full((40, SIZE_PX, SIZE_PX, 3), 10, np.uint8)
    images[20:] = 30
    return packed(tmp_path / "p", images)


def _networks(
    photos: PackedPixels, layer: Any, *after: Any, before: Sequence[Any] = ()
) -> tuple[Any, Any]:
    """A network of an input and these layers, and what becomes of it when it is quantised."""
    from edgedistill.tf.qat import quantise_aware
    from edgedistill.tf.runtime import keras

    inputs = x = keras.Input((SIZE_PX, SIZE_PX, 3), name="pixels")
    for each in (*before, layer, *after):
        x = each(x)
    network = keras.Model(inputs, x)
    kernel, *rest = layer.get_weights()
    two = np.array([ROUNDED_DOWN, ROUNDED_UP], np.float32).T
    new = np.zeros_like(kernel)
    if kernel.ndim == 2:  # dense, 3 inputs: one scale for all
        new[:2] = two[:2]
    elif kernel.shape[3] == 1:  # depthwise, 5 x 1
        new[:, 0, :2, 0] = two
        new[0, 0, 2, 0] = 127
    else:
        new[:, 0, 1] = two  # of the second input channel
    layer.set_weights([new, *rest])
    rows = np.arange(len(photos))
    return network, quantise_aware(network, photos, rows, full_input_range=True)


@pytest.mark.parametrize("kind", ["convolution", "depthwise"])
def test_the_mean_of_a_batch_normalisation_follows_its_kernels_rounding(
    photos: PackedPixels, kind: str
) -> None:
    from edgedistill.tf.runtime import keras

    convolution = {
        "convolution": lambda: keras.layers.Conv2D(2, (5, 1), use_bias=False, name="c"),
        "depthwise": lambda: keras.layers.DepthwiseConv2D((5, 1), use_bias=False, name="c"),
    }[kind]()
    network, quantised = _networks(photos, convolution, keras.layers.BatchNormalization(name="b"))
    moved = quantised.get_layer("quant_b").layer.moving_mean.numpy()
    # The mean input is 20; batch normalisations start with a mean of 0.
    np.testing.assert_allclose(moved[:2], [-1.6 * 20, 0.3 * 20], rtol=1e-4)
    assert not network.get_layer("b").moving_mean.numpy().any()


def test_the_bias_of_a_layer_without_batch_normalisation_takes_it(photos: PackedPixels) -> None:
    from edgedistill.tf.runtime import keras

    convolution = keras.layers.Conv2D(2, (5, 1), name="c")
    _, quantised = _networks(photos, convolution)
    bias = quantised.get_layer("quant_c").layer.bias.numpy()
    np.testing.assert_allclose(bias, [1.6 * 20, -0.3 * 20], rtol=1e-4)


def test_a_dense_layers_bias_takes_it(photos: PackedPixels) -> None:
    from edgedistill.tf.runtime import keras

    dense = keras.layers.Dense(2, name="d")
    _, quantised = _networks(photos, dense, before=[keras.layers.GlobalAveragePooling2D()])
    bias = quantised.get_layer("quant_d").layer.bias.numpy()
    # Weights 127 and 1.4 of one output, 127 and 0.7 of the other: -0.4 and +0.3, times 20.
    np.testing.assert_allclose(bias, [0.4 * 20, -0.3 * 20], rtol=1e-4)


def test_the_quantised_networks_answers_are_right_on_average(tmp_path: Path) -> None:
    from edgedistill.tf.inference import Predictor
    from edgedistill.tf.qat import quantise_aware
    from edgedistill.tf.runtime import seed_everything

    seed_everything(11)
    images, _ = colour_photos(64, seed=2)
    pixels = packed(tmp_path / "p", images)
    network = tiny_network()
    corrected = quantise_aware(network, pixels, range_rows(pixels), full_input_range=True)
    plain = quantise_aware(network, pixels, range_rows(pixels), full_input_range=True)
    for layer in network.layers:
        if layer.name.endswith("_bn"):
            plain.get_layer(f"quant_{layer.name}").layer.moving_mean.assign(layer.moving_mean)
    plain.get_layer("quant_logits").layer.bias.assign(network.get_layer("logits").bias)
    exact = Predictor(network).outputs(pixels)
    off = [np.abs((Predictor(n).outputs(pixels) - exact).mean(axis=0)) for n in (corrected, plain)]
    assert off[0].max() < 0.5 * off[1].max()
