"""What is to be told about the photos of a catalogue, kind by kind, the worst first."""

from collections.abc import Iterator

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
from edgedistill.scan.table import PhotoTable


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
            size = f"{photo.width_px} x {photo.height_px} px"
            yield Found(Finding(kind, photo.place, photo.label_name, detail=size), photo.row)
