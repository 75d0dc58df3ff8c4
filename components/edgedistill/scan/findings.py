"""What is wrong or odd with a collection: kinds of findings, and what the report needs of them."""

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from edgedistill.artifacts import BAD_FILE as BAD_FILE
from edgedistill.artifacts import CONFLICT as CONFLICT
from edgedistill.artifacts import DUPLICATE as DUPLICATE
from edgedistill.artifacts import NEAR_DUPLICATE as NEAR_DUPLICATE
from edgedistill.artifacts import OTHER_LABEL as OTHER_LABEL
from edgedistill.core.letterbox import letterbox

USUAL_FRAC = 0.1
"""Of val and of test, in the split that most people draw."""
SHOWN_PX = 112
_SHOWN_PAIRS = 24
_SHOWN_REASONS = 2_000  # they have no pictures, and the report counts them by reason

COLUMNS = ("kind", "filepath", "label_name", "other", "other_label", "detail")
"""Those of findings.csv."""

_fields = attrgetter(*COLUMNS)


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of findings.csv: a photo, what is the matter with it, and why.

    `kind`: one of the names above, or what `core.look.odd_kinds` says. `other`, `other_label`: the
    photo that it is compared with, "" where there is none. `detail`: a reason, or how alike the
    two are.
    """

    kind: str
    filepath: str
    label_name: str
    other: str = ""
    other_label: str = ""
    detail: str = ""


class Found(NamedTuple):
    """A finding and the rows of its photos; None for a photo that is not packed."""

    finding: Finding
    row: int | None = None
    other_row: int | None = None


@dataclass(frozen=True)
class ShownFinding:
    """A finding that the report shows, with what the network would see of the photos.

    The pictures have shape (side, side, 3); None where a file could not be read.
    """

    finding: Finding
    picture: NDArray[np.uint8] | None = None
    other_picture: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class ScanFacts:
    """What the report of scan says, all numbers of it.

    `counts`: readable photos by class, in the order of the labels; the catalogue's rows follow
    this order, class after class. `by_split`: by class, photos by split, where the collection is
    divided already, else empty. `n_groups`: by class, groups (a photo alone is one) that split can
    draw from: those with a photo in train where the collection is divided. `n_grouped`: photos
    that share a group with another. `leak_share`: of the collection's own test, the share that has
    another of its group in train or val; without one, of the test photos that a draw of 80/10/10
    would choose one by one, the share that would have one in train. `n_found`: findings by kind.
    `shown`: the worst of each kind, worst first. `n_unknown`: packed photos that belong to no
    class, which are in none of the other numbers.
    """

    data_dir: str
    counts: Mapping[str, int]
    by_split: Mapping[str, Mapping[str, int]]
    n_groups: Mapping[str, int]
    n_grouped: int
    leak_share: float
    n_found: Mapping[str, int]
    shown: Mapping[str, Sequence[ShownFinding]]
    n_unknown: int = 0

    @property
    def split_counts(self) -> Mapping[str, int]:
        """Photos by split where the collection is divided already, else empty."""
        total: Counter[str] = Counter()
        for counts in self.by_split.values():
            total.update(counts)
        return total

    @property
    def has_own_test(self) -> bool:
        """Whether the collection says which photos the test is made of."""
        return self.split_counts.get("test", 0) > 0


class FindingsFile:
    """Writes findings.csv, counts its rows by kind, and keeps the first of each for the report.

    Use as a context manager; memory holds a few small pictures, whatever the number of findings.
    """

    def __init__(self, path: Path):
        self.n_found: Counter[str] = Counter()
        self.shown: defaultdict[str, list[ShownFinding]] = defaultdict(list)
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(COLUMNS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, found: Iterable[Found], photo: Callable[[int], NDArray[np.uint8]]) -> None:
        """Takes in findings, of each kind the worst first.

        Args:
            found: findings and the rows that they are about.
            photo: gives the image of a row.
        """
        for finding, *rows in found:
            self._writer.writerow(_fields(finding))
            self.n_found[finding.kind] += 1
            most = _SHOWN_REASONS if finding.kind == BAD_FILE else _SHOWN_PAIRS
            if self.n_found[finding.kind] <= most:
                pictures = [None if row is None else _small(photo(row)) for row in rows]
                self.shown[finding.kind].append(ShownFinding(finding, *pictures))


def _small(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return letterbox(image, min(SHOWN_PX, len(image)))
