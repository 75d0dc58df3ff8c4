"""Plain tar archives: each file is a range of bytes, found without unpacking.

The headers are read here and not by `tarfile`, which keeps every member in memory, takes a damaged
header for the end of the archive, and can be led to read a header of any size or to go in circles.
"""

import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from edgedistill.errors import DatasetError
from edgedistill.storage.files import Content, FoundFile, RefusedFile
from edgedistill.storage.places import (
    REPLACED,
    Replacements,
    is_hidden,
    plain_place,
    shown_place,
    why_unsafe,
)

BLOCK_BYTES = 512
# A name of a megabyte is nobody's; headers beyond it would only fill memory.
_MOST_HEADER_BYTES = 1 << 20
_FILES = (b"0", b"\0", b"7")
_FOLDERS = (b"5", b"D", b"V")  # V is the label of the whole archive: no file either
_SPARSE = b"S"
_LONG_NAME, _LONG_LINK = b"L", b"K"
_OWN_RECORDS = (b"x", b"X")
_RECORDS_OF_ALL = b"g"
_USED_KEYS, _SPARSE_KEYS = (b"path", b"size", b"mtime"), b"GNU.sparse."
_WHY_REFUSED = {
    b"1": "is a hard link",
    b"2": "is a link",
    _SPARSE: "is a sparse file",
}
_WITHOUT_DATA = (b"1", b"2", b"3", b"4", b"5", b"6")


class TarDamageError(ValueError):
    """The bytes are no tar, or one that was cut off."""


@dataclass(frozen=True, slots=True)
class TarMember:
    """A file of a tar: `size_bytes` from `start`; `reason` says why it must not be read.

    `mtime`: another text where the time of change is another.
    """

    name: str
    start: int
    size_bytes: int
    mtime: str
    reason: str | None
    is_folder: bool


class TarTree:
    """All files of the plain tar at `path`; `root` is the address that the user gave."""

    def __init__(self, root: str, path: Path):
        self.root = root
        self.path = path
        self._counted: Replacements | None = None

    def files(self) -> Iterator[FoundFile | RefusedFile]:
        """Every member that is a file and not hidden; the last of those with one name.

        Raises:
            DatasetError: the archive is damaged or cut off, found out when its end is reached.
        """
        try:
            with self.path.open("rb", buffering=0) as file:
                replacements = self._replacements(file)
                for member in _told_members(file):
                    yield self._told(member, replacements)
        except TarDamageError as error:
            raise DatasetError(f"{self.root} {error}; make the archive anew.") from None
        except OSError as error:
            raise DatasetError(f"{self.root} cannot be read: {error.strerror}.") from None

    def _replacements(self, file: BinaryIO) -> Replacements:
        """Counted at the first listing only: a tar is listed several times."""
        if self._counted is None:
            self._counted = Replacements(plain_place(m.name) for m in _told_members(file))
        return self._counted.afresh()

    def _told(self, member: TarMember, replacements: Replacements) -> FoundFile | RefusedFile:
        place = plain_place(member.name)
        reason = REPLACED if replacements.is_replaced(place) else None
        reason = why_unsafe(member.name) or member.reason or reason
        if reason:
            return RefusedFile(shown_place(place), reason)
        content = Content(str(self.path), start=member.start, size_bytes=member.size_bytes)
        return FoundFile(place, member.size_bytes, f"{member.size_bytes}-{member.mtime}", content)


def _told_members(file: BinaryIO) -> Iterator[TarMember]:
    return (m for m in read_members(file) if not m.is_folder and not is_hidden(plain_place(m.name)))


def is_tar_header(block: bytes) -> bool:
    """Whether the first 512 bytes of a file are those of a tar with a file in it."""
    try:
        return len(block) == BLOCK_BYTES and any(block) and bool(_checked(block))
    except TarDamageError:
        return False


