"""Photos that are the same picture: under two labels they are left out, else they are grouped."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.groups import groups_of
from edgedistill.pixel_writing import remove_rows
from edgedistill.scan.findings import CONFLICT, Finding, Found
from edgedistill.scan.resized import Resized
from edgedistill.scan.search import search_near_duplicates
from edgedistill.scan.table import PhotoTable

Pairs = NDArray[np.int64]

_NAME_DIGITS = 12


@dataclass(frozen=True)
class Duplicates:
    """What photos have in common.

    `same`: pairs of rows of equal pixels, each photo after the first with the first. `near`: pairs
    of nearly equal pictures that are not equal, most alike first, and `likeness` of each in
    [0, 1]. `groups`: for each row the smallest row of its group, its own where it is alone.
    """

    same: Pairs
    near: Pairs
    likeness: NDArray[np.float64]
    groups: NDArray[np.int64]

    @property
    def n_grouped(self) -> int:
        """Photos that share their group with another."""
        sizes = np.bincount(self.groups)[self.groups]
        return int(np.count_nonzero(sizes > 1))


def find_conflicts(table: PhotoTable) -> list[Found]:
    """Every photo whose very pixels stand under another label too, with the first such photo."""
    conflicts = []
    for _, told in itertools.groupby(table.equal_digests(), key=lambda row: row[0]):
        same = [(row, label) for _, row, label in told]
        for row, label in same:
            other = next((pair for pair in same if pair[1] != label), None)
            if other is not None:
                finding = Finding(CONFLICT, *table.name_of(row), *table.name_of(other[0]))
                conflicts.append(Found(finding, row, other[0]))
    return sorted(conflicts, key=lambda pair: pair.row or 0)


def leave_out(
    conflicts: list[Found], table: PhotoTable, pixels: list[Path], resized: Resized
) -> list[int]:
    """Takes the photos of conflicts out of the table and the pixels; gives the rows they had."""
    rows = [pair.row for pair in conflicts if pair.row is not None]
    resized.remove(rows, table)
    reasons = [
        f"has the same pixels as {pair.finding.other}, which is labelled {pair.finding.other_label}"
        for pair in conflicts
    ]
    table.remove(rows, reasons)
    for folder in pixels:
        remove_rows(folder, rows)
    return rows


def find_duplicates(
    table: PhotoTable, fingerprints: Path, left_out: list[int], *, compare_pictures: bool
) -> Duplicates:
    """Pairs of equal and of nearly equal photos, and the groups that follow from them.

    Args:
        table: whose conflicts were left out.
        fingerprints: file of its photos' perceptual fingerprints, by row as they were packed.
        left_out: rows of it that are not in the table any more, ascending.
        compare_pictures: false: only equal pixels and the collection's own groups count.
    """
    same = _pairs_of_equal_names(table.equal_digests())
    own = _pairs_of_equal_names(table.own_groups())
    near, likeness = np.empty((0, 2), np.int64), np.empty(0)
    n_photos = table.n_photos
    if compare_pictures:
        near, likeness = search_near_duplicates(fingerprints, left_out)
        groups = groups_of(n_photos, same)
        new = groups[near[:, 0]] != groups[near[:, 1]]
        order = np.argsort(-likeness[new], kind="stable")
        near, likeness = near[new][order], likeness[new][order]
    groups = groups_of(n_photos, np.concatenate([same, own, near]))
    return Duplicates(same, near, likeness, groups)


def _pairs_of_equal_names(named_rows: Iterable[Sequence[Any]]) -> Pairs:
    """(first, later) for each row after the first of a name; the rows come by name."""
    pairs = []
    for _, told in itertools.groupby(named_rows, key=lambda entry: entry[0]):
        first, *others = [entry[1] for entry in told]
        pairs += [(first, other) for other in others]
    return np.array(pairs, np.int64).reshape(-1, 2)


def group_names(table: PhotoTable, groups: NDArray[np.int64]) -> dict[int, str]:
    """The name of the group of each row that is not alone, by row.

    A group is named by its content: by the first of the names that the collection gave, else by
    the smallest digest in it; adding photos elsewhere does not change it.
    """
    is_shared = np.bincount(groups, minlength=len(groups))[groups] > 1
    own: dict[int, str] = {}
    smallest: dict[int, str] = {}
    for row, photo in enumerate(table.photos()):
        group = int(groups[row])
        if photo.group:
            own[group] = min(photo.group, own.get(group, photo.group))
        if is_shared[row]:
            smallest[group] = min(photo.digest, smallest.get(group, photo.digest))
    names = {group: f"same-{digest[:_NAME_DIGITS]}" for group, digest in smallest.items()} | own
    return {row: names[g] for row, g in enumerate(groups.tolist()) if g in names}
