"""A channel whose kernel counts for nothing gives its constant in the file, too."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgedistill.pixels import PackedPixels
from tests.tf.tiny import colour_photos, packed, range_rows, tiny_network

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> PackedPixels:
    return packed(tmp_path_factory.mktemp("photos") / "p", colour_photos(96, 0)[0])


@pytest.fixture
def network(photos: PackedPixels) -> Any:
    """A float network with statistics of its own."""
    from edgedistill.tf.runtime import seed_everything

    seed_everything(1)
    network = tiny_network()
    for _ in range(20):
        network(photos.take(range(96)).astype(np.float32), training=True)
    return network


def _set(network: Any, layer: str, channel: Any, gamma: Any, beta: Any) -> None:
    normalisation = network.get_layer(layer)
    gammas, betas, *statistics = normalisation.get_weights()
    gammas[channel], betas[channel] = gamma, beta
    normalisation.set_weights([gammas, betas, *statistics])


def _one(gamma: float, layer: str = "body_bn") -> Callable[[Any], None]:
    return lambda network: _set(network, layer, 2, gamma, 1.0)


def _nothing_at_all(network: Any) -> None:
    _set(network, "body_bn", 2, 0.0, 0.0)


def _layer_of_nothing(network: Any) -> None:
    _set(network, "body_bn", slice(None), 0.0, 1e-30)


def _three_layers(network: Any) -> None:
    _set(network, "stem_bn", 1, 0.0, -2.0)
    _set(network, "body_bn", [2, 5], [1e-6, -1e-7], [1.0, 3.0])
    _set(network, "depthwise_bn", 3, 1e-12, 3.0)


def _whole_layer(network: Any) -> None:
    _set(network, "body_bn", slice(None), 0.0, np.linspace(-1, 3, 8))


def _no_kernel(network: Any) -> None:
    layer = network.get_layer("body_conv")
    layer.set_weights([np.zeros_like(layer.get_weights()[0])])
    _set(network, "body_bn", slice(None), 1.0, np.linspace(-1, 3, 8))


def _no_weak_kernel(network: Any) -> None:
    """Without the kernel's strongest channel, which is dead, others have smaller steps."""
    layer = network.get_layer("body_conv")
    (kernel,) = layer.get_weights()
    kernel[..., 2] *= 1e4
    kernel[..., 5] *= 1e-4
    layer.set_weights([kernel])
    _set(network, "body_bn", [2, 5], [0.0, 0.01], [1.0, 2.0])


@pytest.mark.parametrize(
    "change",
    [
        _one(1e-5), _one(-1e-9), _one(1e-25), _one(0.0), _one(0.0, "depthwise_bn"),
        _nothing_at_all, _layer_of_nothing, _three_layers, _whole_layer,
        _no_kernel, _no_weak_kernel,
    ],
    ids=[
        "1e-5", "-1e-9", "1e-25", "0", "0 of depthwise",
        "0 and beta 0", "layer of 0", "three layers", "whole layer", "no kernel", "no strongest",
    ],
)  # fmt: skip
def test_the_file_answers_as_the_float_network(
    network: Any, photos: PackedPixels, tmp_path: Path, change: Callable[[Any], None]
) -> None:
    from edgedistill.tf.export import convert_quantised
    from edgedistill.tf.flatbuffer import read_facts, require_full_integer
    from edgedistill.tf.inference import Predictor
    from edgedistill.tf.interpreter import predict_outputs
    from edgedistill.tf.qat import quantise_aware

    change(network)
    exact = Predictor(network).outputs(photos)
    quantised = quantise_aware(network, photos, range_rows(photos), full_input_range=True)
    model = convert_quantised(quantised, input_type="int8", output_type="int8")
    facts = read_facts(model)
    require_full_integer(
        facts, input_type="int8", output_type="int8", full_input_range=True, img_size_px=16
    )
    path = tmp_path / "model.tflite"
    path.write_bytes(model)
    by_file, by_network = predict_outputs(path, photos), Predictor(quantised).outputs(photos)
    step = facts.outputs[0].scale
    assert step is not None
    # Without the remedy they are 50 steps and more apart.
    assert np.abs(by_file - by_network).max() <= 3 * step
    assert np.abs(by_file - exact).max() <= 8 * step


def test_training_may_make_a_channel_dead(network: Any, photos: PackedPixels) -> None:
    from edgedistill.tf.export import convert_quantised
    from edgedistill.tf.flatbuffer import read_facts
    from edgedistill.tf.qat import quantise_aware

    quantised = quantise_aware(network, photos, range_rows(photos), full_input_range=True)
    normalisation = quantised.get_layer("quant_body_bn").layer
    gamma, beta, *statistics = normalisation.get_weights()
    gamma[2], beta[2] = 0.0, 1.0
    normalisation.set_weights([gamma, beta, *statistics])
    model = convert_quantised(quantised, input_type="int8", output_type="int8")
    assert read_facts(model).float_users == ()


def test_live_channels_keep_every_weight(network: Any, photos: PackedPixels) -> None:
    from edgedistill.tf.dead_channels import mend_dead_channels
    from edgedistill.tf.qat import quantise_aware

    # A 256th of the others': weak, and its bias still fits.
    _set(network, "body_bn", 2, 1 / 256, 1.0)
    quantised = quantise_aware(network, photos, range_rows(photos), full_input_range=True)
    before = quantised.get_weights()
    mend_dead_channels(quantised)
    for was, now in zip(before, quantised.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)


def test_a_mended_channel_is_the_constant_it_was(network: Any, photos: PackedPixels) -> None:
    from edgedistill.tf.dead_channels import mend_dead_channels
    from edgedistill.tf.qat import quantise_aware

    _set(network, "body_bn", 2, 1e-6, 1.0)
    quantised = quantise_aware(network, photos, range_rows(photos), full_input_range=True)
    layer = quantised.get_layer("quant_body_bn").layer
    before = [w.copy() for w in layer.get_weights()]
    mend_dead_channels(quantised)
    gamma, beta, mean, variance = layer.get_weights()
    np.testing.assert_allclose(beta[2], 1 - before[2][2] * 1e-6 / np.sqrt(before[3][2] + 1e-3))
    assert mean[2] == 0
    # As strong as the strongest of the live ones, all of gamma 1.
    live = np.delete(np.arange(8), 2)
    strongest = (before[0][live] / np.sqrt(before[3][live] + 1e-3)).max()
    np.testing.assert_allclose(gamma[2] / np.sqrt(variance[2] + 1e-3), strongest, rtol=1e-5)
    (kernel,) = quantised.get_layer("quant_body_conv").trainable_weights
    assert not kernel.numpy()[..., 2].any()
    for was, now in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(was[live], now[live])
