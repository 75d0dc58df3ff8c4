"""What belongs together, from pairs of which each says that two do."""

import numpy as np
from numpy.typing import NDArray


def groups_of(n: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """The group of each of n rows: the smallest row that pairs connect it with, shape (n,).

    Args:
        n: number of rows.
        pairs: shape (m, 2), rows that belong together.

    Raises:
        ValueError: a pair names a row outside 0 .. n - 1.
    """
    if len(pairs) and (pairs.min() < 0 or pairs.max() >= n):
        raise ValueError(f"pairs must name rows below {n}; got {pairs.min()} .. {pairs.max()}")
    parent = list(range(n))
    for first, second in pairs.tolist():
        low, high = sorted((_root(parent, first), _root(parent, second)))
        parent[high] = low
    return np.array([_root(parent, row) for row in range(n)], np.int64)


def _root(parent: list[int], row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row
