"""The ranges that a quantised network keeps of its tensors' values."""

from typing import Any

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


def widen_narrow_ranges(network: Any) -> None:
    """Makes every range of a quantised network `NARROWEST` wide: training may narrow one again."""
    for layer in network.layers:
        found = range_of(layer)
        if found is not None:
            set_range(layer, *found)


def _range_variables(layer: Any) -> dict[str, Any]:
    found = {}
    for variable in layer.weights:
        name, _, end = variable.name.split("/")[-1].removesuffix(":0").rpartition("_")
        if name in ("output", "post_activation", layer.name) and end in ("min", "max"):
            found[end] = variable
    return found if len(found) == 2 else {}
