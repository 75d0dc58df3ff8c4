"""Which photos are worth comparing: those whose signs of low frequencies are nearly the same.

A sorted neighbourhood over signs (multi-probe locality-sensitive hashing, Lv et al. 2007): the
signs of a photo's lowest frequencies, read in several orders, are keys; a photo also enters under
the keys in which its least certain signs are turned. The keys of all are sorted, and each is
compared with the few next to it, however many share a key.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.perceptual import TURNED_BY_MIRROR, coefficients, mirrored

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
CHUNK = 1 << 14
"""Photos that are worked on at once: memory for more buys no time."""
_ALTERNATE: Final = np.array(
    [0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F], np.uint64
)

# Every table reads the signs of the same 48 low frequencies, in another order.
_EVEN, _ODD = [*range(0, 2 * _LEAD, 2)], [*range(1, 2 * _LEAD, 2)]
_ORDERS: Final = [order[:_KEY_BITS] for order in ([*range(2 * _LEAD)], _EVEN + _ODD, _ODD + _EVEN)]

Fingerprints = NDArray[np.uint8]
Bits = NDArray[np.uint64]


def candidates(fingerprints: Fingerprints) -> tuple[Bits, NDArray[np.float64]]:
    """Pairs of places worth comparing, each once, and how far their low frequencies agree.

    Args:
        fingerprints: shape (n, 299), n at most `MOST_PHOTOS`, all comparable.

    Returns:
        For each pair its 64 bits, which `unpacked` takes apart, and the cosine between the low
        frequencies of the two, both of shape (m,).
    """
    values = coefficients(fingerprints)
    upright = _packed_signs(values, range(_SKETCH_BITS))
    sketches = np.stack([upright, upright ^ _mirror_mask(range(_SKETCH_BITS))], axis=1)
    found, correlations = [np.zeros(0, np.uint64)], [np.zeros(0)]
    for order in _ORDERS:
        entries = _entries(values, order)
        entries.sort()
        near = [np.zeros(0, np.uint64)]
        for start in range(0, len(entries), CHUNK):
            chunk = entries[start : start + CHUNK + _NEIGHBOURS]
            near.append(np.unique(np.concatenate(list(_neighbours(chunk, sketches)))))
        codes = np.unique(np.concatenate(near))
        for start in range(0, len(codes), CHUNK):
            some = codes[start : start + CHUNK]
            correlation = _correlation(*oriented(fingerprints, *unpacked(some)))
            found.append(some[correlation >= _LEAST_CORRELATION])
            correlations.append(correlation[correlation >= _LEAST_CORRELATION])
    distinct, places = np.unique(np.concatenate(found), return_index=True)
    return distinct, np.concatenate(correlations)[places]


def unpacked(
    codes: Bits,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Two places and whether the second is mirrored, shape (m,) each, from candidates' bits."""
    places = codes.astype(np.int64)
    mask = 2**_ROW_BITS - 1
    return places >> (_ROW_BITS + 1), (places >> 1) & mask, (places & 1).astype(np.bool_)


def oriented(
    fingerprints: Fingerprints,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    turned: NDArray[np.bool_],
) -> tuple[Fingerprints, Fingerprints]:
    """The fingerprints of pairs of rows, the second as its mirror image where `turned`."""
    first, second = fingerprints[low], fingerprints[high]
    second[turned] = mirrored(second[turned])
    return first, second


def _correlation(first: Fingerprints, second: Fingerprints) -> NDArray[np.float64]:
    """Cosine between the low frequencies of each row; the sums are of integers below 2**21."""
    a = coefficients(first)[:, :_COMPARED].astype(np.int32)
    b = coefficients(second)[:, :_COMPARED].astype(np.int32)
    squares = (a * a).sum(axis=1) * 1.0 * (b * b).sum(axis=1)
    cosine: NDArray[np.float64] = (a * b).sum(axis=1) / np.sqrt(np.maximum(squares, 1))
    return cosine


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
    for start in range(0, len(values), CHUNK):
        chunk = values[start : start + CHUNK]
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