def read_members(file: BinaryIO) -> Iterator[TarMember]:
    """Every member, in order: old, POSIX (ustar, pax) and GNU headers.

    Raises:
        TarDamageError: a header is damaged, or the archive ends before its end mark.

    Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Interchange Format"; GNU tar
    manual, "Basic Tar Format".
    """
    end = file.seek(0, 2)
    offset = 0
    records: dict[str, str] = {}
    has_records = False
    while any(block := _range(file, offset, BLOCK_BYTES)):
        kind = _checked(block)
        offset += BLOCK_BYTES
        size_bytes = 0 if kind in _WITHOUT_DATA else _size(block, records)
        if kind in (_LONG_NAME, _LONG_LINK, *_OWN_RECORDS, _RECORDS_OF_ALL):
            # One a member is what programs write; more would pile up.
            if kind in _OWN_RECORDS and has_records:
                raise TarDamageError("is damaged: a file of the tar has two headers of records")
            has_records |= kind in _OWN_RECORDS
            records |= _read_records(file, kind, offset, _number(block[124:136]))
            size_bytes = _number(block[124:136])
        else:
            if kind == _SPARSE:
                offset = _after_sparse_map(file, offset, block[482])
            if offset + size_bytes > end:
                raise TarDamageError("is cut off")
            yield _member(block, kind, records, offset, size_bytes)
            records, has_records = {}, False
        offset += -(-size_bytes // BLOCK_BYTES) * BLOCK_BYTES


def _member(
    block: bytes, kind: bytes, records: dict[str, str], start: int, size_bytes: int
) -> TarMember:
    name = records.get("GNU.sparse.name") or records.get("path") or _name(block)
    reason = None if kind in _FILES else _WHY_REFUSED.get(kind, "is no ordinary file")
    if any(key.startswith("GNU.sparse.") for key in records):
        reason = _WHY_REFUSED[_SPARSE]
    # In the oldest tars a folder is a file whose name ends with a slash.
    is_folder = kind in _FOLDERS or (kind in _FILES and name.endswith("/"))
    # Not made a number, being part of a stamp only: times before 1970 are written in ways of
    # their own.
    mtime = records.get("mtime") or block[136:148].hex()
    return TarMember(name, start, size_bytes, mtime, reason, is_folder)


def _range(file: BinaryIO, start: int, n_bytes: int) -> bytes:
    file.seek(start)
    data = file.read(n_bytes)
    if len(data) < n_bytes:
        raise TarDamageError("is cut off")
    return data


def _checked(block: bytes) -> bytes:
    """The kind of a header whose checksum is right."""
    spaced = block[:148] + b" " * 8 + block[156:]
    difference = sum(spaced) - _number(block[148:156])
    # Some old programs added the bytes up as signed ones: each above 127 counts 256 less.
    if difference and difference != 256 * sum(byte > 127 for byte in spaced):
        raise TarDamageError("is damaged: the checksum of a tar header is wrong")
    return block[156:157]


def _number(field: bytes) -> int:
    """An octal number, or a large one in base 256 after a byte of 128."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.rstrip(b" \0").lstrip(b" ").decode("latin-1")
    if not set(digits) <= set(string.octdigits):
        raise TarDamageError("is damaged: a tar header holds no number where one must be")
    return int(digits or "0", 8)


def _size(block: bytes, records: dict[str, str]) -> int:
    text = records.get("size")
    if text is None:
        return _number(block[124:136])
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise TarDamageError("is damaged: a tar record holds no size where one must be")
    return int(text)


def _name(block: bytes) -> str:
    name = _text(block[:100])
    # GNU headers ("ustar  ") keep times where POSIX ones keep the first part of a long name.
    prefix = _text(block[345:500]) if block[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _after_sparse_map(file: BinaryIO, offset: int, is_extended: int) -> int:
    while is_extended:
        is_extended = _range(file, offset, BLOCK_BYTES)[504]
        offset += BLOCK_BYTES
    return offset


def _read_records(file: BinaryIO, kind: bytes, start: int, size_bytes: int) -> dict[str, str]:
    """What a header before a header says of the member that follows."""
    if size_bytes > _MOST_HEADER_BYTES:
        raise TarDamageError("is damaged: a tar header is longer than any name")
    data = _range(file, start, size_bytes)
    if kind == _LONG_NAME:
        return {"path": _text(data)}
    return _pax_records(data) if kind in _OWN_RECORDS else {}


def _pax_records(data: bytes) -> dict[str, str]:
    """Records "<length> <key>=<value>\\n", the length being that of the whole record.

    Those that are used; an owner's name or a checksum is left where it is.
    """
    records: dict[str, str] = {}
    place, end = 0, len(data.rstrip(b"\0"))
    while place < end:
        length_text, _, _ = data[place : place + 20].partition(b" ")
        length = int(length_text) if length_text.isdigit() else 0
        record = data[place + len(length_text) + 1 : place + length]
        key, equals, value = record[:-1].partition(b"=")
        if not equals or record[-1:] != b"\n" or place + length > len(data):
            raise TarDamageError("is damaged: a record of a tar header is broken")
        if key in _USED_KEYS or key.startswith(_SPARSE_KEYS):
            records[_text(key)] = value.decode("utf-8", "surrogateescape")
        place += length
    return records
