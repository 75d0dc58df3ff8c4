"""The numbers of a finished scan: what its split will be able to draw from, and what leaks."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.splits import shares_of_train
from edgedistill.scan.duplicates import Duplicates
from edgedistill.scan.findings import USUAL_FRAC, FindingsFile, ScanFacts
from edgedistill.scan.table import PhotoTable


def gather_facts(
    data_dir: str,
    table: PhotoTable,
    duplicates: Duplicates,
    findings: FindingsFile,
    n_unknown: int,
) -> ScanFacts:
    """What the report says of a collection whose conflicts were left out."""
    counts = table.counts()
    splits = np.fromiter((photo.split for photo in table.photos()), "<U5", table.n_photos)
    divided = bool((splits != "").any())
    drawn_from = splits == "train" if divided else splits == ""
    return ScanFacts(
        data_dir=data_dir,
        counts=counts,
        by_split=splits_by_class(counts, splits) if divided else {},
        n_groups=groups_by_class(counts, duplicates.groups, drawn_from),
        n_grouped=duplicates.n_grouped,
        leak_share=leak_share(duplicates.groups, splits),
        n_found=findings.n_found,
        shown=findings.shown,
        n_unknown=n_unknown,
    )


def splits_by_class(
    counts: Mapping[str, int], splits: NDArray[np.str_]
) -> dict[str, dict[str, int]]:
    """By class, photos by split.

    Args:
        counts: photos by class, in the order of the photos.
        splits: the split of each photo, class after class.
    """
    told = {}
    for label_name, rows in _rows_of(counts):
        names, n_photos = np.unique(splits[rows], return_counts=True)
        told[label_name] = dict(zip(names.tolist(), n_photos.tolist(), strict=True))
    return told


def groups_by_class(
    counts: Mapping[str, int], groups: NDArray[np.int64], drawn_from: NDArray[np.bool_]
) -> dict[str, int]:
    """How many groups of each class have a photo that split may draw; a photo alone is one.

    Args:
        counts: photos by class, in the order of the photos.
        groups: the group of each photo, class after class.
        drawn_from: whether split draws from it.
    """
    return {
        label_name: len(np.unique(groups[rows][drawn_from[rows]]))
        for label_name, rows in _rows_of(counts)
    }


def _rows_of(counts: Mapping[str, int]) -> Iterator[tuple[str, slice]]:
    start = 0
    for label_name, n_photos in counts.items():
        yield label_name, slice(start, start + n_photos)
        start += n_photos


def leak_share(groups: NDArray[np.int64], splits: NDArray[np.str_]) -> float:
    """The share of test photos with another of their group where the network learns from it.

    Of a test that the collection brings, this is counted: another of the group is in train or val.
    Of one that split draws, it is what a draw photo by photo would give: a photo of a group of k
    is without another in train with probability (1 - f) ** (k - 1), as each of them stays in
    train with probability f, 0.8 in the usual split of 80/10/10.

    Args:
        groups: the group of each photo, numbers in [0, n).
        splits: "train", "val" or "test" of each, "" where the collection says none, shape (n,).

    Returns:
        In [0, 1]; 0 where there is nothing that test could be drawn from.
    """
    is_test = splits == "test"
    if is_test.any():
        known = np.zeros(len(groups), bool)
        known[groups[~is_test]] = True
        return float(np.mean(known[groups[is_test]]))
    given = set(np.unique(splits).tolist()) - {""}
    pool = groups[splits == "train"] if given else groups
    if not len(pool):
        return 0.0
    train_frac = 1 - sum(shares_of_train(given, USUAL_FRAC, USUAL_FRAC))
    sizes = np.bincount(pool)[pool]
    return float(np.mean(1 - (1 - train_frac) ** (sizes - 1)))
