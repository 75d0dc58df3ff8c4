"""Which photo goes to train, val and test: drawn by a keyed hash, class by class, group by group.

Every group of photos that must stay together has a place in an order that its content and the seed
give, and each class is cut in that order where its counts are reached. So the draw depends on
neither names nor the order of files, and more photos move few of the old ones: the cuts hardly do.
"""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from edgedistill.core.group_placement import BlockedError, Counts, Group, PlacedGroups, place_groups
from edgedistill.core.groups import groups_of

CALIB = "calib"
"""What photos are called that are set aside for the threshold alone."""

# 90 * 0.35 is 31.499999999999996 in doubles; the half must still round up.
_ROUNDING_SLACK = 1e-9


class Item(NamedTuple):
    """What the draw looks at: a photo's class, the digest of its pixels, its place, its group.

    Photos of one `group` stay together, and so do photos of one digest; "" is a photo alone.
    """

    label_name: str
    digest: str
    filepath: str
    group: str = ""


class Split(NamedTuple):
    """Positions in the list that was split, ascending, disjoint, together all of it."""

    train: list[int]
    val: list[int]
    test: list[int]


class ClassTooSmallError(ValueError):
    """A class has fewer photos than there are splits to be drawn."""

    def __init__(self, label_name: str, n_photos: int, least: int):
        super().__init__(f"class {label_name!r} has {n_photos} photos; wants {least}")
        self.label_name, self.n_photos, self.least = label_name, n_photos, least


class TooFewGroupsError(ValueError):
    """A class has enough photos, but groups that stay together leave a split without any."""

    def __init__(self, label_name: str, n_photos: int, n_groups: int, least: int):
        super().__init__(f"class {label_name!r} has {n_groups} groups; wants {least} to part")
        self.label_name, self.n_photos = label_name, n_photos
        self.n_groups, self.least = n_groups, least


def split_counts(n_photos: int, val_frac: float, test_frac: float) -> Counts:
    """How many photos of a class are wished for in train, val and test.

    Val and test get their fraction, rounded half up but at least 1; train gets the rest. Where
    that leaves train without any, the larger of val and test (val, if equal) gives one up. A
    fraction of 0 asks for no such split.

    Args:
        n_photos: at least one for each split that is asked for.
        val_frac: in [0, 1).
        test_frac: in [0, 1); of the two, one is above 0 and the sum is below 1.

    Raises:
        ValueError: too few photos, or the fractions are out of range.
    """
    least = 1 + (val_frac > 0) + (test_frac > 0)
    if min(val_frac, test_frac) < 0 or not 0 < val_frac + test_frac < 1:
        raise ValueError(f"fractions must be in [0, 1); got {val_frac} and {test_frac}")
    if n_photos < least:
        raise ValueError(f"n_photos must be at least {least}; got {n_photos}")
    val = max(1, _round_half_up(n_photos * val_frac)) if val_frac else 0
    test = max(1, _round_half_up(n_photos * test_frac)) if test_frac else 0
    while val + test >= n_photos:
        if val >= test:
            val -= 1
        else:
            test -= 1
    return n_photos - val - test, val, test


def stratified_group_split(
    items: Sequence[Item], *, val_frac: float, test_frac: float, seed: int, draw: str = ""
) -> Split:
    """Splits each class in the same shares, without dividing a group.

    A group has a place in [0, 1), by a hash of its content keyed by the seed. Groups of several
    photos go first, to the part that their place lies in: [0, train_frac) is train, and so on; one
    too large for its part goes to train, which it hurts least. Where that overfills a part or
    leaves one without a class, groups are moved, those near a cut first. Then the photos alone, in
    the order of their places, are dealt to what each class still wants: with enough of them the
    counts are exact.

    Args:
        items: the photos, in any order.
        val_frac: share of photos for val, in [0, 1); 0: no val is drawn.
        test_frac: share of photos for test, in [0, 1); 0: no test is drawn.
        seed: at least 0; another seed gives another draw.
        draw: another word gives another draw of the same seed.

    Returns:
        A split with each class in each part that is drawn. Counts differ from `split_counts` by
        less than the largest group, but where a class has so few groups that a large one must go
        to a small part, or where groups hold many classes.

    Raises:
        ClassTooSmallError: the first class by name with fewer photos than parts.
        TooFewGroupsError: the first whose groups cannot be spread over the parts.
        ValueError: the fractions are out of range.
    """
    numbers = group_numbers(items)
    groups = _ordered_groups(items, numbers, f"{seed}{draw}")
    wishes = _wishes(groups, items, val_frac, test_frac)
    try:
        placed = place_groups(groups, wishes, (1 - val_frac - test_frac, 1 - test_frac))
    except BlockedError as error:
        raise _too_few_groups(error.label_name, groups, wishes) from None
    split = Split([], [], [])
    for group, part in zip(placed.groups, placed.parts, strict=True):
        split[part].extend(group.rows)
    _deal(split, placed, [group for group in groups if len(group.rows) == 1])
    return Split(*(sorted(rows) for rows in split))


