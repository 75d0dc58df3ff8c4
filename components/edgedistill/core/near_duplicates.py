"""Which photos of a collection are the same picture again, in time that grows like n log n.

The index is a sorted neighbourhood over signs (multi-probe locality-sensitive hashing, Lv et al.
2007): the signs of a photo's lowest frequencies, read in several orders, are keys; a photo also
enters under the keys in which its least certain signs are turned. The keys of all are sorted, and
each is compared with the few next to it, however many share a key. Ten thousand photos that are
almost equal thus cost ten thousand times a constant, and still hang together in chains.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.groups import groups_of
from edgedistill.core.perceptual import (
    N_BYTES,
    TURNED_BY_MIRROR,
    coefficients,
    comparable,
    likeness,
    mirrored,
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

MOST_PHOTOS = 2**20
"""More than this many different fingerprints do not fit beside a key into 64 bits."""

_ROW_BITS = 20
_KEY_SHIFT = np.uint64(_ROW_BITS + 1)
_KEY_BITS = 63 - _ROW_BITS  # and one bit says whether the entry is of the mirror image
_LEAD = 24  # the first bits of a key, which decide where it stands among a million
_TURNED = 5  # of the leading signs, the least certain: 2**5 keys a photo and table
_TURNED_MIRRORED = 3
_NEIGHBOURS = 4

# Gates before the full comparison, seen on 800 real photos: of the copies cropped by 5 % that it
# accepts, 1 % have more than 17 of 64 signs apart, and 1 % a correlation below 0.66.
_SKETCH_BITS = 64
_MOST_SIGNS_APART = 18
_COMPARED = 120
_LEAST_CORRELATION = 0.6
# The full comparison is dear (0.1 ms). Of a photo's candidates the nearest 2 among the photos
# before it (in the order of bytes) and the nearest 2 after it are compared, then up to 8 of each
# with photos it is not yet grouped with. Bursts are thus connected early, and look-alikes by the
# thousand cost no more than this.
_ROUNDS = (2, 8)

_CHUNK = 1 << 14
_ALTERNATE: Final = np.array(
    [0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F], np.uint64
)

# Every table reads the signs of the same 48 low frequencies, in another order.
_EVEN, _ODD = [*range(0, 2 * _LEAD, 2)], [*range(1, 2 * _LEAD, 2)]
_ORDERS: Final = [order[:_KEY_BITS] for order in ([*range(2 * _LEAD)], _EVEN + _ODD, _ODD + _EVEN)]

Fingerprints = NDArray[np.uint8]
Bits = NDArray[np.uint64]


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
    for start in range(1, len(rows), _CHUNK):
        here = rows[start : start + _CHUNK]
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
    codes, correlation = _candidates(fingerprints)
    low, high, turned = _unpacked(codes)
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
    for start in range(0, len(low), _CHUNK):
        here = slice(start, start + _CHUNK)
        scores[here] = likeness(*_oriented(fingerprints, low[here], high[here], turned[here]))
    return scores


def _oriented(
    fingerprints: Fingerprints,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    turned: NDArray[np.bool_],
) -> tuple[Fingerprints, Fingerprints]:
    first, second = fingerprints[low], fingerprints[high]
    second[turned] = mirrored(second[turned])
    return first, second


def _rank(
    row: NDArray[np.int64], correlation: NDArray[np.float64], codes: Bits
) -> NDArray[np.int64]:
    """The place of each candidate among those of its row, the nearest first."""
    order = np.lexsort([codes, -correlation, row])
    starts = np.searchsorted(row[order], row[order])
    rank = np.empty(len(row), np.int64)
    rank[order] = np.arange(len(row)) - starts
    return rank


def _correlation(first: Fingerprints, second: Fingerprints) -> NDArray[np.float64]:
    """Cosine between the low frequencies of each row; the sums are of integers below 2**21."""
    a = coefficients(first)[:, :_COMPARED].astype(np.int32)
    b = coefficients(second)[:, :_COMPARED].astype(np.int32)
    squares = (a * a).sum(axis=1) * 1.0 * (b * b).sum(axis=1)
    cosine: NDArray[np.float64] = (a * b).sum(axis=1) / np.sqrt(np.maximum(squares, 1))
    return cosine


def _unpacked(
    codes: Bits,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Two places and whether the second is mirrored, from a candidate's 64 bits."""
    places = codes.astype(np.int64)
    mask = 2**_ROW_BITS - 1
    return places >> (_ROW_BITS + 1), (places >> 1) & mask, (places & 1).astype(np.bool_)


