"""The files of a collection, of its classes and of none, from their listing to their packing."""

import contextlib
import hashlib
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from edgedistill.scan.sources.collection import list_collection
from edgedistill.scan.sources.unknown_photos import list_unknown
from edgedistill.scan.table import PhotoTable
from edgedistill.scan.unknown import known_alone
from edgedistill.settings import PhotoPacking

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tables:
    """The files of classes and those of none, each with a folder for scraps."""

    known: PhotoTable
    unknown: PhotoTable
    scratch: Path
    unknown_scratch: Path

    @classmethod
    @contextlib.contextmanager
    def beside(cls, target: str | Path) -> Iterator[Self]:
        """Empty tables; they and all scraps are gone when the block ends.

        Args:
            target: what is written with their help, on a disk that has room.
        """
        parent = Path(target).parent
        parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix=".scan-", dir=parent) as scratch,
            tempfile.TemporaryDirectory(prefix="unknown-", dir=scratch) as beside,
            PhotoTable(Path(scratch)) as known,
            PhotoTable(Path(beside)) as unknown,
        ):
            yield cls(known, unknown, Path(scratch), Path(beside))

    def list_files(self, settings: PhotoPacking) -> None:
        """Takes in every file of the collection; none is read.

        Raises:
            DatasetError, StorageError: as `list_collection` and `list_unknown`.
        """
        listed = list_collection(settings.data_dir, self.scratch)
        self.known.add(known_alone(listed, self.unknown))
        if settings.unknown_uri:
            self.unknown.add(list_unknown(settings.unknown_uri, self.unknown_scratch))
        _log.info(
            "scan: %d files of %d classes, %d of no class",
            self.known.n_files, len(self.known.label_names()), self.unknown.n_files,
        )  # fmt: skip

    def listing_digest(self) -> str:
        """SHA-256 over all that was listed, in order: the same where the listing is."""
        digest = hashlib.sha256()
        for table in (self.known, self.unknown):
            for told in (table.listed(), table.left_out()):
                digest.update(b"\x1e")  # ASCII's record separator: a table ends
                for row in told:
                    digest.update(repr(row).encode("utf-8") + b"\n")
        return digest.hexdigest()

    def keep_part(self, index: int, n_parts: int) -> None:
        """Forgets all files but one of `n_parts` runs of them, in order and of equal length.

        What was left out by the listing stays in the first part alone.
        """
        for table in (self.known, self.unknown):
            n_files = table.n_files
            table.keep(index * n_files // n_parts, (index + 1) * n_files // n_parts)
            if index:
                table.forget_left_out()
