"""Packed photos: a table, the class names, and shards of uint8 pixels at the sizes of the networks.

Photos are decoded once, in scan. Every later step reads what is written here: photos.csv, whose
rows the pixels follow, and pixels/<size>/00000.npy of shape (n, size, size, 3), read row by row.
"""

import csv
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edgedistill.artifacts import (
    LABELS_FILE,
    PACKED_DATASET,
    PHOTOS_CSV,
    PIXELS_FOLDER,
    read_labels,
    write_labels,
)
from edgedistill.errors import ArtifactError
from edgedistill.file_sums import SUMS_FILE, file_sum, require_listed, require_sum
from edgedistill.json_file import missing_file
from edgedistill.pixels import PackedPixels

_log = logging.getLogger(__name__)

COLUMNS = (
    "filepath", "label_index", "label_name", "split", "group",
    "height_px", "width_px", "digest", "data_dir",
)  # fmt: skip
"""Those of photos.csv, which is also a manifest that scan reads."""

_fields = attrgetter(*COLUMNS)


@dataclass(frozen=True, slots=True)
class Photo:
    """A row of photos.csv: one readable photo.

    `filepath` is relative to `data_dir`, with forward slashes; where `data_dir` is "", it is
    absolute or the address of an object. Height and width are those of the upright original;
    `digest` is the SHA-256 of its decoded pixels, in hexadecimal. `split` is train, val or test,
    or "" where it is yet to be drawn. Photos of one `group` stay together; "" is a photo alone.
    """

    filepath: str
    label_index: int
    label_name: str
    height_px: int
    width_px: int
    digest: str
    split: str = ""
    group: str = ""
    data_dir: str = ""


def write_photos(path: Path, photos: Iterable[Photo]) -> int:
    """Writes the table of photos as CSV, one row a photo; gives their number."""
    n_photos = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for photo in photos:
            writer.writerow(_fields(photo))
            n_photos += 1
    return n_photos


