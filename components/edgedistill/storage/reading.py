"""The bytes of a file, wherever they are: in a folder, an archive or a bucket."""

import errno
import io
import os
import stat
import threading
from pathlib import Path
from typing import BinaryIO

from edgedistill.errors import StorageError
from edgedistill.storage.buckets import (
    Address,
    ObjectError,
    StoppedError,
    describe,
    fetch,
)
from edgedistill.storage.files import Content

MAX_FILE_BYTES = 512 << 20
"""What one photo may have, far above any camera's."""

ABSENT = "absent"
"""The stamp of a file that is not there."""

_MAX_DOCUMENT_BYTES = 1 << 30
_NOT_PLAIN = "is a folder, a pipe or a device, not a plain file"
_NOT_THE_FILES_FAULT = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_OS_REASONS = {
    errno.ENOENT: "does not exist",
    errno.ENOTDIR: "does not exist",
    errno.EACCES: "may not be read: permission denied",
    errno.EPERM: "may not be read: permission denied",
    errno.ELOOP: "is a link that leads to itself",
    errno.ENAMETOOLONG: "has a name that is too long",
    errno.ENXIO: _NOT_PLAIN,
}


class UnreadableFileError(ValueError):
    """This one file cannot be read; the message says why, without its name."""


class TooLargeError(UnreadableFileError):
    """The file has more bytes than are allowed; the message says how many."""


def read(content: Content, *, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """All bytes of a file.

    Args:
        content: where they are.
        max_bytes: what the file may have; a larger one is not read to its end.

    Raises:
        UnreadableFileError: this file cannot be read; others may.
        StorageError: the place that holds it cannot be used at all.
    """
    if content.is_remote:
        return read_object(content, max_bytes, threading.Event())
    if content.member:
        from edgedistill.storage.archives import read_member

        return read_member(Path(content.address), content.member, max_bytes)
    return _read_local(content, max_bytes)


def read_document(address: str) -> bytes:
    """All bytes of a file that the run cannot do without, such as a manifest.

    Args:
        address: a local path, gs://bucket/object or s3://bucket/object.

    Raises:
        StorageError: it cannot be read.
    """
    try:
        return read(Content(address), max_bytes=_MAX_DOCUMENT_BYTES)
    except UnreadableFileError as error:
        raise StorageError(f"{address} {error}.") from None


def stamp(content: Content) -> str:
    """A text that changes with the file: its size and time of change, or its bucket's word.

    Raises:
        StorageError: the bucket cannot be used.
    """
    return stamp_until(content, threading.Event())


def _too_large(size_bytes: int | None, max_bytes: int) -> TooLargeError:
    has = f"more than {_mib(max_bytes)}" if size_bytes is None else _mib(size_bytes)
    return TooLargeError(f"has {has}; a file may have at most {_mib(max_bytes)}")


def _mib(n_bytes: int) -> str:
    return f"{n_bytes} bytes" if n_bytes < 1 << 20 else f"{n_bytes / (1 << 20):.4g} MiB"


def stamp_until(content: Content, stop: threading.Event) -> str:
    """As `stamp`, for as long as the event is not set."""
    try:
        if content.is_remote:
            return describe(Address.parse(content.address), stop).stamp
        status = Path(content.address).stat()
    except (ObjectError, OSError, ValueError):
        return ABSENT
    return f"{status.st_size}-{status.st_mtime_ns}"


class _FullError(Exception):
    """A buffer was given more than it may hold."""


class _Buffer(io.BytesIO):
    """Bytes in memory, up to a limit, for as long as somebody wants them."""

    def __init__(self, max_bytes: int, stop: threading.Event):
        super().__init__()
        self._max_bytes = max_bytes
        self._stop = stop

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # a bucket gives bytes
        if self._stop.is_set():
            raise StoppedError
        n_written = super().write(data)
        if self.tell() > self._max_bytes:
            raise _FullError
        return n_written


def read_object(content: Content, max_bytes: int, stop: threading.Event) -> bytes:
    """All bytes of an object in a bucket, for as long as the event is not set.

    Raises:
        UnreadableFileError: this object cannot be read, or has more than `max_bytes`.
        StorageError: the bucket cannot be used.
    """
    if content.size_bytes is not None and content.size_bytes > max_bytes:
        raise _too_large(content.size_bytes, max_bytes)
    buffers: list[_Buffer] = []

    def open_sink() -> _Buffer:
        buffers[:] = [_Buffer(max_bytes, stop)]
        return buffers[0]

    try:
        fetch(Address.parse(content.address), open_sink, stop)
    except _FullError:
        raise _too_large(None, max_bytes) from None
    except ObjectError as error:
        raise UnreadableFileError(str(error)) from None
    return buffers[0].getvalue()


def _read_local(content: Content, max_bytes: int) -> bytes:
    try:
        with _open_plain(content.address) as file:
            wanted = content.size_bytes
            if wanted is None:
                wanted = max(0, os.fstat(file.fileno()).st_size - content.start)
            if wanted > max_bytes:
                raise _too_large(wanted, max_bytes)
            file.seek(content.start)
            data = file.read(wanted)
    except OSError as error:
        if error.errno in _NOT_THE_FILES_FAULT:
            raise
        raise UnreadableFileError(_os_reason(error, content.address)) from None
    if len(data) != wanted:
        raise UnreadableFileError(f"is cut off: {len(data)} of {wanted} bytes are there")
    return data


def _os_reason(error: OSError, path: str) -> str:
    if error.errno == errno.ENOENT and "\\" in path:
        return "does not exist; write its path with forward slashes"
    return _OS_REASONS.get(error.errno or 0, f"cannot be read: {error.strerror}")


def _open_plain(path: str) -> BinaryIO:
    if "\0" in path:
        raise UnreadableFileError("has a name that no file can have")
    # Without O_NONBLOCK, opening a pipe waits for somebody who writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnreadableFileError(_NOT_PLAIN)
    return os.fdopen(descriptor, "rb")
