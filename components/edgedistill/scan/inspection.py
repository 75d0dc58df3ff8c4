"""What is to be told about the photos of a catalogue, kind by kind, the worst first."""

from collections.abc import Callable, Iterator

from edgedistill.core.look import odd_kinds
from edgedistill.scan.duplicates import Duplicates
from edgedistill.scan.findings import (
    BAD_FILE,
    DUPLICATE,
    NEAR_DUPLICATE,
    OTHER_LABEL,
    Finding,
    Found,
)
from edgedistill.scan.table import Packed, PhotoTable

_SEVERITY: dict[str, Callable[[Packed], float]] = {
    "tiny": lambda photo: -min(photo.height_px, photo.width_px),
    "extreme aspect": lambda photo: (
        max(photo.height_px, photo.width_px) / min(photo.height_px, photo.width_px)
    ),
    "one colour": lambda photo: -photo.look.contrast,
    "very dark": lambda photo: -photo.look.brightness,
    "very bright": lambda photo: photo.look.brightness,
    "very blurred": lambda photo: -photo.look.sharpness,
}
"""How odd a photo is, for each kind that `odd_kinds` knows."""


def inspect_catalog(table: PhotoTable, duplicates: Duplicates) -> Iterator[Found]:
    """Every finding but the conflicts, which were told before they were left out."""
    yield from _near_duplicates(table, duplicates)
    for kind, label_name, place, reason in table.left_out():
        if kind == BAD_FILE:
            yield Found(Finding(BAD_FILE, place, label_name, detail=reason))
    for first, row in duplicates.same.tolist():
        finding = Finding(DUPLICATE, *table.name_of(row), *table.name_of(first))
        yield Found(finding, row, first)
    yield from _odd_photos(table)


def _near_duplicates(table: PhotoTable, duplicates: Duplicates) -> Iterator[Found]:
    pairs = zip(duplicates.near.tolist(), duplicates.likeness.tolist(), strict=True)
    for (first, row), likeness in pairs:
        names = *table.name_of(row), *table.name_of(first)
        kind = NEAR_DUPLICATE if names[1] == names[3] else OTHER_LABEL
        yield Found(Finding(kind, *names, f"{likeness:.1%} alike"), row, first)


def _odd_photos(table: PhotoTable) -> Iterator[Found]:
    for photo in table.packed():
        for kind in odd_kinds(photo.height_px, photo.width_px, photo.look):
            table.add_odd(kind, _SEVERITY[kind](photo), photo.row)
    for kind, place, label_name, row, height_px, width_px in table.odd():
        size = f"{width_px} x {height_px} px"
        yield Found(Finding(kind, place, label_name, detail=size), row)
