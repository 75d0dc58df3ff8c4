"""The bytes of a file, wherever they are: in a folder, an archive or a bucket."""

import errno
import io
import logging
import os
import stat
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

from edgedistill.errors import StorageError
from edgedistill.storage.buckets import (
    Address,
    BrokenError,
    ObjectError,
    StoppedError,
    StoredObject,
    describe,
    fetch,
    retrying,
    store,
)
from edgedistill.storage.files import Content
from edgedistill.storage.gcs import file_crc32c

Key = TypeVar("Key")

MAX_FILE_BYTES = 512 << 20
"""What one photo may have, far above any camera's."""

ABSENT = "absent"
"""The stamp of a file that is not there."""

_log = logging.getLogger(__name__)

_MAX_DOCUMENT_BYTES = 1 << 30
_IN_FLIGHT_PER_THREAD = 4
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


class _TooLargeError(UnreadableFileError):
    """The file has more bytes than are allowed."""


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
        return _read_object(content, max_bytes, threading.Event())
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
    return _stamp(content, threading.Event())


def stamps(contents: Iterable[Content], *, n_threads: int = 32) -> Iterator[str]:
    """The stamp of each file, in order, many asked for at once.

    Raises:
        StorageError: a bucket cannot be used.
    """
    under_way: deque[Future[str]] = deque()
    with _threads(n_threads) as (pool, stop):
        for content in contents:
            under_way.append(pool.submit(_stamp, content, stop))
            if len(under_way) >= n_threads * _IN_FLIGHT_PER_THREAD:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def read_ahead(
    tasks: Iterable[tuple[Key, Content]],
    *,
    n_threads: int = 32,
    max_bytes_ahead: int = 256 << 20,
    max_file_bytes: int = MAX_FILE_BYTES,
) -> Generator[tuple[Key, Content | bytes | UnreadableFileError], None, None]:
    """Fetches what lies in buckets before it is asked for; local files are passed through.

    Closing the generator stops the threads at the next bytes they get.

    Args:
        tasks: what to fetch, each under a key of the caller's; taken as needed, in this thread.
        n_threads: how many objects are fetched at once.
        max_bytes_ahead: how many bytes may wait or be under way. An object larger than this, or
            than its listing said, or than an equal share where nothing was said, is fetched
            alone when it is its turn.
        max_file_bytes: what one file may have.

    Yields:
        In the order of the tasks: the key with the bytes of an object, with the untouched content
        of a local file, or with the error that costs this one object.

    Raises:
        StorageError: a bucket cannot be used.
    """
    share = max(1, min(max_bytes_ahead // n_threads, max_file_bytes))
    under_way: deque[_Turn[Key]] = deque()
    n_ahead = 0
    with _threads(n_threads) as (pool, stop):
        for key, content in tasks:
            turn = _Turn(key, content, _bytes_ahead(content, share), max_file_bytes)
            if turn.n_bytes > min(max_bytes_ahead, max_file_bytes):
                turn.n_bytes = 0
            while under_way and (
                n_ahead + turn.n_bytes > max_bytes_ahead
                or len(under_way) >= n_threads * _IN_FLIGHT_PER_THREAD
            ):
                n_ahead -= under_way[0].n_bytes
                yield under_way.popleft().result()
            if turn.n_bytes:
                turn.future = pool.submit(_read_object, content, turn.n_bytes, stop)
            n_ahead += turn.n_bytes
            under_way.append(turn)
            while under_way and under_way[0].future is None:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def download(address: str, target: Path) -> None:
    """Streams one large object to a local file, which appears complete or not at all.

    After a broken connection it goes on where it was, within the same version of the object.

    Raises:
        StorageError: the object is not there, cannot be read, or changed meanwhile.
    """
    source = Address.parse(address)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    try:
        whole = describe(source)
        with part.open("wb") as file:
            while file.tell() < whole.size_bytes:
                retrying(source, lambda: _go_on(source, whole, file))
        _verify(source, whole, part)
        part.replace(target)
    except ObjectError as error:
        raise StorageError(f"{address} {error}.") from None
    finally:
        part.unlink(missing_ok=True)


def _go_on(source: Address, whole: StoredObject, file: BinaryIO) -> None:
    """As much as one connection brings; only one that brings nothing counts as broken."""
    start = file.tell()
    try:
        store(source).fetch_rest(source, file, start=start, stamp=whole.stamp)
    except BrokenError as error:
        if file.tell() == start:
            raise
        _log.info("%s: %s after %d bytes; going on from there", source, error, file.tell())


def _verify(source: Address, whole: StoredObject, path: Path) -> None:
    same = path.stat().st_size == whole.size_bytes
    if not same or (whole.crc32c and file_crc32c(path) != whole.crc32c):
        raise StorageError(f"{source}: what arrived is not what the bucket holds; run again.")


@dataclass(slots=True)
class _Turn(Generic[Key]):
    """A task of `read_ahead`; without a future it is done when it is its turn."""

    key: Key
    content: Content
    n_bytes: int
    max_file_bytes: int
    future: Future[bytes] | None = None

    def result(self) -> tuple[Key, Content | bytes | UnreadableFileError]:
        if not self.content.is_remote:
            return self.key, self.content
        try:
            return self.key, self._bytes()
        except UnreadableFileError as error:
            return self.key, error

    def _bytes(self) -> bytes:
        if self.future is not None:
            try:
                return self.future.result()
            except _TooLargeError:
                pass  # for being fetched ahead, but perhaps not too large for a file
        stop = threading.Event()
        size_bytes = _size_bytes(self.content, stop)
        return _read_object(replace(self.content, size_bytes=size_bytes), self.max_file_bytes, stop)


def _size_bytes(content: Content, stop: threading.Event) -> int:
    try:
        return describe(Address.parse(content.address), stop).size_bytes
    except ObjectError as error:
        raise UnreadableFileError(str(error)) from None


def _bytes_ahead(content: Content, share: int) -> int:
    if not content.is_remote:
        return 0
    # An empty object is fetched like any other.
    return share if content.size_bytes is None else max(1, content.size_bytes)


@contextmanager
def _threads(n_threads: int) -> Iterator[tuple[ThreadPoolExecutor, threading.Event]]:
    """Threads that are not waited for at the end: they see the event at their next bytes."""
    stop = threading.Event()
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="bucket")
    try:
        yield pool, stop
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _too_large(size_bytes: int | None, max_bytes: int) -> _TooLargeError:
    has = f"more than {_mib(max_bytes)}" if size_bytes is None else _mib(size_bytes)
    return _TooLargeError(f"has {has}; a file may have at most {_mib(max_bytes)}")


def _mib(n_bytes: int) -> str:
    return f"{n_bytes} bytes" if n_bytes < 1 << 20 else f"{n_bytes / (1 << 20):.4g} MiB"


def _stamp(content: Content, stop: threading.Event) -> str:
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


def _read_object(content: Content, max_bytes: int, stop: threading.Event) -> bytes:
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
