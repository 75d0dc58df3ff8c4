"""The search for near duplicates, in a process of its own.

Its index takes some 2 kB a photo, while reading and packing take none: scan's own memory stays
flat, and what the search took goes back to the system when it ends.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgedistill.core.near_duplicates import NearDuplicates, near_duplicate_pairs
from edgedistill.core.perceptual import N_BYTES
from edgedistill.core.sign_index import MOST_PHOTOS
from edgedistill.errors import DatasetError
from edgedistill.scan.workers import Lost, WorkersFailedError, map_in_order

_LONGEST_S = 6 * 3600
_WITHOUT = "pass --group_near_duplicates false"


def require_searchable(n_photos: int) -> None:
    """Refuses more photos than the search can tell apart.

    Raises:
        DatasetError: they are too many.
    """
    if n_photos > MOST_PHOTOS:
        raise DatasetError(
            f"near duplicates are looked for among at most {MOST_PHOTOS:,} photos; got "
            f"{n_photos:,}: {_WITHOUT}."
        )


def search_near_duplicates(fingerprints: Path, left_out: Sequence[int]) -> NearDuplicates:
    """The pairs of nearly equal pictures, by row of those that are left.

    Args:
        fingerprints: file of perceptual fingerprints, one after the other.
        left_out: rows of it that do not count any more; the rows after them move up.

    Raises:
        DatasetError: the search was killed, such as for want of memory.
    """
    task = (str(fingerprints), list(left_out))
    results = map_in_order(_search, [task], n_workers=1, timeout_s=_LONGEST_S)
    with contextlib.closing(results):
        try:
            found = next(results)
        except WorkersFailedError as error:
            raise _cannot_search(str(error)) from None
        if isinstance(found, Lost):
            raise _cannot_search(found.reason)
        return NearDuplicates(found.pairs.copy(), found.likeness.copy())


def _search(task: tuple[str, list[int]]) -> NearDuplicates:
    path, left_out = task
    fingerprints = np.fromfile(path, np.uint8).reshape(-1, N_BYTES)
    return near_duplicate_pairs(np.delete(fingerprints, left_out, axis=0))


def _cannot_search(reason: str) -> DatasetError:
    return DatasetError(
        f"near duplicates cannot be looked for: {reason}. Give the step more memory, or {_WITHOUT}."
    )
