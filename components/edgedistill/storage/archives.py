"""Archives as trees of files: zip, and tar as it is or packed with gzip, bzip2 or xz."""

import stat
import struct
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from edgedistill.errors import DatasetError
from edgedistill.storage.files import Content, FoundFile, RefusedFile, Tree
from edgedistill.storage.places import (
    REPLACED,
    Replacements,
    is_hidden,
    plain_place,
    shown_place,
    why_unsafe,
)
from edgedistill.storage.reading import UnreadableFileError
from edgedistill.storage.tars import BLOCK_BYTES, TarTree, is_tar_header
from edgedistill.storage.unpacking import PACKINGS, check_packed_tar, unpack_tar

ARCHIVE_SUFFIXES = (
    ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz"
)  # fmt: skip
"""How the name of an archive ends; for a local file, its first bytes count instead."""

_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_DAMAGED_ZIP = (BadZipFile, ValueError, struct.error, NotImplementedError, EOFError)
_ENCRYPTED_FLAG = 1
_UTF8_FLAG = 0x800
_LOCAL_HEADER_BYTES = 30
# zipfile keeps 0.5 kB a member: a directory of this size, more than half a million ordinary
# photos, costs some 300 MB, and 700 MB where names have one letter.
_MOST_DIRECTORY_BYTES = 64 << 20
# The records after the directory (APPNOTE.TXT 4.3.14 to 4.3.16).
_END_MARK, _LOCATOR64_MARK, _RECORD64_MARK = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"
_END_RECORD = struct.Struct("<4s4H2LH")
_LOCATOR64 = struct.Struct("<4sLQL")
_RECORD64 = struct.Struct("<4sQ2H2L4Q")
_UNSTATED = 0xFFFFFFFF  # zip64's record has the number
_END_BYTES = _END_RECORD.size + 0xFFFF + 1024  # with the longest comment, and zip64's locator
_OPEN_ZIPS = 4


def is_archive_name(address: str) -> bool:
    """Whether an address is that of an archive, by its name alone."""
    return address.lower().endswith(ARCHIVE_SUFFIXES)


def archive_kind(path: Path) -> str | None:
    """ "zip", "tar", "gzip", "bzip2" or "xz" by the first bytes of a local file, else None.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(BLOCK_BYTES)
    if start.startswith(_ZIP_STARTS):
        return "zip"
    packings = (name for mark, name in PACKINGS.items() if start.startswith(mark))
    return next(packings, "tar" if is_tar_header(start) else None)


def archive_tree(path: Path, scratch: Path, root: str) -> Tree:
    """The files of the archive at `path`; a packed tar is first unpacked into `scratch`.

    Args:
        path: a local file.
        scratch: an existing folder, to be kept as long as the files are read.
        root: the address that the user gave, which is the bucket's for a downloaded archive.

    Raises:
        DatasetError: no archive of these kinds, damaged, cut off, or a bomb.
        StorageError: no room in `scratch`.
    """
    kind = _kind(path, root)
    if kind == "zip":
        return ZipTree(root, path)
    if kind != "tar":
        path = unpack_tar(path, kind, scratch, root)
    return TarTree(root, path)


def check_archive(path: Path, root: str) -> None:
    """Refuses what can be told to be no such archive without unpacking it.

    Raises:
        DatasetError: as `archive_tree`, but for damage that shows later on.
    """
    kind = _kind(path, root)
    if kind == "zip":
        _open_zip(path, root).close()
    elif kind != "tar":
        check_packed_tar(path, kind, root)


def _kind(path: Path, root: str) -> str:
    try:
        kind = archive_kind(path)
    except OSError as error:
        raise DatasetError(f"{root} cannot be read: {error.strerror}.") from None
    if kind is None:
        raise DatasetError(
            f"{root} must be an archive of kind {', '.join(ARCHIVE_SUFFIXES)}; it does not "
            "begin as one, so it is damaged or of another kind."
        )
    return kind


class ZipTree:
    """All files of the zip at `path`; `root` is the address that the user gave."""

    def __init__(self, root: str, path: Path):
        self.root = root
        self.path = path
        with _open_zip(path, root) as archive:
            self._members = [
                info
                for info in archive.infolist()
                if not _is_folder(info) and not is_hidden(plain_place(_name(info)))
            ]
        self._replacements = Replacements(plain_place(_name(info)) for info in self._members)
        self._overlapping = _overlapping(self._members)

    def files(self) -> Iterator[FoundFile | RefusedFile]:
        """Every member that is a file and not hidden; the last of those with one name."""
        replacements = self._replacements.afresh()
        for info in self._members:
            name = _name(info)
            place = plain_place(name)
            replaced = REPLACED if replacements.is_replaced(place) else None
            shares = _SHARES if info.header_offset in self._overlapping else None
            if reason := why_unsafe(name) or _why_refused(info) or replaced or shares:
                yield RefusedFile(shown_place(place), reason)
                continue
            stamp = f"{info.file_size}-{info.CRC:08x}"
            content = Content(str(self.path), member=name)
            yield FoundFile(place, info.file_size, stamp, content)


def _is_folder(info: ZipInfo) -> bool:
    """As `ZipInfo.is_dir`, which fails where damage left no name."""
    return info.filename.endswith("/")


def read_member(path: Path, member: str, max_bytes: int) -> bytes:
    """A file of a zip, unpacked in memory; the zip stays open for the next one.

    Args:
        path: the local zip.
        member: `Content.member` of a file that `archive_tree` found.
        max_bytes: a larger one is refused before it is unpacked.

    Raises:
        UnreadableFileError: too large, damaged, encrypted, not what it declares, or the zip itself
            cannot be read.
    """
    try:
        status = path.stat()
        archive = _kept_zip(path, status.st_size, status.st_mtime_ns)
        info = archive.getinfo(member)
        if reason := _why_refused(info):
            raise UnreadableFileError(reason)
        if info.file_size > max_bytes:
            raise UnreadableFileError(f"has {info.file_size} bytes; at most {max_bytes} are read")
        with archive.open(info) as file:
            # With a length, zipfile stops at it; without, it unpacks all there is before it looks.
            data = file.read(info.file_size + 1)
    except KeyError:
        raise UnreadableFileError("is not in the archive any more") from None
    except UnreadableFileError:
        raise
    except (*_DAMAGED_ZIP, DatasetError, RuntimeError, OSError, zlib.error) as error:
        raise UnreadableFileError(f"is damaged in the archive: {error}") from None
    if len(data) != info.file_size:
        raise UnreadableFileError(f"is cut off: {len(data)} of {info.file_size} bytes are there")
    return data


@lru_cache(_OPEN_ZIPS)
def _kept_zip(path: Path, _size_bytes: int, _mtime_ns: int) -> ZipFile:
    archive = _open_zip(path, str(path))
    # By whole names, of which the places are made: two files can have one of zipfile's own names,
    # which end at a NUL. Of two with one whole name the last is meant, as in `ZipTree.files`.
    archive.NameToInfo = {_name(info): info for info in archive.infolist()}
    return archive


def _open_zip(path: Path, root: str) -> ZipFile:
    try:
        directory_bytes = _directory_bytes(path)
        if directory_bytes > _MOST_DIRECTORY_BYTES:
            raise DatasetError(
                f"{root} lists its files in {directory_bytes / 1e6:.0f} MB, more than the "
                f"{_MOST_DIRECTORY_BYTES / 1e6:.0f} MB that are read; make it a tar, or several."
            )
        return ZipFile(path)
    except OSError as error:
        raise DatasetError(f"{root} cannot be read: {error.strerror}.") from None
    except _DAMAGED_ZIP as error:
        raise DatasetError(
            f"{root} is damaged or cut off (zip: {error}); make the archive anew."
        ) from None


def _directory_bytes(path: Path) -> int:
    """At most how large the zip's directory is, by every record that zipfile may go by."""
    with path.open("rb") as file:
        size_bytes = file.seek(0, 2)
        end_at = max(0, size_bytes - _END_BYTES)
        file.seek(end_at)
        end = file.read()
        # zipfile takes the record that ends the file, and only without one the last before a
        # comment; a record can hold the mark of another in its numbers.
        places = {max(0, len(end) - _END_RECORD.size), end.rfind(_END_MARK)}
        return max(_declared_bytes(file, end_at, end, place) for place in places)


