"""The ranges that a quantised network has of its tensors' values: set from data, then held.

tfmot has each range follow the photos of every step, by a thousandth of the way: some hundreds of
steps hardly move it, and pay two more passes over every tensor. Held ranges are numbers in a graph,
for which TensorFlow has a cheaper operator with a cheaper gradient, and one that is the same in
every repetition on GPUs, too.
"""

from typing import Any

from edgedistill.tf.runtime import tf

# A tensor that is 0 on all photos has the range 0 to 0. LiteRT refuses a file with it (convolution)
# or ends the process (addition), and refuses one of width 1e-6, too: its kernels divide the product
# of the scales of input and weights by the output's, and the quotient must stay below 256. Beside
# activations up to 6 nothing is seen of steps as small as 1/4080.
NARROWEST = 1 / 16


def range_of(layer: Any) -> tuple[float, float] | None:
    """The range of a quantised layer's output; None: it has none, or belongs to a later layer."""
    variables = _range_variables(layer)
    if not variables:
        return None
    return float(variables["min"].numpy()), float(variables["max"].numpy())


def set_range(layer: Any, lowest: float, highest: float) -> None:
    """Sets the range of a quantised layer's output, at least `NARROWEST` wide.

    Args:
        layer: one that `range_of` gives a range of.
        lowest: 0 or less.
        highest: 0 or more.

    Raises:
        ValueError: the layer has no range, or none that this version of tfmot names as expected.
    """
    variables = _range_variables(layer)
    if not variables:
        raise ValueError(f"layer {layer.name!r} must have a range to set; got none")
    variables["min"].assign(lowest)
    variables["max"].assign(max(highest, lowest + NARROWEST))


def hold_ranges(network: Any) -> None:
    """Has the layers of a quantised network, as tfmot made it, leave their ranges as they are set.

    A graph has the ranges that were set when it was traced.

    Raises:
        ValueError: a layer has a range that this version of tfmot moves in another way.
    """
    for layer in network.layers:
        if _range_variables(layer) and not _hold(layer):
            raise ValueError(f"layer {layer.name!r} must have a quantiser to hold; got none")


def _hold(layer: Any) -> bool:
    """Puts our quantiser in the place of tfmot's; gives whether there was one."""
    if getattr(layer, "quantizer", None) is not None:  # of the network's input
        layer.quantizer = _held
        return True
    if getattr(layer, "_output_quantizers", None):
        layer._output_quantizers = [_held]
        return True
    activations = getattr(layer, "_quantize_activations", ())
    for activation in activations:
        activation.quantizer = _held
    return bool(activations)


def on_levels(layer: Any, values: Any) -> Any:
    """What becomes of the values of a layer's output: on the levels of its range, if it has one."""
    variables = _range_variables(layer)
    return _fake_quantised(values, variables["min"], variables["max"]) if variables else values


def _held(values: Any, training: Any, weights: dict[str, Any]) -> Any:
    """A quantiser as tfmot calls it, in the place of its own."""
    return _fake_quantised(values, weights["min_var"], weights["max_var"])


def _fake_quantised(values: Any, lowest: Any, highest: Any) -> Any:
    with tf.init_scope():  # in a graph, too, the variables' numbers and not the variables
        ends = [float(variable.numpy()) for variable in (lowest, highest)]
    return tf.quantization.fake_quant_with_min_max_args(values, *ends)


def _range_variables(layer: Any) -> dict[str, Any]:
    found = {}
    for variable in layer.weights:
        name, _, end = variable.name.split("/")[-1].removesuffix(":0").rpartition("_")
        if name in ("output", "post_activation", layer.name) and end in ("min", "max"):
            found[end] = variable
    return found if len(found) == 2 else {}
