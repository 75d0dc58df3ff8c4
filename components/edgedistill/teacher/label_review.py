"""Which labels the teacher contradicts: a table of all photos, the most doubtful first.

The table is a manifest that scan reads, so that labels can be corrected in it and photos deleted.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.label_errors import label_suspects
from edgedistill.datasets import COLUMNS, PackedDataset, Photo

REVIEW_COLUMNS = ("suggested_label", "label_probability", "suggested_probability", "judged_by")
"""Behind those of photos.csv; empty where a label is not in doubt."""

_fields = attrgetter(*COLUMNS)


@dataclass(frozen=True)
class JudgedPart:
    """A part of the split, and what each of its photos seems to show.

    `probabilities`: shape (n, n_classes). `judged_by`: who says so, in words.
    """

    split: str
    photos: PackedDataset
    probabilities: NDArray[np.floating]
    judged_by: str


@dataclass(frozen=True)
class Suspect:
    """A photo whose label is contradicted with high confidence."""

    part: JudgedPart
    row: int
    suggested_index: int

    @property
    def photo(self) -> Photo:
        """Its row in photos.csv."""
        return self.part.photos.photos[self.row]

    @property
    def suggested_label(self) -> str:
        """The class that it seems to be of."""
        return self.part.photos.label_names[self.suggested_index]

    @property
    def suggested_probability(self) -> float:
        """That of this class, in [0, 1]."""
        return float(self.part.probabilities[self.row, self.suggested_index])

    @property
    def label_probability(self) -> float:
        """That of the class which it is labelled as, in [0, 1]."""
        return float(self.part.probabilities[self.row, self.photo.label_index])


def find_suspects(parts: Sequence[JudgedPart]) -> list[Suspect]:
    """Those of all parts, by how much likelier the other class is; of equals the first part's."""
    found = []
    for part in parts:
        suspects = label_suspects(part.probabilities, part.photos.label_indices)
        pairs = zip(suspects.rows.tolist(), suspects.suggested.tolist(), strict=True)
        found += [Suspect(part, row, suggested) for row, suggested in pairs]
    return sorted(found, key=lambda s: s.label_probability - s.suggested_probability)


def write_label_review(
    path: Path, parts: Sequence[JudgedPart], suspects: Sequence[Suspect]
) -> None:
    """Writes every photo of all parts as CSV: first the suspects in their order, then the rest."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*COLUMNS, *REVIEW_COLUMNS))
        writer.writerows(_suspect_row(suspect) for suspect in suspects)
        writer.writerows(_rest(parts, suspects))


def _suspect_row(suspect: Suspect) -> tuple[str, ...]:
    return (
        *_fields(suspect.photo),
        suspect.suggested_label,
        f"{suspect.label_probability:.4f}",
        f"{suspect.suggested_probability:.4f}",
        suspect.part.judged_by,
    )


def _rest(parts: Sequence[JudgedPart], suspects: Sequence[Suspect]) -> Iterator[tuple[str, ...]]:
    told = {(suspect.part.split, suspect.row) for suspect in suspects}
    for part in parts:
        for row, photo in enumerate(part.photos.photos):
            if (part.split, row) not in told:
                yield (*_fields(photo), *[""] * len(REVIEW_COLUMNS))


def review_summary(parts: Sequence[JudgedPart], suspects: Sequence[Suspect]) -> dict[str, Any]:
    """Who judged each part, and how many suspects it has: `label_review` of teachers.json."""
    return {
        "judged_by": {part.split: part.judged_by for part in parts},
        "n_suspects": {part.split: sum(s.part is part for s in suspects) for part in parts},
    }
