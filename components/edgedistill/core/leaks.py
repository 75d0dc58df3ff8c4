"""What leaks from train into test where groups are divided, or would be."""

from collections import Counter
from collections.abc import Iterable, Sequence

from edgedistill.core.splits import Item, Split


def leaked_rows(numbers: Sequence[int], split: Split, calib: Sequence[int] = ()) -> list[int]:
    """Photos of test with another of their group in train, val or calib.

    Args:
        numbers: the group of each photo, of `group_numbers`.
        split: positions in the same list.
        calib: those of the photos that the threshold is chosen on, where they are not val's.
    """
    known = {numbers[row] for rows in (split.train, split.val, calib) for row in rows}
    return [row for row in split.test if numbers[row] in known]


def divided_groups(numbers: Sequence[int], parts: Iterable[Sequence[int]]) -> set[int]:
    """The numbers of the groups with photos in more than one part."""
    seen: set[int] = set()
    divided: set[int] = set()
    for rows in parts:
        here = {numbers[row] for row in rows}
        divided |= here & seen
        seen |= here
    return divided


def alone(items: Sequence[Item], parts: Sequence[str] = ()) -> list[Item]:
    """The same photos as if each were alone: to see what a draw without groups would do.

    Of photos of one digest, one keeps it: what repeats nothing is drawn as before. The others get
    a number, by part and class: their names and places have no say.

    Args:
        items: the photos, in any order.
        parts: the part of each that was given; empty where none was.
    """
    given = parts or [""] * len(items)
    n_seen: Counter[str] = Counter()
    parted = [item._replace(group="") for item in items]
    for row in sorted(range(len(items)), key=lambda row: (given[row], items[row].label_name)):
        digest = items[row].digest
        if n_seen[digest]:
            parted[row] = parted[row]._replace(digest=f"{digest} {n_seen[digest]}")
        n_seen[digest] += 1
    return parted
