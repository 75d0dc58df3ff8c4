from edgedistill.core.layer_error import LayerError, worst_layers


def test_layers_without_noise_are_not_among_the_worst() -> None:
    errors = [
        LayerError("a", "CONV_2D", 20.0, 40.0),
        LayerError("b", "QUANTIZE", None, None),
        LayerError("c", "CONV_2D", 10.0, 45.0),
        LayerError("d", "ADD", 15.0, 30.0),
    ]
    assert [e.layer for e in worst_layers(errors)] == ["d", "a", "c"]
    assert [e.layer for e in worst_layers(errors, n=1)] == ["d"]
