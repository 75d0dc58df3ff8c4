"""Writes the parts of a split as packed data sets that need the catalogue no more."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgedistill.artifacts import PIXELS_FOLDER, RESIZED_FOLDER, UNKNOWN_FOLDER
from edgedistill.core.fingerprint import dataset_digest
from edgedistill.datasets import PackedDataset, Photo, write_dataset_tables
from edgedistill.folders import complete_folder
from edgedistill.pixel_writing import ShardWriter
from edgedistill.pixels import PackedPixels


def write_part(
    folder: str,
    dataset: PackedDataset,
    name: str,
    rows: Sequence[int],
    *,
    split_digest: str,
    teacher_sizes_px: Sequence[int] = (),
    with_unseen: bool = False,
) -> None:
    """Writes some photos of the catalogue, its rows in the catalogue's order.

    Args:
        folder: to write.
        dataset: the catalogue.
        name: what the rows' column `split` says.
        rows: of the catalogue, ascending.
        split_digest: names all parts of the split together.
        teacher_sizes_px: of the teachers' images that are wanted; the student's always are.
        with_unseen: also what lies beside the catalogue for the test: the photos of no class, all
            of them, and those of the part that were resized carelessly.
    """
    with complete_folder(folder) as out:
        photos = [replace(dataset.photos[row], split=name) for row in rows]
        _write(out, dataset, rows, photos, teacher_sizes_px, split_digest)
        if with_unseen:
            _write_unknown(out, dataset, split_digest)
            _write_resized(out, dataset, photos, split_digest)


def digest_of(photos: Sequence[Photo]) -> str:
    """Names the content of some photos: over each one's place, label and pixels."""
    return dataset_digest((p.filepath, p.label_name, p.digest) for p in photos)


def _write_unknown(out: Path, catalog: PackedDataset, split_digest: str) -> None:
    folder = catalog.folder / UNKNOWN_FOLDER
    if folder.exists():
        unknown = PackedDataset.open(folder)
        unknown.require_whole((unknown.student_px,))
        rows = range(len(unknown))
        _write(out / UNKNOWN_FOLDER, unknown, rows, unknown.photos, (), split_digest)


def _write_resized(
    out: Path, catalog: PackedDataset, photos: Sequence[Photo], split_digest: str
) -> None:
    """Of each way of resizing the photos that are in the sample; nothing where none is."""
    own = {_key(photo): photo for photo in photos}
    for folder in sorted((catalog.folder / RESIZED_FOLDER).glob("*")):
        resized = PackedDataset.open(folder)
        resized.require_whole((resized.student_px,))
        rows = [row for row, photo in enumerate(resized.photos) if _key(photo) in own]
        if rows:
            chosen = [own[_key(resized.photos[row])] for row in rows]
            target = out / RESIZED_FOLDER / folder.name
            _write(target, resized, rows, chosen, (), split_digest)


def _key(photo: Photo) -> tuple[str, str, str]:
    """What no two photos of a catalogue share."""
    return photo.label_name, photo.filepath, photo.data_dir


def _write(
    out: Path,
    source: PackedDataset,
    rows: Sequence[int],
    photos: Sequence[Photo],
    teacher_sizes_px: Sequence[int],
    split_digest: str,
) -> None:
    """Writes rows of a packed data set, with what the table is to say of them."""
    for size_px in dict.fromkeys((source.student_px, *teacher_sizes_px)):
        _copy_pixels(out, source.pixels_at(size_px), rows)
    write_dataset_tables(
        out, photos, source.label_names,
        student_px=source.student_px, teacher_sizes_px=teacher_sizes_px,
        digest=digest_of(photos), split_digest=split_digest,
    )  # fmt: skip


def _copy_pixels(out: Path, pixels: PackedPixels, rows: Sequence[int]) -> None:
    """Copies image by image, by plain reads and writes: memory holds one of them."""
    with ShardWriter(out / PIXELS_FOLDER / str(pixels.size_px), pixels.size_px) as writer:
        for image in pixels.read(rows):
            writer.append(image)