def _declared_bytes(file: BinaryIO, end_at: int, end: bytes, place: int) -> int:
    """What the end record at `place` of the file's end declares, or zip64's if that is more."""
    if not end.startswith(_END_MARK, max(0, place)) or len(end) - place < _END_RECORD.size:
        return 0  # zipfile says what is missing
    older: int = _END_RECORD.unpack_from(end, place)[5]
    declared: list[int] = []
    locator_at = place - _LOCATOR64.size
    if locator_at >= 0 and end.startswith(_LOCATOR64_MARK, locator_at):
        # zipfile goes by zip64's record whatever the other says; by version, it seeks it right
        # before the locator or where the locator says.
        stated_at: int = _LOCATOR64.unpack_from(end, locator_at)[2]
        for record_at in (end_at + locator_at - _RECORD64.size, stated_at):
            if record := _record64(file, record_at):
                declared.append(_RECORD64.unpack(record)[8])
    is_stated = older != _UNSTATED or not declared
    return max(declared + [older] * is_stated)


def _record64(file: BinaryIO, place: int) -> bytes:
    if not 0 <= place < 1 << 63:
        return b""
    file.seek(place)
    record = file.read(_RECORD64.size)
    is_whole = len(record) == _RECORD64.size and record.startswith(_RECORD64_MARK)
    return record if is_whole else b""


def _name(info: ZipInfo) -> str:
    """The member's whole name: unmarked names are UTF-8 where they can be, as macOS means them.

    zipfile reads them as code page 437, and cuts a name at a NUL.
    """
    if info.flag_bits & _UTF8_FLAG:
        return info.orig_filename
    try:
        return info.orig_filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.orig_filename


def _why_refused(info: ZipInfo) -> str | None:
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "is a link"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "is no ordinary file"
    if info.flag_bits & _ENCRYPTED_FLAG:
        return "is encrypted"
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        # The others unpack without a limit on memory in zipfile, and no photo archive uses them.
        return f"is packed by method {info.compress_type}; stored and deflated files are read"
    return None


_SHARES = "shares its bytes with another file of the archive, as in an archive bomb"


def _overlapping(members: Sequence[ZipInfo]) -> set[int]:
    """Where the members begin whose bytes run into the next one's.

    Source: Fifield 2019, "A better zip bomb", WOOT '19.
    """
    ordered = sorted(members, key=lambda info: info.header_offset)
    found = set()
    for info, following in pairwise(ordered):
        header_bytes = _LOCAL_HEADER_BYTES + len(info.orig_filename)
        if info.header_offset + header_bytes + info.compress_size > following.header_offset:
            found.add(info.header_offset)
    return found
