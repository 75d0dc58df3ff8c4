"""The files of a collection and what came of each: in SQLite, so that memory does not grow.

Files are told in any order; they are read, numbered and written in the order of their labels and
places. A photo that was packed has a row: its place among the packed pixels, counted from 0.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from edgedistill.core.look import Look
from edgedistill.datasets import Photo
from edgedistill.errors import DatasetError
from edgedistill.scan.findings import BAD_FILE, CONFLICT
from edgedistill.scan.photo import ReadPhoto
from edgedistill.scan.sources.listing import LeftOut, ListedPhoto
from edgedistill.storage.files import Content
from edgedistill.storage.places import one_line

_TABLES = """
CREATE TABLE file (
    id INTEGER PRIMARY KEY, label TEXT, place TEXT, root TEXT, split TEXT, own_group TEXT,
    address TEXT, member TEXT, start INTEGER, size INTEGER,
    UNIQUE (label, place, root)
);
CREATE TABLE photo (
    row INTEGER, file INTEGER PRIMARY KEY, height INTEGER, width INTEGER, digest TEXT,
    brightness REAL, contrast REAL, sharpness REAL
);
CREATE INDEX photo_row ON photo (row);
CREATE INDEX photo_digest ON photo (digest);
CREATE TABLE odd (kind TEXT, severity REAL, row INTEGER);
CREATE TABLE left_out (kind TEXT, label TEXT, place TEXT, root TEXT, reason TEXT);
"""
_TAKE_IN = (
    "INSERT INTO file SELECT id + :last, label, place, root, split, own_group, address, member, "
    "start, size FROM other.file",
    "INSERT INTO photo SELECT row + :n, file + :last, height, width, digest, brightness, contrast, "
    "sharpness FROM other.photo",
    "INSERT INTO left_out SELECT kind, label, place, root, reason FROM other.left_out",
)
_IN_ORDER = "label, place, root"
_PAGE_CACHE_KIB = 4096
_TOLD_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Packed:
    """A packed photo: its row, its file, and how it looks."""

    row: int
    place: str
    label_name: str
    height_px: int
    width_px: int
    look: Look


class PhotoTable:
    """One scan's table; lies in a temporary file and is gone when closed."""

    def __init__(self, folder: Path):
        # Autocommit and no journal: nobody reads this file after a crash.
        path = folder / "photos.sqlite"
        # By its URI, so that `take_in` can say how another file is to be opened.
        self._database = sqlite3.connect(path.absolute().as_uri(), uri=True, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(f"PRAGMA cache_size = -{_PAGE_CACHE_KIB}")
        self._database.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, listed: Iterable[ListedPhoto | LeftOut]) -> None:
        """Takes in every file of a collection; one that is told twice counts once.

        Raises:
            DatasetError: a file is told twice, for two splits or two groups.
        """
        for entry in listed:
            if isinstance(entry, LeftOut):
                self.leave_out(entry.label_name, entry.place, entry.root, entry.reason)
            elif not self._insert(entry):
                self._refuse_contradiction(entry)
                self.leave_out(entry.label_name, entry.place, entry.root, "is listed twice")

    def _insert(self, file: ListedPhoto) -> bool:
        content = file.content
        values = (
            file.label_name, file.place, file.root, file.split, file.group,
            content.address, content.member, content.start, content.size_bytes,
        )  # fmt: skip
        names = "label, place, root, split, own_group, address, member, start, size"
        marks = ", ".join("?" * len(values))
        done = self._database.execute(
            f"INSERT OR IGNORE INTO file ({names}) VALUES ({marks})", values
        )
        return done.rowcount == 1

    def _refuse_contradiction(self, again: ListedPhoto) -> None:
        first = self._database.execute(
            "SELECT split, own_group FROM file WHERE label = ? AND place = ? AND root = ?",
            (again.label_name, again.place, again.root),
        ).fetchone()
        for word, before, now in zip(
            ("split", "group"), first, (again.split, again.group), strict=True
        ):
            if before != now:
                raise DatasetError(
                    f"{one_line(again.place)} is listed twice, with the {word} '{before}' and with "
                    f"'{now}'; keep one row."
                )

    def leave_out(self, label_name: str, place: str, root: str, reason: str) -> None:
        """Notes a file that will not be in the catalogue, and why."""
        row = (BAD_FILE, label_name, place, root, one_line(reason))
        self._database.execute("INSERT INTO left_out VALUES (?, ?, ?, ?, ?)", row)

    def leave_file_out(self, file: int, reason: str, kind: str = BAD_FILE) -> None:
        """The same, for a file of the table."""
        self._database.execute(
            "INSERT INTO left_out SELECT ?, label, place, root, ? FROM file WHERE id = ?",
            (kind, one_line(reason), file),
        )

    def label_names(self) -> list[str]:
        """The classes of all files, in the order of their code points."""
        return [label for (label,) in self._rows("SELECT DISTINCT label FROM file ORDER BY label")]

    @property
    def n_files(self) -> int:
        """Files to read."""
        return self._count("file")

    @property
    def n_photos(self) -> int:
        """Files that were packed and not left out again."""
        return self._count("photo")

    @property
    def n_left_out(self) -> int:
        """Files that are not in the catalogue."""
        return self._count("left_out")

    def to_read(self) -> Iterator[tuple[int, Content]]:
        """Every file's number and content, in the order in which photos are packed."""
        rows = self._rows(f"SELECT id, address, member, start, size FROM file ORDER BY {_IN_ORDER}")
        return ((file, Content(*where)) for file, *where in rows)

    def listed(self) -> Iterator[tuple[str, str, str, str, str]]:
        """Label, place, root, split and group of every file, in the same order."""
        return self._rows(
            f"SELECT label, place, root, split, own_group FROM file ORDER BY {_IN_ORDER}"
        )

    def keep(self, start: int, stop: int) -> None:
        """Forgets all files but those of these numbers, counted in the same order."""
        self._database.execute(
            "DELETE FROM file WHERE id NOT IN "
            f"(SELECT id FROM file ORDER BY {_IN_ORDER} LIMIT ? OFFSET ?)",
            (stop - start, start),
        )

    def forget_left_out(self) -> None:
        """Forgets what was left out so far."""
        self._database.execute("DELETE FROM left_out")

    def save(self, path: Path) -> None:
        """Writes the table as a file of its own, which must not be there."""
        self._database.execute("VACUUM INTO ?", (str(path),))

    def take_in(self, path: Path) -> None:
        """Adds the files and photos of a saved table behind those that are here.

        Args:
            path: what `save` wrote, which stays as it is; its files come after all of these, in
                the order in which photos are packed.

        Raises:
            DatasetError: it is no such file, or has a file that is here already.
        """
        (last,) = self._database.execute("SELECT coalesce(max(id), 0) FROM file").fetchone()
        moved = {"last": last, "n": self.n_photos}
        try:
            self._database.execute(
                "ATTACH ? AS other", (f"{path.absolute().as_uri()}?mode=ro&immutable=1",)
            )
            for sql in _TAKE_IN:
                self._database.execute(sql, moved)
            self._database.execute("DETACH other")
        except sqlite3.DatabaseError as error:
            raise DatasetError(f"{path} is damaged: {error}.") from None

    def add_photo(self, file: int, row: int, read: ReadPhoto) -> None:
        """Notes that a file was packed as the row of that number."""
        values = (row, file, read.height_px, read.width_px, read.digest, *read.look)
        self._database.execute("INSERT INTO photo VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def photos(self) -> Iterator[Photo]:
        """The catalogue's rows, in order; `group` holds the collection's own groups only."""
        names = {name: index for index, name in enumerate(self.label_names())}
        rows = self._rows(
            "SELECT place, label, height, width, digest, split, own_group, root "
            "FROM photo JOIN file ON file.id = photo.file ORDER BY row"
        )
        return (Photo(place, names[label], label, *rest) for place, label, *rest in rows)

    def packed(self) -> Iterator[Packed]:
        """The packed photos and how they look, by row."""
        rows = self._rows(
            "SELECT row, place, label, height, width, brightness, contrast, sharpness "
            "FROM photo JOIN file ON file.id = photo.file ORDER BY row"
        )
        for row, place, label, height, width, *look in rows:
            yield Packed(row, place, label, height, width, Look(*look))

    def add_odd(self, kind: str, severity: float, row: int) -> None:
        """Notes that a packed photo looks odd, and how much so."""
        self._database.execute("INSERT INTO odd VALUES (?, ?, ?)", (kind, severity, row))

    def odd(self) -> Iterator[tuple[str, str, str, int, int, int]]:
        """Kind, place, label, row, height and width of odd photos, of each kind the worst first."""
        return self._rows(
            "SELECT kind, place, label, odd.row, height, width FROM odd "
            "JOIN photo ON photo.row = odd.row JOIN file ON file.id = photo.file "
            "ORDER BY kind, severity DESC, odd.row"
        )

    def counts(self) -> dict[str, int]:
        """Packed photos by class, classes without any left out."""
        return dict(
            self._rows(
                "SELECT label, count(*) FROM photo JOIN file ON file.id = photo.file "
                "GROUP BY label ORDER BY label"
            )
        )

    def left_out(self) -> Iterator[tuple[str, str, str, str]]:
        """Kind of finding, label, place and reason of what is left out, in order."""
        return self._rows(
            f"SELECT kind, label, place, reason FROM left_out ORDER BY {_IN_ORDER}, reason"
        )

    def name_of(self, row: int) -> tuple[str, str]:
        """Place and label of a packed photo."""
        sql = "SELECT place, label FROM photo JOIN file ON file.id = photo.file WHERE row = ?"
        place, label = self._database.execute(sql, (row,)).fetchone()
        return place, label

    def digests(self) -> Iterator[tuple[int, str]]:
        """Row and digest of every packed photo, by row."""
        return self._rows("SELECT row, digest FROM photo ORDER BY row")

    def photo_of(self, digest: str) -> tuple[str, str] | None:
        """Place and label of a packed photo of these pixels; None where there is none."""
        sql = (
            "SELECT place, label FROM photo JOIN file ON file.id = photo.file "
            "WHERE digest = ? ORDER BY row LIMIT 1"
        )
        found: tuple[str, str] | None = self._database.execute(sql, (digest,)).fetchone()
        return found

    def equal_digests(self) -> Iterator[tuple[str, int, str]]:
        """Digest, row and label of every photo that is not the only one of its digest."""
        return self._rows(
            "SELECT digest, row, label FROM photo JOIN file ON file.id = photo.file WHERE digest IN"
            " (SELECT digest FROM photo GROUP BY digest HAVING count(*) > 1) ORDER BY digest, row"
        )

    def own_groups(self) -> Iterator[tuple[str, int]]:
        """The collection's own groups: name and row of each photo that has one."""
        return self._rows(
            "SELECT own_group, row FROM photo JOIN file ON file.id = photo.file "
            "WHERE own_group != '' ORDER BY own_group, row"
        )

    def remove(self, rows: Sequence[int], reasons: Sequence[str], kind: str = CONFLICT) -> None:
        """Leaves packed photos out after all; the rows after them move up."""
        for row, reason in zip(rows, reasons, strict=True):
            (file,) = self._database.execute(
                "SELECT file FROM photo WHERE row = ?", (row,)
            ).fetchone()
            self.leave_file_out(file, reason, kind)
            self._database.execute("DELETE FROM photo WHERE file = ?", (file,))
        self._database.execute(
            "UPDATE photo SET row = later.row FROM "
            "(SELECT file, row_number() OVER (ORDER BY row) - 1 AS row FROM photo) AS later "
            "WHERE photo.file = later.file"
        )

    def _count(self, table: str) -> int:
        (n,) = self._database.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(n)

    def _rows(self, sql: str) -> Iterator[Any]:
        cursor = self._database.execute(sql)
        while told := cursor.fetchmany(_TOLD_AT_ONCE):
            yield from told
