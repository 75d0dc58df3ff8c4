"""Which photos of a collection are the same picture again, in time that grows like n log n.

`core.sign_index` tells which pairs are worth comparing; here they are compared, and connected. Ten
thousand photos that are almost equal cost ten thousand times a constant, and still hang together in
chains.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.groups import groups_of
from edgedistill.core.perceptual import N_BYTES, comparable, likeness
from edgedistill.core.sign_index import (
    CHUNK,
    MOST_PHOTOS,
    Bits,
    Fingerprints,
    candidates,
    oriented,
    unpacked,
)

LEAST_LIKENESS = 0.88
"""Chosen from `tests/benchmarks/near_duplicate_curve.py`, on TrashNet | a set of clothes.

Chosen on one draw of 400 originals each, then checked on another draw. In the second one at least
0.988 | 0.998 of the copies that were resized, re-encoded or changed in tone are found, 0.87 | 0.83
of those that lost 5 % of each axis and 0.28 | 0.14 of those that lost 10 %; 0.997 | 0.997 of the
reported pairs are right. Of the originals alone 32 | 2 pairs are reported, no group above 2. At
0.875 the clothes' precision was 0.988: plain T-shirts on one background begin to be taken for one
picture. The look-alikes were the same in both draws, so precision has not been seen on others.
"""

# The full comparison is dear (0.1 ms). Of a photo's candidates the nearest 2 among the photos
# before it (in the order of bytes) and the nearest 2 after it are compared, then up to 8 of each
# with photos it is not yet grouped with. Bursts are thus connected early, and look-alikes by the
# thousand cost no more than this.
_ROUNDS = (2, 8)


class NearDuplicates(NamedTuple):
    """Pairs of rows, and how alike each pair is."""

    pairs: NDArray[np.int64]
    """Shape (m, 2), ascending, the smaller row first."""
    likeness: NDArray[np.float64]
    """Shape (m,), in (0, 1]."""


def near_duplicate_pairs(
    fingerprints: Fingerprints, *, least_likeness: float = LEAST_LIKENESS
) -> NearDuplicates:
    """The pairs of photos that show one picture: resized, re-encoded, cropped a little, mirrored.

    Not every pair of a large set of equal photos is listed, but enough of them to connect the set.
    The pairs do not depend on the order of the photos, but for the rows' numbers.

    Args:
        fingerprints: shape (n, 299), from `perceptual_fingerprint`; those that are all zero are
            in no pair.
        least_likeness: pairs below it are left out, in (0, 1].

    Raises:
        ValueError: another shape or type, or more than 2**20 different photos.
    """
    if fingerprints.dtype != np.uint8 or fingerprints.shape[1:] != (N_BYTES,):
        raise ValueError(f"fingerprints must be uint8 (n, {N_BYTES}); got {fingerprints.shape}")
    rows = np.flatnonzero(comparable(fingerprints))
    rows = rows[_sorted_order(fingerprints[rows])]
    leader = _leaders(fingerprints, rows)
    distinct = rows[leader == np.arange(len(rows))]
    if len(distinct) > MOST_PHOTOS:
        raise ValueError(f"at most {MOST_PHOTOS} different photos; got {len(distinct)}")
    low, high, scores = _alike(fingerprints[distinct], least_likeness)
    equal = np.flatnonzero(leader != np.arange(len(rows)))
    first = np.concatenate([rows[leader[equal]], distinct[low]])
    second = np.concatenate([rows[equal], distinct[high]])
    return _tidy(first, second, np.concatenate([np.ones(len(equal)), scores]))


def _sorted_order(fingerprints: Fingerprints) -> NDArray[np.int64]:
    """Rows in the order of their bytes: the same for the same photos, whatever their names."""
    whole = np.ascontiguousarray(fingerprints).view(np.dtype((np.void, N_BYTES))).ravel()
    return np.argsort(whole, kind="stable")


def _leaders(fingerprints: Fingerprints, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each of the sorted rows, the place of the first row with the same fingerprint."""
    new = np.ones(len(rows), np.bool_)
    for start in range(1, len(rows), CHUNK):
        here = rows[start : start + CHUNK]
        before = rows[start - 1 : start - 1 + len(here)]
        changed = (fingerprints[here] != fingerprints[before]).any(axis=1)
        new[start : start + len(here)] = changed
    return np.maximum.accumulate(np.where(new, np.arange(len(rows)), 0))


def _tidy(
    first: NDArray[np.int64], second: NDArray[np.int64], scores: NDArray[np.float64]
) -> NearDuplicates:
    """Each pair once, with its better likeness, the smaller row first, in ascending order."""
    pairs = np.stack([np.minimum(first, second), np.maximum(first, second)], axis=1)
    order = np.lexsort([-scores, pairs[:, 1], pairs[:, 0]])
    pairs, scores = pairs[order], scores[order]
    kept = np.ones(len(pairs), np.bool_)
    kept[1:] = (pairs[1:] != pairs[:-1]).any(axis=1)
    return NearDuplicates(pairs[kept], scores[kept])


def _alike(
    fingerprints: Fingerprints, least_likeness: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Pairs of different fingerprints, sorted by bytes, and how alike they are."""
    codes, correlation = candidates(fingerprints)
    low, high, turned = unpacked(codes)
    rank = np.minimum(_rank(low, correlation, codes), _rank(high, correlation, codes))
    group = np.arange(len(fingerprints))
    found = np.zeros(0, np.int64)
    scores = np.zeros(0)
    for previous, most in zip((0, *_ROUNDS[:-1]), _ROUNDS, strict=True):
        chosen = (rank >= previous) & (rank < most) & (group[low] != group[high])
        tried = np.flatnonzero(chosen)
        score = _likeness_of(fingerprints, low[tried], high[tried], turned[tried])
        kept = score >= least_likeness
        found = np.concatenate([found, tried[kept]])
        scores = np.concatenate([scores, score[kept]])
        group = groups_of(len(group), np.stack([low[found], high[found]], axis=1))
    return low[found], high[found], scores


def _likeness_of(
    fingerprints: Fingerprints,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    turned: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """`likeness` of pairs of rows, the second as its mirror image where `turned`."""
    scores = np.zeros(len(low))
    for start in range(0, len(low), CHUNK):
        here = slice(start, start + CHUNK)
        scores[here] = likeness(*oriented(fingerprints, low[here], high[here], turned[here]))
    return scores


def _rank(
    row: NDArray[np.int64], correlation: NDArray[np.float64], codes: Bits
) -> NDArray[np.int64]:
    """The place of each candidate among those of its row, the nearest first."""
    order = np.lexsort([codes, -correlation, row])
    starts = np.searchsorted(row[order], row[order])
    rank = np.empty(len(row), np.int64)
    rank[order] = np.arange(len(row)) - starts
    return rank
