"""Layers that the file computes in one operator are one place."""

import numpy as np
import pytest

from tests.tf.tiny import SIZE_PX, tiny_network

pytestmark = pytest.mark.slow


def test_a_convolution_takes_in_what_the_converter_folds_into_it() -> None:
    from edgedistill.tf.network_places import places_of

    places = places_of(tiny_network())
    assert [(p.name, p.operator, p.sources) for p in places] == [
        ("pixels", "QUANTIZE", ()),
        ("stem_conv", "CONV_2D", ("pixels",)),
        ("body_conv", "CONV_2D", ("stem_conv",)),
        ("depthwise_conv", "DEPTHWISE_CONV_2D", ("body_conv",)),
        ("add", "ADD", ("depthwise_conv", "stem_conv")),
        ("pool", "MEAN", ("add",)),
        ("logits", "FULLY_CONNECTED", ("pool",)),
    ]
    layers = {p.name: [layer.name for layer in p.layers] for p in places}
    assert layers["stem_conv"] == ["stem_conv", "stem_bn", "stem_relu"]
    assert layers["depthwise_conv"] == ["depthwise_conv", "depthwise_bn"]
    assert layers["pool"] == ["pool", "dropout"]
    assert [p.shape for p in places[-3:]] == [(8, 8, 8), (8,), (3,)]


def test_places_one_after_the_other_compute_what_the_network_does() -> None:
    from edgedistill.tf.network_places import places_of

    network = tiny_network()
    images = np.random.default_rng(0).uniform(0, 255, (2, SIZE_PX, SIZE_PX, 3)).astype(np.float32)
    entry, *places = places_of(network)
    values = {entry.name: images}
    for place in places:
        values[place.name] = place.apply([values[name] for name in place.sources])
    np.testing.assert_allclose(values["logits"], network(images, training=False), rtol=1e-5)


def test_every_operator_of_the_student_has_a_place() -> None:
    from edgedistill.tf.network_places import places_of
    from edgedistill.tf.networks import STUDENT_ARCH, build

    operators = [place.operator for place in places_of(build(STUDENT_ARCH, 64, 5))]
    # As counted in a file of this network (facts of the architecture): one stem, 20 expanding
    # and 21 projecting convolutions and a head; 21 depthwise ones; 14 blocks with a shortcut.
    counts = {name: operators.count(name) for name in set(operators)}
    assert counts == {
        "QUANTIZE": 1,
        "CONV_2D": 1 + 20 + 21 + 1,
        "DEPTHWISE_CONV_2D": 21,
        "ADD": 14,
        "MEAN": 1,
        "FULLY_CONNECTED": 1,
    }


def test_a_layer_of_another_kind_is_refused_by_name() -> None:
    from edgedistill.tf.network_places import places_of
    from edgedistill.tf.runtime import keras

    inputs = keras.Input((4, 4, 3), name="pixels")
    network = keras.Model(inputs, keras.layers.Softmax(name="end")(inputs))
    with pytest.raises(ValueError, match=r"layer 'end' must be .* got Softmax"):
        places_of(network)
