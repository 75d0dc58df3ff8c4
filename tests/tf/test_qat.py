"""A quantised network's ranges come from data, and its statistics stay."""

import re
from typing import Any

import numpy as np
import pytest

from edgedistill.pixels import PackedPixels
from tests.tf.tiny import SIZE_PX, colour_photos, packed, range_rows, tiny_network

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, PackedPixels]:
    """A float network with statistics of its own, and photos that no value of 255 is in."""
    from edgedistill.tf.runtime import seed_everything

    seed_everything(1)
    images, _ = colour_photos(96, seed=0)
    network = tiny_network()
    for _ in range(20):
        network(images.astype(np.float32), training=True)
    return network, packed(tmp_path_factory.mktemp("photos") / "p", images)


def _range_of(quantised: Any, layer_name: str) -> tuple[float, float]:
    ends = {}
    for variable in quantised.get_layer(layer_name).weights:
        for end in ("min", "max"):
            own = (f"output_{end}:0", f"post_activation_{end}:0", f"{layer_name}_{end}:0")
            if variable.name.endswith(own):
                ends[end] = float(variable.numpy())
    return ends["min"], ends["max"]


def test_ranges_are_the_mean_extremes_of_the_float_networks_batches(
    made: tuple[Any, PackedPixels],
) -> None:
    from edgedistill.tf.qat import quantise_aware
    from edgedistill.tf.runtime import keras

    network, pixels = made
    quantised = quantise_aware(network, pixels, range_rows(pixels), full_input_range=True)
    # 96 photos: all of them, in three batches of 32, in the order of the same seed.
    rows = np.random.default_rng(0).permutation(96)
    for name in ("body_relu", "add", "logits"):
        part = keras.Model(network.input, network.get_layer(name).output)
        batches = [part(pixels.take(rows[i : i + 32]).astype(np.float32)) for i in (0, 32, 64)]
        lowest = np.mean([np.min(b) for b in batches])
        highest = np.mean([np.max(b) for b in batches])
        got = _range_of(quantised, f"quant_{name}")
        np.testing.assert_allclose(got, (min(lowest, 0), max(highest, 0)), rtol=1e-5)


def test_the_inputs_range_is_0_to_255_though_no_photo_reaches_it(
    made: tuple[Any, PackedPixels],
) -> None:
    from edgedistill.tf.qat import quantise_aware

    network, pixels = made
    assert pixels.take(range(96)).max() < 255
    quantised = quantise_aware(network, pixels, range_rows(pixels), full_input_range=True)
    (entry,) = (x.name for x in quantised.layers if x.name.startswith("quantize_layer"))
    assert _range_of(quantised, entry) == (0.0, 255.0)


def test_the_inputs_range_can_be_that_of_the_photos(made: tuple[Any, PackedPixels]) -> None:
    from edgedistill.tf.qat import quantise_aware

    network, pixels = made
    quantised = quantise_aware(network, pixels, range_rows(pixels), full_input_range=False)
    (entry,) = (x.name for x in quantised.layers if x.name.startswith("quantize_layer"))
    assert _range_of(quantised, entry) == (0.0, float(pixels.take(range(96)).max()))


def test_only_the_chosen_photos_set_the_ranges(made: tuple[Any, PackedPixels]) -> None:
    from edgedistill.tf.qat import quantise_aware
    from edgedistill.tf.runtime import keras

    network, pixels = made
    rows = np.array([3, 1, 4])
    quantised = quantise_aware(network, pixels, rows, full_input_range=True)
    part = keras.Model(network.input, network.get_layer("add").output)
    values = part(pixels.take(rows).astype(np.float32)).numpy()
    expected = (min(values.min(), 0), max(values.max(), 0))
    np.testing.assert_allclose(_range_of(quantised, "quant_add"), expected, rtol=1e-5)


def test_a_last_small_batch_counts_by_its_photos(made: tuple[Any, PackedPixels]) -> None:
    from edgedistill.tf.qat import quantise_aware
    from edgedistill.tf.runtime import keras

    network, pixels = made
    rows = np.arange(33)
    quantised = quantise_aware(network, pixels, rows, full_input_range=True)
    part = keras.Model(network.input, network.get_layer("add").output)
    batches = [part(pixels.take(of).astype(np.float32)).numpy() for of in (rows[:32], rows[32:])]
    lowest, highest = ([f(b) for b in batches] for f in (np.min, np.max))
    expected = [(32 * ends[0] + ends[1]) / 33 for ends in (lowest, highest)]
    np.testing.assert_allclose(_range_of(quantised, "quant_add"), expected, rtol=1e-5)


@pytest.mark.parametrize("full_input_range", [True, False])
def test_training_moves_neither_statistics_nor_ranges(
    made: tuple[Any, PackedPixels], full_input_range: bool
) -> None:
    from edgedistill.tf.qat import quantise_aware

    network, pixels = made
    quantised = quantise_aware(
        network, pixels, range_rows(pixels), full_input_range=full_input_range
    )
    held = [w for w in quantised.weights if re.search("moving_|_min|_max", w.name)]
    before = [w.numpy() for w in held]
    # Mean and variance of three batch normalisations; two ends of the ranges of the input, two
    # ReLUs, the last batch normalisation, the addition, pool and logits.
    assert len(before) == 6 + 2 * 7
    white = np.full((32, SIZE_PX, SIZE_PX, 3), 255, np.float32)
    quantised(white, training=True)
    for variable, value in zip(held, before, strict=True):
        np.testing.assert_array_equal(variable, value, err_msg=variable.name)


def test_kernels_have_no_range_to_go_stale(made: tuple[Any, PackedPixels]) -> None:
    from edgedistill.tf.qat import quantise_aware

    network, pixels = made
    quantised = quantise_aware(network, pixels, range_rows(pixels), full_input_range=True)
    assert [w.name for w in quantised.weights if "kernel_m" in w.name] == []


def test_the_float_network_stays_as_it_was(made: tuple[Any, PackedPixels]) -> None:
    from edgedistill.tf.qat import quantise_aware

    network, pixels = made
    before = network.get_weights()
    quantise_aware(network, pixels, range_rows(pixels), full_input_range=True)
    for was, now in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)
