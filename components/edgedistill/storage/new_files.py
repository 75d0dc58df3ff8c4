"""A new file in a local folder, whole or not at all, and never over another one."""

import contextlib
import ctypes
import errno
import fcntl
import logging
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

from edgedistill.errors import NO_ROOM, StorageError
from edgedistill.storage.places import one_line

_CHUNK_BYTES = 1 << 20
_NO_SUCH_CALL = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_OS_REASONS = {
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the file system is read-only",
    errno.ENAMETOOLONG: "its name is too long",
}
_LIKE_AN_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_UNFINISHED = re.compile(r"\.[0-9a-f]{16}\.part")
_AT_FDCWD, _RENAME_NOREPLACE = -100, 1  # of Linux' fcntl.h and fs.h

_log = logging.getLogger(__name__)


class TakenError(StorageError):
    """Something else is there already under the name of a new file or object."""


def put_file(file: Path, target: Path) -> None:
    """Copies a file to a new place, whole or not at all, or leaves the very same bytes there.

    Args:
        file: what to copy.
        target: an absolute path; folders that are missing are made.

    Raises:
        StorageError: other bytes are there under that name, or it cannot be written.
    """
    check_folder(target.parent)
    with file.open("rb") as source:
        try:
            if os.path.lexists(target):
                _require_same(source, target)
                return
            _write_whole(partial(shutil.copyfileobj, source, length=_CHUNK_BYTES), target)
        except FileExistsError:  # another run was faster
            _require_same(source, target)
        except OSError as error:
            raise failure(target, error, file.stat().st_size) from error


def make_file(target: Path, write: Callable[[BinaryIO], object], *, size_bytes: int) -> None:
    """Makes a new file whose bytes `write` gives, whole or not at all.

    Args:
        target: an absolute path; folders that are missing are made.
        write: writes all bytes to the file that it is given.
        size_bytes: how many they are, for whoever must make room for them.

    Raises:
        TakenError: something is there under that name.
        StorageError: it cannot be written.
    """
    check_folder(target.parent)
    try:
        _write_whole(write, target)
    except FileExistsError:
        raise TakenError(
            f"{one_line(str(target))} is there already, and stays; move it away, or write to "
            "another place."
        ) from None
    except OSError as error:
        raise failure(target, error, size_bytes) from error


def remove_unfinished_files(folder: Path) -> None:
    """Removes what runs that were killed while they wrote a file left in a folder.

    Raises:
        OSError: it cannot be listed, or one not be removed.
    """
    for path in folder.iterdir():
        if _UNFINISHED.fullmatch(path.name):
            with contextlib.suppress(FileNotFoundError), path.open("rb") as found:
                if _locked(found):
                    path.unlink()


def check_folder(folder: Path) -> None:
    """Refuses a place where no folder can be made, or nothing be written in it.

    A file is begun there that has no name, where the file system can, and is gone at once.

    Args:
        folder: an absolute path; it need not be there.

    Raises:
        StorageError: says what stands in the way.
    """
    try:
        found = next(p for p in (folder, *folder.parents) if os.path.lexists(p))
        if not found.is_dir():
            raise _refusal(folder, f"{one_line(str(found))} is {_other_than(found, 'folder')}")
        most_bytes = os.pathconf(found, "PC_NAME_MAX")
    except OSError as error:
        raise failure(folder, error) from None
    if any(len(os.fsencode(part)) > most_bytes for part in folder.parts):
        raise _refusal(folder, _OS_REASONS[errno.ENAMETOOLONG])
    _require_meant(folder, folder.parts[len(found.parts) :])
    if not os.access(found, os.W_OK | os.X_OK):
        raise _refusal(folder, f"no permission to write {one_line(str(found))}")
    _rehearse(folder, found)


def _require_meant(folder: Path, new_parts: tuple[str, ...]) -> None:
    """Refuses to make a folder whose name is more likely a slip; one that is there was meant."""
    for part in new_parts:
        if part != part.strip():
            raise _refusal(
                folder,
                f"{part!r} begins or ends with a blank; make that folder first if it is meant",
            )
        if _LIKE_AN_ADDRESS.match(part):
            raise _refusal(
                folder,
                f"{part!r} looks like an address; write gs://bucket/folder or "
                "s3://bucket/folder, or make that folder first if it is meant",
            )


