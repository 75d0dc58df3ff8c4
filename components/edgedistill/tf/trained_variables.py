"""Which variables of a network a training changes, and which its average takes."""

from typing import Any

from edgedistill.tf.runtime import keras


def trained_variables(network: Any) -> list[Any]:
    """Those of the layers that are trained, in the network's order.

    Not `network.trainable_variables`: tfmot's wrappers count the kernels that they quantise among
    these whatever `trainable` says of their layers, and a training that changes early kernels
    keeps what every early layer gave, twice the memory and the time of one that does not.
    """
    return [v for layer in network.layers if layer.trainable for v in layer.trainable_variables]


def averaged_variables(network: Any) -> list[Any]:
    """What an average of the weights takes: trained variables, then statistics of normalisation.

    Where batch normalisation is trained, its means and variances follow the wavering weights and do
    not fit their average. Ranges of a quantised network are left out: they stay.
    """
    statistics = [
        v
        for layer in network.layers
        if layer.trainable and isinstance(layer, keras.layers.BatchNormalization)
        for v in layer.non_trainable_variables
    ]
    return trained_variables(network) + statistics
