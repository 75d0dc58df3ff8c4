"""Which variables of a network a training changes."""

from typing import Any


def trained_variables(network: Any) -> list[Any]:
    """Those of the layers that are trained, in the network's order.

    Not `network.trainable_variables`: tfmot's wrappers count the kernels that they quantise among
    these whatever `trainable` says of their layers, and a training that changes early kernels
    keeps what every early layer gave, twice the memory and the time of one that does not.
    """
    return [v for layer in network.layers if layer.trainable for v in layer.trainable_variables]