def _rehearse(folder: Path, found: Path) -> None:
    """Where nobody may make files, as in /proc, permissions alone do not tell."""
    try:
        with tempfile.TemporaryFile(dir=found):
            pass
    except FileNotFoundError:
        raise _refusal(folder, f"no file can be made in {one_line(str(found))}") from None
    except OSError as error:
        raise failure(folder, error) from None


def _other_than(place: Path, kind: str) -> str:
    is_nowhere = place.is_symlink() and not place.exists()
    return "a link that leads nowhere" if is_nowhere else f"no {kind}"


def _write_whole(write: Callable[[BinaryIO], object], target: Path) -> None:
    """Writes beside the target first, under a hidden name that no other run has.

    The file appears when its bytes are on the disk; a run that is killed leaves the hidden one.

    Raises:
        FileExistsError: something is there under that name.
        OSError: it cannot be written.
    """
    _make_folder(target.parent)
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as sink:
            _locked(sink)
            write(sink)
            n_bytes = sink.tell()
            sink.flush()
            os.fsync(sink.fileno())
            _give_name(part, target)
    finally:
        part.unlink(missing_ok=True)
    _write_down(target.parent)
    _log.debug("%s: put there, %d bytes", target, n_bytes)


def _locked(file: BinaryIO) -> bool:
    """Whether no other process writes the file now, nor will while this one has it open."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # a file system without locks
        _log.debug("%s cannot be locked: %s", file.name, error)
    return True


def _make_folder(folder: Path) -> None:
    """With its parents, each of which outlives a power failure as the files in it do."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _write_down(folder.parent)


def _give_name(part: Path, target: Path) -> None:
    """As renaming, which would replace a file of that name.

    Raises:
        FileExistsError: there is one.
    """
    try:
        os.link(part, target)
    except OSError as error:
        if error.errno not in _NO_SUCH_CALL:
            raise
        _rename_new(part, target)  # on USB sticks and some mounts a file has one name only


def _rename_new(part: Path, target: Path) -> None:
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    places = (_AT_FDCWD, bytes(part), _AT_FDCWD, bytes(target))
    if rename is not None and rename(*places, _RENAME_NOREPLACE) == 0:
        return
    code = errno.ENOSYS if rename is None else ctypes.get_errno()
    if code in _NO_SUCH_CALL:
        raise _refusal(
            target,
            "the file system there can neither link a file nor rename one without replacing "
            "another; write to another folder, to gs:// or to s3://",
        )
    raise OSError(code, os.strerror(code), str(target))


def _write_down(folder: Path) -> None:
    """Makes the new name outlive a power failure, where the file system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _require_same(source: BinaryIO, target: Path) -> None:
    if not target.is_file():
        what = _other_than(target, "file")
    elif not _is_same(source, target):
        what = "there already with other bytes"
    else:
        _log.info("%s is there already, with the same bytes", target)
        return
    raise TakenError(
        f"{one_line(str(target))} is {what}, and stays; move it away, or write to another place."
    )


def _is_same(source: BinaryIO, target: Path) -> bool:
    source.seek(0)
    with target.open("rb") as found:
        while data := found.read(_CHUNK_BYTES):
            if data != source.read(_CHUNK_BYTES):
                return False
    return not source.read(1)


def failure(place: Path, error: OSError, size_bytes: int = 0) -> StorageError:
    """The sentence for what the system says where a new file, of that size, was written."""
    if error.errno in NO_ROOM:
        what = f"{size_bytes / 1e6:.1f} MB find" if size_bytes else "a new file finds"
        return _refusal(place, f"{what} no room there; free some space, or write to another place")
    return _refusal(place, _OS_REASONS.get(error.errno or 0, str(error.strerror)))


def _refusal(place: Path, reason: str) -> StorageError:
    return StorageError(f"{one_line(str(place))} cannot be written: {reason}.")
