"""Parts of a set of photos that one may look at by themselves: by a number, or by a name."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OTHERS = "(others)"


@dataclass(frozen=True)
class Slice:
    """Some of the photos: what they have in common, and their indices, ascending, at least one."""

    name: str
    rows: NDArray[np.int64]


def slices_by_number(
    values: NDArray[np.floating] | NDArray[np.integer], *, digits: int = 0, unit: str = ""
) -> list[Slice]:
    """The photos in thirds by a number, lowest first; equal numbers stay together.

    Args:
        values: shape (n,), finite: a length, a brightness.
        digits: decimals of the names.
        unit: written after the names, "px".

    Returns:
        At most three slices, fewer where equal numbers leave no more; each named by its own least
        and greatest number, "240 to 480 px", or by the one number that it holds.

    Raises:
        ValueError: not (n,), n is 0, or a number is not finite.
    """
    if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all():
        raise ValueError(f"values must be finite and (n,), n > 0; got shape {values.shape}")
    n_photos = len(values)
    ranked = np.sort(values)
    # The greatest number of the first and the second third, which hold at least n / 3 and 2 n / 3.
    upper = ranked[[-(-n_photos // 3) - 1, -(-2 * n_photos // 3) - 1]]
    third = np.searchsorted(upper, values, side="left")
    parts = (np.flatnonzero(third == k) for k in range(3))
    return [Slice(_range_name(values[rows], digits, unit), rows) for rows in parts if len(rows)]


def slices_by_name(names: Sequence[str], *, most: int = 10) -> list[Slice]:
    """The photos by a name that they share, such as their folder's; most photos first.

    Args:
        names: of each photo.
        most: slices to name; the photos of all other names are the last slice, `OTHERS`.

    Returns:
        At most `most` + 1 slices; names of as many photos in the order of their letters.

    Raises:
        ValueError: there is no name, or `most` is below 1.
    """
    if not names or most < 1:
        raise ValueError(f"names must be at least 1 and so must most; got {len(names)} and {most}")
    count = Counter(names)
    shown = sorted(count, key=lambda name: (-count[name], name))[:most]
    place = {name: k for k, name in enumerate(shown)}
    places = np.array([place.get(name, most) for name in names])
    slices = [Slice(name, np.flatnonzero(places == k)) for name, k in place.items()]
    return [*slices, Slice(OTHERS, np.flatnonzero(places == most))][: len(set(places.tolist()))]


def _range_name(values: NDArray[np.generic], digits: int, unit: str) -> str:
    least, greatest = (f"{float(value):.{digits}f}" for value in (values.min(), values.max()))
    numbers = least if least == greatest else f"{least} to {greatest}"
    return f"{numbers} {unit}".rstrip()
