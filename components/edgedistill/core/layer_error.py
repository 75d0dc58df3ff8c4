"""What quantisation does to one layer, and which layers are to blame for what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class LayerError:
    """One operator of the file against the float layer of the same place.

    `sqnr_db`: 10 log10(sum(float ** 2) / sum((float - file) ** 2)) over all values of all photos;
    None: there is no noise at all. `own_sqnr_db`: the same with "float" computed from the values
    that the operator was given in the file, so that noise from layers before it does not count.
    """

    layer: str
    operator: str
    sqnr_db: float | None
    own_sqnr_db: float | None


def worst_layers(errors: Sequence[LayerError], n: int = 3) -> list[LayerError]:
    """The layers that add most noise of their own: lowest `own_sqnr_db` first, at most `n`.

    Not the lowest `sqnr_db`: noise adds up on its way, and the last layers would be blamed for it.
    """
    noisy = [error for error in errors if error.own_sqnr_db is not None]
    return sorted(noisy, key=lambda error: error.own_sqnr_db or 0.0)[:n]
