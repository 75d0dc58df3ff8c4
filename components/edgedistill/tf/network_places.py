"""The places of a network where an integer file has an operator: layers that become one.

The converter makes one operator of a convolution, its batch normalisation and its ReLU6, and none
of a dropout. A place is such a run of layers, named by its first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edgedistill.tf.runtime import keras

_OPERATORS = {
    "InputLayer": "QUANTIZE",  # of a file whose input is uint8
    "Conv2D": "CONV_2D",
    "DepthwiseConv2D": "DEPTHWISE_CONV_2D",
    "Add": "ADD",
    "GlobalAveragePooling2D": "MEAN",
    "Dense": "FULLY_CONNECTED",
}
_FOLLOWERS = {"BatchNormalization", "ReLU", "Dropout"}
_OTHER_IN_TRAINING = (keras.layers.BatchNormalization, keras.layers.Dropout)


@dataclass
class Place:
    """Layers that the file computes in one operator, from the outputs of the places `sources`."""

    name: str
    operator: str
    sources: tuple[str, ...]
    layers: list[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the output for one image, without the batch."""
        return tuple(self.layers[-1].output.shape[1:])

    def apply(self, inputs: Sequence[Any]) -> Any:
        """The place's float output, as in inference, for the outputs of its sources."""
        first, *followers = self.layers
        x = first(list(inputs) if len(inputs) > 1 else inputs[0])
        for layer in followers:
            x = layer(x, training=False) if isinstance(layer, _OTHER_IN_TRAINING) else layer(x)
        return x


def places_of(network: Any) -> list[Place]:
    """The places of a float network of one input, in its order; the first is the input itself.

    Raises:
        ValueError: a layer is of a kind that the file has no operator for.
    """
    places: dict[str, Place] = {}
    place_of_layer: dict[str, str] = {}
    for layer in network.layers:
        kind = type(layer).__name__
        sources = tuple(place_of_layer[name] for name in source_names(layer))
        if kind in _OPERATORS:
            places[layer.name] = Place(layer.name, _OPERATORS[kind], sources, [layer])
            place_of_layer[layer.name] = layer.name
        elif kind in _FOLLOWERS:
            places[sources[0]].layers.append(layer)
            place_of_layer[layer.name] = sources[0]
        else:
            raise ValueError(f"layer {layer.name!r} must be one of a student's kinds; got {kind}")
    return list(places.values())


def source_names(layer: Any) -> Iterator[str]:
    """Names of the layers whose outputs a layer takes, in order; an input has none."""
    for tensor in layer.inbound_nodes[0].keras_inputs:
        yield tensor.node.layer.name
