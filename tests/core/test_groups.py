"""Connected pairs."""

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from edgedistill.core.groups import groups_of


def test_groups_are_the_connected_components_named_by_their_smallest_row():
    pairs = np.random.default_rng(4).integers(0, 1_000, (600, 2))
    _, expected = connected_components(
        coo_matrix((np.ones(600), (pairs[:, 0], pairs[:, 1])), (1_000, 1_000)), directed=False
    )
    smallest = [int(np.flatnonzero(expected == label)[0]) for label in expected]
    assert groups_of(1_000, pairs).tolist() == smallest


def test_rows_without_pairs_are_groups_of_their_own():
    assert groups_of(3, np.zeros((0, 2), np.int64)).tolist() == [0, 1, 2]


@pytest.mark.parametrize("pair", [(0, 3), (-1, 0)])
def test_pairs_outside_the_rows_are_refused(pair: tuple[int, int]):
    with pytest.raises(ValueError, match="pairs must name rows below 3"):
        groups_of(3, np.array([pair]))
