"""Photos that belong to no class: told from the others, checked like them, packed beside them."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from edgedistill.artifacts import UNKNOWN_FOLDER, UNKNOWN_LABEL
from edgedistill.core.fingerprint import dataset_digest
from edgedistill.datasets import write_dataset_tables
from edgedistill.errors import DatasetError
from edgedistill.pixel_writing import remove_rows
from edgedistill.scan.findings import BAD_FILE, Finding, Found
from edgedistill.scan.packing import Packing, pack_photos, pixel_folder
from edgedistill.scan.sources.listing import LeftOut, ListedPhoto
from edgedistill.scan.table import PhotoTable


def known_alone(
    listed: Iterable[ListedPhoto | LeftOut], unknown: PhotoTable
) -> Iterator[ListedPhoto | LeftOut]:
    """The files of classes; those of no class go to their own table as they pass by."""
    for entry in listed:
        if entry.label_name == UNKNOWN_LABEL:
            if isinstance(entry, ListedPhoto):
                # No split and no group: none of them is ever learned from.
                entry = replace(entry, split="", group="")
            unknown.add([entry])
        else:
            yield entry


def pack_unknown(unknown: PhotoTable, out: Path, scratch: Path, packing: Packing) -> None:
    """Packs the photos of no class by themselves, at the student's size.

    Args:
        unknown: of files to read; nothing is written where it has none.
        out: the catalogue's folder.
        scratch: for what is not kept.
        packing: the catalogue's.
    """
    if unknown.n_files:
        alone = Packing(packing.sizes_px[:1], packing.max_megapixels, n_workers=packing.n_workers)
        pack_photos(unknown, out / UNKNOWN_FOLDER, scratch / "fingerprints", alone)


def judge_unknown(unknown: PhotoTable, known: PhotoTable, out: Path, size_px: int) -> None:
    """Makes of the packed photos of no class a data set, if there are any.

    One whose very pixels are those of a photo of a class is left out.

    Args:
        unknown: the packed photos.
        known: the packed photos of classes.
        out: the catalogue's folder.
        size_px: the student's size.

    Raises:
        DatasetError: none of them can be used.
    """
    if not unknown.n_files:
        return
    folder = out / UNKNOWN_FOLDER
    same = [(row, known.photo_of(digest)) for row, digest in unknown.digests()]
    reasons = {
        row: f"has the same pixels as {photo[0]}, which is labelled {photo[1]}"
        for row, photo in same
        if photo
    }
    unknown.remove(list(reasons), list(reasons.values()), BAD_FILE)
    remove_rows(pixel_folder(folder, size_px), list(reasons))
    if not unknown.n_photos:
        _, _, place, reason = next(unknown.left_out())
        raise DatasetError(
            f"none of the {unknown.n_left_out} photos of no class can be used; the first is "
            f"{place}: {reason}. Replace them, or take them away."
        )
    write_dataset_tables(
        folder, unknown.photos(), [UNKNOWN_LABEL], student_px=size_px, teacher_sizes_px=(),
        digest=dataset_digest((p.filepath, p.label_name, p.digest) for p in unknown.photos()),
    )  # fmt: skip


def left_out_findings(unknown: PhotoTable) -> Iterator[Found]:
    """A finding for each of their files that is not packed."""
    for _, label_name, place, reason in unknown.left_out():
        yield Found(Finding(BAD_FILE, place, label_name, detail=reason))
