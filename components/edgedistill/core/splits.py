"""Which photo goes to train, val and test: drawn by a keyed hash, class by class."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

LEAST_PHOTOS = 3
"""A class needs one photo in each split."""

# 90 * 0.35 is 31.499999999999996 in doubles; the half must still round up.
_ROUNDING_SLACK = 1e-9


class Item(NamedTuple):
    """What the draw looks at: a photo's class, the digest of its pixels, and its place."""

    label_name: str
    digest: str
    filepath: str


class Split(NamedTuple):
    """Positions in the list that was split, ascending, disjoint, together all of it."""

    train: list[int]
    val: list[int]
    test: list[int]


class ClassTooSmallError(ValueError):
    """A class has fewer photos than there are splits."""

    def __init__(self, label_name: str, n_photos: int):
        super().__init__(f"class {label_name!r} has {n_photos} photos; wants {LEAST_PHOTOS}")
        self.label_name = label_name
        self.n_photos = n_photos


def split_counts(n_photos: int, val_frac: float, test_frac: float) -> tuple[int, int, int]:
    """How many photos of a class go to train, val and test.

    Val and test get their fraction, rounded half up but at least 1; train gets the rest. Where
    that leaves train without any, the larger of val and test (val, if equal) gives one up.

    Args:
        n_photos: at least 3.
        val_frac: in (0, 1).
        test_frac: in (0, 1), with `val_frac` below 1.

    Raises:
        ValueError: fewer than 3 photos, or the fractions are out of range.
    """
    if n_photos < LEAST_PHOTOS:
        raise ValueError(f"n_photos must be at least {LEAST_PHOTOS}; got {n_photos}")
    if min(val_frac, test_frac) <= 0 or val_frac + test_frac >= 1:
        raise ValueError(f"fractions must be in (0, 1); got {val_frac} and {test_frac}")
    val = max(1, _round_half_up(n_photos * val_frac))
    test = max(1, _round_half_up(n_photos * test_frac))
    while val + test >= n_photos:
        if val >= test:
            val -= 1
        else:
            test -= 1
    return n_photos - val - test, val, test


def stratified_split(
    items: Sequence[Item], *, val_frac: float, test_frac: float, seed: int
) -> Split:
    """Splits each class by itself, so that every class is in every split.

    Within a class the photos are put in the order of a hash of their pixels, keyed by the seed:
    the result does not depend on the order of `items`, nor on file names unless two photos are
    the same. Such photos stand next to each other, so that each of the two cuts of a class parts
    one group of them at most.

    Args:
        items: the photos, in any order.
        val_frac: share of photos for val, in (0, 1).
        test_frac: share of photos for test, in (0, 1).
        seed: at least 0; another seed gives another draw.

    Raises:
        ClassTooSmallError: a class has fewer than 3 photos; the first such class by name is told.
        ValueError: the fractions are out of range.
    """
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, item in enumerate(items):
        rows_of[item.label_name].append(row)
    split = Split([], [], [])
    for label_name, rows in sorted(rows_of.items()):
        if len(rows) < LEAST_PHOTOS:
            raise ClassTooSmallError(label_name, len(rows))
        rows.sort(key=lambda row: (_keyed_hash(items[row].digest, seed), items[row].filepath))
        n_train, n_val, _ = split_counts(len(rows), val_frac, test_frac)
        split.train.extend(rows[:n_train])
        split.val.extend(rows[n_train : n_train + n_val])
        split.test.extend(rows[n_train + n_val :])
    return Split(*(sorted(rows) for rows in split))


def _round_half_up(value: float) -> int:
    return math.floor(value + 0.5 + _ROUNDING_SLACK)


def _keyed_hash(digest: str, seed: int) -> bytes:
    key = str(seed).encode("ascii")
    return hashlib.blake2b(digest.encode("ascii"), key=key, digest_size=16).digest()