def read_photos(path: Path) -> list[Photo]:
    """The rows of a table that `write_photos` wrote.

    Raises:
        ArtifactError: the file is missing or its columns are others.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            header = tuple(next(reader, ()))
            if header != COLUMNS:
                raise ArtifactError(f"{path} must have columns {COLUMNS}; got {header}.")
            return [
                Photo(
                    place, int(index), name, int(height), int(width), digest, split, group, data_dir
                )
                for place, index, name, split, group, height, width, digest, data_dir in reader
            ]
    except FileNotFoundError:
        raise missing_file(path) from None
    except ValueError as error:
        raise ArtifactError(f"{path} is damaged: {error}.") from None


@dataclass(frozen=True)
class PackedDataset:
    """A catalogue or one split of it, opened for reading.

    `teacher_sizes_px` are those of the teachers' images, each once, in the order of the teachers.
    `digest` names the content: SHA-256 over each photo's place, label and pixels. `split_digest`
    is shared by the three parts of one split, and by all that is made from them. `sums` names the
    bytes of the files, by place below `folder`, as `sha256` of `PACKED_DATASET`.
    """

    folder: Path
    label_names: list[str]
    photos: list[Photo]
    student_px: int
    teacher_sizes_px: tuple[int, ...]
    digest: str
    split_digest: str
    sums: Mapping[str, str]

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Opens what a `ShardWriter` a size and `write_dataset_tables` wrote.

        Raises:
            ArtifactError: a file is missing, damaged, or does not fit the others.
        """
        folder = Path(folder)
        about = PACKED_DATASET.read(folder)
        photos = read_photos(folder / PHOTOS_CSV)
        if len(photos) != about["n_photos"]:
            raise ArtifactError(
                f"{folder / PHOTOS_CSV} must have {about['n_photos']} rows; got {len(photos)}."
            )
        return cls(
            folder, read_labels(folder), photos, about["student_px"],
            tuple(about["teacher_sizes_px"]), about["digest"], about["split_digest"],
            about["sha256"],
        )  # fmt: skip

    @classmethod
    def open_parts(cls, train: str | Path, val: str | Path) -> tuple[Self, Self]:
        """Opens the two parts that a training takes.

        Raises:
            ArtifactError: also where they do not come from one split.
        """
        parts = cls.open(train), cls.open(val)
        parts[0].require_own(parts[1].split_digest, val)
        return parts

    def require_own(self, digest: str, place: str | Path) -> None:
        """Refuses what was made from another split: its photos may be this one's test photos.

        Args:
            digest: the split that the artifact names.
            place: where it lies.

        Raises:
            ArtifactError: it is another one.
        """
        if digest != self.split_digest:
            raise ArtifactError(
                f"{place} comes from another split than {self.folder}: take both from one run."
            )

    def require_whole(self, sizes_px: Iterable[int]) -> None:
        """Refuses tables or images that are not, byte for byte, those that were written.

        Every shard of these sizes is read once, in order: some 0.8 s a GB where the disk gives
        them as fast. For a step that is about to spend hours on them.

        Args:
            sizes_px: of the images that will be read.

        Raises:
            ArtifactError: names the file; also where the images are not packed at a size.
            StorageError: a file cannot be read.
        """
        begun = time.monotonic()
        for name in (PHOTOS_CSV, LABELS_FILE):
            self._require_named(name)
        n_bytes = 0
        for size_px in dict.fromkeys(sizes_px):
            self._require_packed(size_px)
            self._require_named(_sums_place(size_px))
            n_bytes += require_listed(self._pixel_folder(size_px))
        seconds = time.monotonic() - begun
        _log.info("%s: %.2f GB are as written, %.1f s", self.folder.name, n_bytes / 1e9, seconds)

    def _require_named(self, place: str) -> None:
        named_by = self.folder / PACKED_DATASET.name
        if place not in self.sums:
            raise ArtifactError(f"{named_by} must name the SHA-256 of {place}: run scan again.")
        require_sum(self.folder / place, self.sums[place], named_by)

    def __len__(self) -> int:
        return len(self.photos)

    @cached_property
    def label_indices(self) -> NDArray[np.int64]:
        """The class of each photo, shape (n,)."""
        return np.array([p.label_index for p in self.photos], np.int64)

    @property
    def sizes_px(self) -> tuple[int, ...]:
        """Every size that the photos are packed at, once: the student's, then the teachers'."""
        return tuple(dict.fromkeys((self.student_px, *self.teacher_sizes_px)))

    @cached_property
    def student_pixels(self) -> PackedPixels:
        """The images at the student's size."""
        return self.pixels_at(self.student_px)

    def pixels_at(self, size_px: int) -> PackedPixels:
        """The images at one of the sizes that they are packed at.

        Raises:
            ArtifactError: they are not packed at this size, or a shard is damaged.
        """
        self._require_packed(size_px)
        return PackedPixels(self._pixel_folder(size_px), len(self))

    def _require_packed(self, size_px: int) -> None:
        if size_px not in self.sizes_px:
            packed = ", ".join(map(str, self.sizes_px))
            raise ArtifactError(
                f"{self.folder} must hold images of {size_px} px; it has those of {packed} px."
            )

    def _pixel_folder(self, size_px: int) -> Path:
        return self.folder / PIXELS_FOLDER / str(size_px)


def write_dataset_tables(
    folder: Path,
    photos: Iterable[Photo],
    label_names: list[str],
    *,
    student_px: int,
    teacher_sizes_px: Sequence[int],
    digest: str,
    split_digest: str | None = None,
) -> None:
    """Writes all of a packed data set but its pixels, which a `ShardWriter` a size has written.

    Args:
        folder: an existing folder, with the pixels.
        photos: the rows, in the pixels' order.
        label_names: the classes, in the order of the model's outputs.
        student_px: side of the student's images.
        teacher_sizes_px: sides of the teachers' images, each once.
        digest: names the content.
        split_digest: names all three parts of the split together; None for a whole catalogue.

    Raises:
        ArtifactError: the images of a size are missing.
    """
    n_photos = write_photos(folder / PHOTOS_CSV, photos)
    write_labels(folder, label_names)
    # Of no images there is no list.
    packed_px = (student_px, *teacher_sizes_px) if n_photos else ()
    named = (PHOTOS_CSV, LABELS_FILE, *map(_sums_place, packed_px))
    PACKED_DATASET.write(
        folder,
        {
            "n_photos": n_photos,
            "student_px": student_px,
            "teacher_sizes_px": list(teacher_sizes_px),
            "digest": digest,
            "split_digest": split_digest or digest,
            "sha256": {place: file_sum(folder / place) for place in named},
        },
    )


def _sums_place(size_px: int) -> str:
    """Where the images of a size are listed, below a data set's folder."""
    return f"{PIXELS_FOLDER}/{size_px}/{SUMS_FILE}"
