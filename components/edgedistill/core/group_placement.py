"""Groups of several photos, put into parts whole: so that counts come near to what is wished for.

The photos that are alone follow; `core.splits` deals them to what each class still wants.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

# A move that takes ten photos along to mend one costs more of the old split than it gains.
_LEAST_WORTH = 0.25
_STARTS = 8

Counts = tuple[int, int, int]
"""Photos in train, val and test."""


class BlockedError(ValueError):
    """Groups of several classes block each other: no way was found to give each part each class."""

    def __init__(self, label_name: str):
        super().__init__(f"class {label_name!r} is left without a photo in some part")
        self.label_name = label_name


@dataclass(frozen=True)
class Group:
    """Photos that stay together: place in the draw, in [0, 1); positions; photos of each class."""

    place: float
    rows: list[int]
    n_of: dict[str, int]


class _Move(NamedTuple):
    """A group to put elsewhere; the best sorts last.

    `cured`: parts that no longer lack a class. `worth`: photos that are no longer too many, of
    each that moves. `nearness`: 0 where the group lies in its new part, less the farther it is.
    """

    cured: int
    worth: float
    nearness: float
    number: int
    part: int


class PlacedGroups:
    """Groups of several photos, each in a part, and what that leaves for the photos alone."""

    def __init__(
        self,
        groups: Sequence[Group],
        wishes: dict[str, Counts],
        cuts: tuple[float, float],
        turn: float,
    ):
        self.groups, self.wishes, self.cuts = groups, wishes, cuts
        self.parts = [self._start(group, (group.place + turn) % 1) for group in groups]
        self.filled = {label: [0, 0, 0] for label in wishes}
        for group, part in zip(groups, self.parts, strict=True):
            for label, n in group.n_of.items():
                self.filled[label][part] += n
        self.n_alone = {name: sum(wishes[name]) - sum(self.filled[name]) for name in wishes}

    def _start(self, group: Group, place: float) -> int:
        """Where its place lies; in train where it is more than that part wants of some class."""
        part = sum(place >= cut for cut in self.cuts)
        return 0 if any(n > self.wishes[name][part] for name, n in group.n_of.items()) else part

    def lacking_and_overfull(self, label: str) -> tuple[int, int]:
        """Parts that will lack the class, and photos that are too many somewhere."""
        pairs = list(zip(self.filled[label], self.wishes[label], strict=True))
        empty = sum(1 for have, wish in pairs if wish and not have)
        return max(0, empty - self.n_alone[label]), sum(max(0, have - w) for have, w in pairs)

    def mend(self) -> None:
        """Moves groups while that helps, the best move first.

        Each makes fewer parts lack a class, or as many and fewer photos too many: it ends.
        """
        changed = set(self.wishes)
        while changed:
            moves = sorted(self._moves(changed), reverse=True)
            changed = set()
            for move in moves:
                now = self._move(move.number, move.part)
                if now is not None and now >= move:  # others may have moved since
                    self._put(move.number, move.part)
                    changed.update(self.groups[move.number].n_of)

    def _moves(self, changed: set[str]) -> Iterator[_Move]:
        """What helps, among the groups that hold one of these classes."""
        faulty = {label for label in self.wishes if self.lacking_and_overfull(label) != (0, 0)}
        for number, group in enumerate(self.groups):
            if not (faulty.isdisjoint(group.n_of) or changed.isdisjoint(group.n_of)):
                for part in range(3):
                    move = self._move(number, part)
                    if move is not None:
                        yield move

    def _move(self, number: int, part: int) -> _Move | None:
        """That group to that part; None where it does not help."""
        group, old = self.groups[number], self.parts[number]
        before = [self.lacking_and_overfull(label) for label in group.n_of]
        self._put(number, part)
        after = [self.lacking_and_overfull(label) for label in group.n_of]
        self._put(number, old)
        cured = sum(b[0] - a[0] for b, a in zip(before, after, strict=True))
        worth = sum(b[1] - a[1] for b, a in zip(before, after, strict=True)) / len(group.rows)
        if cured < 0 or (cured == 0 and worth < _LEAST_WORTH):
            return None
        begin, end = (0.0, *self.cuts, 1.0)[part : part + 2]
        away = max(0.0, begin - group.place, group.place - end)
        return _Move(cured, worth, -away, number, part)

    def _put(self, number: int, part: int) -> None:
        for label, n in self.groups[number].n_of.items():
            self.filled[label][self.parts[number]] -= n
            self.filled[label][part] += n
        self.parts[number] = part


def place_groups(
    groups: Sequence[Group], wishes: dict[str, Counts], cuts: tuple[float, float]
) -> PlacedGroups:
    """Puts each group in a part; starts elsewhere where groups of many classes block each other.

    Args:
        groups: all groups, in the order of the draw; those of one photo are left to the caller.
        wishes: by class, the photos wished for in each part.
        cuts: where val and test begin, in (0, 1].

    Raises:
        BlockedError: from no start was each class brought into each part.
    """
    several = [group for group in groups if len(group.rows) > 1]
    lacking: list[str] = []
    for turn in range(_STARTS):
        placed = PlacedGroups(several, wishes, cuts, turn / _STARTS)
        placed.mend()
        lacking = [label for label in wishes if placed.lacking_and_overfull(label)[0]]
        if not lacking:
            return placed
    raise BlockedError(min(lacking))