def group_numbers(items: Sequence[Item]) -> list[int]:
    """The group of each photo as a number: equal where photos share a group or a digest."""
    first_of: dict[tuple[str, str], int] = {}
    pairs = []
    for row, item in enumerate(items):
        names = [("digest", item.digest)] + ([("group", item.group)] if item.group else [])
        pairs += [(first_of.setdefault(name, row), row) for name in names]
    numbers: list[int] = groups_of(len(items), np.array(pairs, np.int64).reshape(-1, 2)).tolist()
    return numbers


def honoured_split(
    items: Sequence[Item], parts: Sequence[str], *, val_frac: float, test_frac: float, seed: int
) -> Split:
    """A split that was made already, kept as it is; what it lacks is drawn from its train.

    What shares of train it draws, `shares_of_train` tells.

    Args:
        items: the photos, in any order.
        parts: "train", "val", "test" or "calib" of each; the last are in no part of the result.
        val_frac: share of photos for val, in (0, 1).
        test_frac: share of photos for test, in (0, 1).
        seed: at least 0.

    Raises:
        ClassTooSmallError: of a class, train has no photo, or too few for what is drawn from it.
        TooFewGroupsError: groups within train leave a drawn part without a class.
        ValueError: a part has another name.
    """
    names = (*Split._fields, CALIB)
    *divided, calib = ([i for i, part in enumerate(parts) if part == name] for name in names)
    given = Split(*divided)
    if sum(map(len, given)) + len(calib) != len(items):
        raise ValueError(f"parts must be {names}, one a photo; got {sorted(set(parts))}")
    n_train = Counter(items[row].label_name for row in given.train)
    for label in sorted({item.label_name for item in items}):
        if not n_train[label]:
            raise ClassTooSmallError(label, 0, 1 + (not given.val) + (not given.test))
    if given.val and given.test:
        return given
    shares = shares_of_train(set(parts), val_frac, test_frac)
    pool = _pool(items, given.train)
    drawn = stratified_group_split(pool, val_frac=shares[0], test_frac=shares[1], seed=seed)
    train, val, test = ([given.train[i] for i in rows] for rows in drawn)
    return Split(train, given.val or val, given.test or test)


def set_aside(
    items: Sequence[Item], train: Sequence[int], *, share: float, seed: int
) -> tuple[list[int], list[int]]:
    """Takes a share of train away, each class in the same share, groups whole.

    The draw is another one than that of the split: of the same, train would hold only the photos
    whose places are the first, and no group would ever be set aside.

    Args:
        items: all photos; they tell what belongs together.
        train: positions of those in train, ascending.
        share: of train, in (0, 1).
        seed: at least 0.

    Returns:
        Positions that stay in train, and those set aside, ascending.

    Raises:
        ClassTooSmallError: train has fewer than 2 photos of a class.
        TooFewGroupsError: it has no two groups of a class that can be parted.
    """
    pool = _pool(items, train)
    drawn = stratified_group_split(pool, val_frac=share, test_frac=0.0, seed=seed, draw=CALIB)
    return [train[i] for i in drawn.train], [train[i] for i in drawn.val]


def _pool(items: Sequence[Item], rows: Sequence[int]) -> list[Item]:
    """Some of the photos: two may belong together by way of one that is not among them."""
    numbers = group_numbers(items)
    return [items[row]._replace(group=str(numbers[row])) for row in rows]


