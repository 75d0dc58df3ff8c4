"""Many files at once: what lies in buckets is fetched by threads before it is asked for."""

import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from edgedistill.storage.buckets import Address, ObjectError, describe
from edgedistill.storage.files import Content
from edgedistill.storage.reading import (
    MAX_FILE_BYTES,
    TooLargeError,
    UnreadableFileError,
    read_object,
    stamp_until,
)

Key = TypeVar("Key")

_IN_FLIGHT_PER_THREAD = 4


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
                turn.future = pool.submit(read_object, content, turn.n_bytes, stop)
            n_ahead += turn.n_bytes
            under_way.append(turn)
            while under_way and under_way[0].future is None:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def stamps(contents: Iterable[Content], *, n_threads: int = 32) -> Iterator[str]:
    """The stamp of each file, in order, many asked for at once.

    Raises:
        StorageError: a bucket cannot be used.
    """
    under_way: deque[Future[str]] = deque()
    with _threads(n_threads) as (pool, stop):
        for content in contents:
            under_way.append(pool.submit(stamp_until, content, stop))
            if len(under_way) >= n_threads * _IN_FLIGHT_PER_THREAD:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


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
            except TooLargeError:
                pass  # for being fetched ahead, but perhaps not too large for a file
        stop = threading.Event()
        size_bytes = _size_bytes(self.content, stop)
        return read_object(replace(self.content, size_bytes=size_bytes), self.max_file_bytes, stop)


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
