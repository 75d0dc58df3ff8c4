"""A sample of the photos, packed as careless apps resize them: to see what that costs the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgedistill.core.careless_resize import RESIZES
from edgedistill.core.fingerprint import dataset_digest, is_sampled
from edgedistill.datasets import Photo, write_dataset_tables
from edgedistill.pixel_writing import remove_rows
from edgedistill.scan.packing import pixel_folder, resized_folder
from edgedistill.scan.table import PhotoTable

MOST_PHOTOS = 5_000
"""About so many are in the sample: a tenth of them for test is what evaluate damages of it."""


def sample_share(n_files: int) -> float:
    """The share of photos in the sample, in (0, 1]: all of a small collection."""
    return min(1.0, MOST_PHOTOS / max(1, n_files))


@dataclass(frozen=True)
class Resized:
    """The sample beside a catalogue; its rows are those of the catalogue, in order.

    Attributes:
        catalog: the catalogue's folder.
        size_px: side of the images, the student's.
        share: share of photos in the sample.
    """

    catalog: Path
    size_px: int
    share: float

    def remove(self, rows: Sequence[int], table: PhotoTable) -> None:
        """Takes photos out of the pixels, before they are taken out of the table.

        Args:
            rows: of the catalogue.
            table: still with these photos.
        """
        removed = set(rows)
        sample = [row for row, digest in table.digests() if is_sampled(digest, self.share)]
        numbers = [number for number, row in enumerate(sample) if row in removed]
        for resize in RESIZES:
            folder = resized_folder(self.catalog, resize)
            remove_rows(pixel_folder(folder, self.size_px), numbers)

    def write_tables(self, photos: Sequence[Photo], label_names: list[str]) -> None:
        """Writes all but the pixels.

        Args:
            photos: those of the sample, in the order of the catalogue's rows.
            label_names: the catalogue's.
        """
        digest = dataset_digest((p.filepath, p.label_name, p.digest) for p in photos)
        for resize in RESIZES:
            write_dataset_tables(
                resized_folder(self.catalog, resize), photos, label_names,
                student_px=self.size_px, teacher_sizes_px=(), digest=digest,
            )  # fmt: skip
