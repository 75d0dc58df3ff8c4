"""What a network draws from while it trains: the part of its state that its weights leave out."""

from typing import Any

from edgedistill.tf.runtime import keras


def dropout_states(network: Any) -> list[Any]:
    """The state of each layer that draws, such as dropout, in the network's order.

    Assigned back, with the weights, they make the network draw on as it would have.

    Returns:
        Variables (tf.Variable) of shape (3,), int64, which each draw moves on.

    Raises:
        ValueError: a layer draws from elsewhere: it was built before `runtime.prepare`.
    """
    return [_state(layer) for layer in network.submodules if _draws(layer)]


def _draws(module: Any) -> bool:
    # Keras keeps the generator of such a layer to itself, so that no file of weights holds it.
    return isinstance(module, keras.layers.Layer) and hasattr(module, "_random_generator")


def _state(layer: Any) -> Any:
    generator = getattr(layer._random_generator, "_generator", None)
    if generator is None:
        raise ValueError(f"layer {layer.name} draws from no variable; prepare() before building")
    return generator.state