def _candidates(fingerprints: Fingerprints) -> tuple[Bits, NDArray[np.float64]]:
    """Pairs of places worth comparing, packed, each once, and the correlation of each."""
    values = coefficients(fingerprints)
    upright = _packed_signs(values, range(_SKETCH_BITS))
    sketches = np.stack([upright, upright ^ _mirror_mask(range(_SKETCH_BITS))], axis=1)
    found, correlations = [np.zeros(0, np.uint64)], [np.zeros(0)]
    for order in _ORDERS:
        entries = _entries(values, order)
        entries.sort()
        near = [np.zeros(0, np.uint64)]
        for start in range(0, len(entries), _CHUNK):
            chunk = entries[start : start + _CHUNK + _NEIGHBOURS]
            near.append(np.unique(np.concatenate(list(_neighbours(chunk, sketches)))))
        codes = np.unique(np.concatenate(near))
        for start in range(0, len(codes), _CHUNK):
            some = codes[start : start + _CHUNK]
            correlation = _correlation(*_oriented(fingerprints, *_unpacked(some)))
            found.append(some[correlation >= _LEAST_CORRELATION])
            correlations.append(correlation[correlation >= _LEAST_CORRELATION])
    distinct, places = np.unique(np.concatenate(found), return_index=True)
    return distinct, np.concatenate(correlations)[places]


def _neighbours(entries: Bits, sketches: Bits) -> Iterator[Bits]:
    """Entries of two photos next to each other in the order, whose sketches are close."""
    mirror = (entries & 1).astype(np.int64)
    place = ((entries >> 1) & (2**_ROW_BITS - 1)).astype(np.int64)
    sketch = sketches[place, mirror]
    for distance in range(1, _NEIGHBOURS + 1):
        apart = _ones(sketch[distance:] ^ sketch[:-distance])
        a, b = place[distance:], place[:-distance]
        turned = mirror[distance:] ^ mirror[:-distance]
        both_mirrored = mirror[distance:] & mirror[:-distance]
        kept = (apart <= _MOST_SIGNS_APART) & (a != b) & (both_mirrored == 0)
        low, high = np.minimum(a, b)[kept], np.maximum(a, b)[kept]
        code = (low << (_ROW_BITS + 1)) | (high << 1) | turned[kept]
        yield code.astype(np.uint64)


def _entries(values: NDArray[np.int8], order: list[int]) -> Bits:
    """Key, place and mirror bit of every photo, for every way of turning its doubtful signs."""
    ways = 2**_TURNED + 2**_TURNED_MIRRORED
    entries = np.empty((len(values), ways), np.uint64)
    for start in range(0, len(values), _CHUNK):
        chunk = values[start : start + _CHUNK]
        key = _packed_signs(chunk, order)
        place = np.arange(start, start + len(chunk), dtype=np.uint64) << np.uint64(1)
        leading = chunk[:, order[:_LEAD]]
        upright = [key ^ turned for turned in _turns(leading, _TURNED)]
        key ^= _mirror_mask(order)
        mirror = [key ^ turned for turned in _turns(leading, _TURNED_MIRRORED)]
        for way, bits in enumerate(upright + mirror):
            low_bits = place | np.uint64(way >= len(upright))
            entries[start : start + len(chunk), way] = (bits << _KEY_SHIFT) | low_bits
    return entries.ravel()


def _turns(leading: NDArray[np.int8], n_turned: int) -> Iterator[Bits]:
    """For each subset of the `n_turned` smallest leading values: the bits of a key it turns."""
    # -128 does not occur, so the absolute value fits.
    doubtful = np.argsort(np.abs(leading), axis=1, kind="stable")[:, :n_turned]
    bits: Bits = np.left_shift(np.uint64(1), (_KEY_BITS - 1 - doubtful).astype(np.uint64))
    for subset in range(2**n_turned):
        turned = np.zeros(len(leading), np.uint64)
        for number in range(n_turned):
            if subset >> number & 1:
                turned ^= bits[:, number]
        yield turned


def _packed_signs(values: NDArray[np.int8], order: Sequence[int]) -> Bits:
    """The signs of these coefficients as one number a photo, the first sign highest."""
    packed = np.zeros(len(values), np.uint64)
    for index in order:
        packed = (packed << np.uint64(1)) | (values[:, index] > 0).astype(np.uint64)
    return packed


def _mirror_mask(order: Sequence[int]) -> np.uint64:
    """The bits of `_packed_signs` that the mirror image has the other way round."""
    return np.uint64(int("".join("01"[int(TURNED_BY_MIRROR[index])] for index in order), 2))


def _ones(words: Bits) -> Bits:
    """Number of ones in each word, by adding neighbouring bits, pairs of bits and so on."""
    one, two, four = np.uint64(1), np.uint64(2), np.uint64(4)
    words = words - ((words >> one) & _ALTERNATE[0])
    words = (words & _ALTERNATE[1]) + ((words >> two) & _ALTERNATE[1])
    words = (words + (words >> four)) & _ALTERNATE[2]
    return (words * np.uint64(0x0101010101010101)) >> np.uint64(56)
