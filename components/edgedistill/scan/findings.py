"""What is wrong or odd with a collection: kinds of findings, and what the report needs of them."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CONFLICT = "conflict"
BAD_FILE = "bad file"
OTHER_LABEL = "near duplicate of another class"
DUPLICATE = "duplicate"
NEAR_DUPLICATE = "near duplicate"

COLUMNS = ("kind", "filepath", "label_name", "other", "other_label", "detail")
"""Those of findings.csv."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of findings.csv: a photo, what is the matter with it, and why.

    `kind`: one of the names above, or one of `core.look.ODD_KINDS`. `other`, `other_label`: the
    photo that it is compared with, "" where there is none. `detail`: a reason, or how alike the
    two are.
    """

    kind: str
    filepath: str
    label_name: str
    other: str = ""
    other_label: str = ""
    detail: str = ""


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
    this order, class after class. `split_counts`: photos by split where the collection is divided
    already, else empty. `n_grouped`: photos that share a group with another. `leak_share`: of the
    test photos that a draw of 80/10/10 would choose one by one, the share that would have a
    duplicate or near duplicate in train. `n_found`: findings by kind. `shown`: the worst of each
    kind, worst first.
    """

    data_dir: str
    counts: Mapping[str, int]
    split_counts: Mapping[str, int]
    n_grouped: int
    leak_share: float
    n_found: Mapping[str, int]
    shown: Mapping[str, Sequence[ShownFinding]]


def write_findings(path: Path, findings: Iterable[Finding]) -> None:
    """Writes findings.csv, one row a finding, in the order given."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(map(attrgetter(*COLUMNS), findings))
