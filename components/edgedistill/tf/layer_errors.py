"""What quantisation does to each layer: its output in the int8 file against the float network.

Two ratios of signal to noise, both in decibel. One is against the float network as a whole: it
holds all the noise that has come down to the layer. The other is against the layer's float
computation on the very values that the file's operator was given: it holds only what this operator
adds, by rounded weights, a clipped range or a coarse scale. The second tells which layers to blame.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from edgedistill.core.layer_error import LayerError
from edgedistill.errors import ExportError
from edgedistill.pixels import PackedPixels
from edgedistill.tf.flatbuffer import operator_names
from edgedistill.tf.interpreter import quantisation_table
from edgedistill.tf.network_places import Place, places_of
from edgedistill.tf.quiet import quiet_native_code
from edgedistill.tf.runtime import tf

# Of a layer whose float output is 0 everywhere, where the ratio would be minus infinity.
_LOWEST_DB = -100.0


def layer_errors(
    model: bytes, network: Any, pixels: PackedPixels, rows: NDArray[np.int64]
) -> list[LayerError]:
    """Measures each operator of an int8 file against the float network, in the graph's order.

    After quantisation-aware training the file's weights have also been trained on: the difference
    from the float network's is noise here too.

    Args:
        model: a full-integer file made from `network`, with or without training in between; its
            input int8 or uint8.
        network: the float student.
        pixels: letterboxed photos.
        rows: which of them to measure on; 32 are plenty, as each layer has thousands of values.

    Returns:
        One entry an operator of the file.

    Raises:
        ExportError: an operator of the file has no counterpart in the network.
        ValueError: `rows` is empty.
    """
    if len(rows) == 0:
        raise ValueError("layer errors need at least one photo")
    places = places_of(network)
    operators = _match(model, places)
    with quiet_native_code():
        runner = _PreservingRunner(model, operators)
    sums = _noise_sums(places, operators)
    total = np.zeros((len(operators), 4))
    for row in rows:
        image = pixels.row(int(row))
        total += sums(image[None].astype(np.float32), *runner.run(image)).numpy()
    return [
        LayerError(o.place.name, o.place.operator, _decibel(*of[:2]), _decibel(*of[2:]))
        for o, of in zip(operators, total.tolist(), strict=True)
    ]


def _decibel(signal: float, noise: float) -> float | None:
    if noise == 0:
        return None
    return max(_LOWEST_DB, 10 * math.log10(signal / noise)) if signal > 0 else _LOWEST_DB


def _noise_sums(places: Sequence[Place], operators: Sequence["_Operator"]) -> Any:
    """A graph: an image, the file's input and outputs in, four sums for each operator out.

    They are the squares of the float network's output and of its noise in the file, then the
    squares of the layer's float output for what the file gave it and of the noise against that.
    """
    entry_name = places[0].name

    def sums(image: Any, entry: Any, *outputs: Any) -> Any:
        exact = {entry_name: image}
        for place in places[1:]:
            exact[place.name] = place.apply([exact[name] for name in place.sources])
        in_file = {entry_name: entry}
        rows = []
        for operator, integers in zip(operators, outputs, strict=True):
            place = operator.place
            own = place.apply([in_file[name] for name in place.sources or (entry_name,)])
            value = operator.scale * (tf.cast(integers, tf.float32) - operator.zero_point)
            in_file[place.name] = value
            of_network = exact[place.name]
            rows.append([of_network, of_network - value, own, own - value])
        return tf.stack([[tf.reduce_sum(tf.square(x)) for x in row] for row in rows])

    return tf.function(sums, autograph=False)


@dataclass(frozen=True)
class _Operator:
    """An operator of the file: its place in the network and the number of its output tensor."""

    place: Place
    output: int
    scale: float
    zero_point: int


def _match(model: bytes, places: Sequence[Place]) -> list[_Operator]:
    """Finds the place of each operator: of its kind, fed by the same places, not yet taken."""
    parsed = schema.ModelT.InitFromPackedBuf(model, 0)
    graph, names = parsed.subgraphs[0], operator_names(parsed)
    place_of_tensor = {int(graph.inputs[0]): places[0].name}
    free = list(places)
    operators = []
    for operator in graph.operators:
        kind = names[operator.opcodeIndex]
        sources = [place_of_tensor[i] for i in operator.inputs if i in place_of_tensor]
        (output,) = (int(i) for i in operator.outputs)
        shape = tuple(graph.tensors[output].shape[1:])
        place = next((p for p in free if _is_place(p, kind, sources, shape)), None)
        if place is None:
            fed_by = " and ".join(sources) or "constants"
            raise ExportError(f"the file's {kind} after {fed_by} is no layer of the network.")
        free.remove(place)
        place_of_tensor[output] = place.name
        quantisation = graph.tensors[output].quantization
        operators.append(
            _Operator(place, output, float(quantisation.scale[0]), int(quantisation.zeroPoint[0]))
        )
    return operators


def _is_place(place: Place, kind: str, sources: Sequence[str], shape: tuple[int, ...]) -> bool:
    if (place.operator, place.shape) != (kind, shape):
        return False
    # The converter may swap the two sides of an addition.
    return sorted(place.sources or (place.name,)) == sorted(sources)


class _PreservingRunner:
    """Runs the file and keeps every operator's output."""

    def __init__(self, model: bytes, operators: Sequence[_Operator]):
        self._interpreter: Any = Interpreter(
            model_content=model,
            experimental_preserve_all_tensors=True,
            # XNNPACK would keep what lies between its operators to itself.
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        self._interpreter.allocate_tensors()
        (self._entry,) = self._interpreter.get_input_details()
        self._quantised = quantisation_table(self._entry)
        self._outputs = [operator.output for operator in operators]

    def run(self, image: NDArray[np.uint8]) -> list[NDArray[Any]]:
        """For one image: the input's values as the file has them, then each operator's integers."""
        scale, zero_point = self._entry["quantization"]
        levels = self._quantised[image[None]]
        self._interpreter.set_tensor(self._entry["index"], levels)
        self._interpreter.invoke()
        entry = ((levels.astype(np.float32) - zero_point) * scale).astype(np.float32)
        return [entry, *(self._interpreter.get_tensor(i) for i in self._outputs)]