def shares_of_train(
    given: Container[str], val_frac: float, test_frac: float
) -> tuple[float, float]:
    """What shares of a given train its missing val and test get; 0 for one that is there.

    Between the parts that are drawn, the proportions are those of the fractions: a missing val
    gets val_frac / (train_frac + val_frac), a missing test test_frac / (train_frac + test_frac);
    where both are missing, each gets its fraction.

    Args:
        given: the names of the parts that are there.
        val_frac: in (0, 1).
        test_frac: in (0, 1).
    """
    whole = 1 - ("val" in given) * val_frac - ("test" in given) * test_frac
    return ("val" not in given) * val_frac / whole, ("test" not in given) * test_frac / whole


def _round_half_up(value: float) -> int:
    return math.floor(value + 0.5 + _ROUNDING_SLACK)


def _keyed_hash(digest: str, key: str) -> bytes:
    return hashlib.blake2b(digest.encode("utf-8"), key=key.encode("ascii"), digest_size=16).digest()


def _ordered_groups(items: Sequence[Item], numbers: Sequence[int], key: str) -> list[Group]:
    """All groups in the order of the draw.

    A group stands where its photo of the smallest digest would. A photo that joins k others has
    the smallest one time in k + 1; the group then gets another place, and may change its part. The
    smallest keyed hash would not do: the larger a group, the further to the front (train).
    """
    rows_of: dict[int, list[int]] = defaultdict(list)
    for row, number in enumerate(numbers):
        rows_of[number].append(row)
    keyed = []
    for rows in rows_of.values():
        n_of = Counter(items[row].label_name for row in rows)
        place = _keyed_hash(min(items[row].digest for row in rows), key)
        keyed.append((place, Group(_fraction(place), rows, dict(n_of))))
    return [group for _, group in sorted(keyed, key=lambda pair: pair[0])]


def _fraction(key: bytes) -> float:
    return int.from_bytes(key[:6], "big") / 2**48


def _wishes(
    groups: Iterable[Group], items: Iterable[Item], val_frac: float, test_frac: float
) -> dict[str, Counts]:
    least = 1 + (val_frac > 0) + (test_frac > 0)
    n_photos = Counter(item.label_name for item in items)
    n_groups = Counter(label for group in groups for label in group.n_of)
    for label, n in sorted(n_photos.items()):
        if n < least:
            raise ClassTooSmallError(label, n, least)
        if n_groups[label] < least:
            raise TooFewGroupsError(label, n, n_groups[label], least)
    return {label: split_counts(n, val_frac, test_frac) for label, n in n_photos.items()}


def _too_few_groups(
    label: str, groups: Iterable[Group], wishes: dict[str, Counts]
) -> TooFewGroupsError:
    n_groups = sum(label in group.n_of for group in groups)
    least = sum(n > 0 for n in wishes[label])
    return TooFewGroupsError(label, sum(wishes[label]), n_groups, least)


def _deal(split: Split, placed: PlacedGroups, alone: Sequence[Group]) -> None:
    """Gives the photos alone of each class, in their order, to what its parts still want."""
    rows_of: dict[str, list[int]] = defaultdict(list)
    for group in alone:
        rows_of[next(iter(group.n_of))] += group.rows
    for label, rows in rows_of.items():
        start = 0
        shares = _shares(len(rows), placed.filled[label], placed.wishes[label])
        for part, n in zip(split, shares, strict=True):
            part.extend(rows[start : start + n])
            start += n


def _shares(n_alone: int, filled: Sequence[int], wishes: Sequence[int]) -> list[int]:
    """What each part gets of the photos alone: its want, or less in proportion, none left empty."""
    shares = [int(wish > 0 and have == 0) for have, wish in zip(filled, wishes, strict=True)]
    wants = [max(0, w - have - s) for have, w, s in zip(filled, wishes, shares, strict=True)]
    left, wanted = n_alone - sum(shares), sum(wants)
    given = asked = 0
    for part, want in enumerate(wants):
        asked += want
        share = _round_half_up(left * asked / wanted) - given if wanted else 0
        shares[part] += share
        given += share
    return shares
