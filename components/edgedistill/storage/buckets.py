"""What gs:// and s3:// have in common: addresses, listings, and patience with a network."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, Self, TypeVar

from edgedistill.errors import StorageError
from edgedistill.storage.files import BUCKET_SCHEMES, Content, FoundFile, RefusedFile
from edgedistill.storage.places import is_hidden, shown_place, why_unsafe

Result = TypeVar("Result")

RETRY_FOR_S = 60.0
"""For how long one request is tried again, from its first failure on, before the run ends."""

CONNECT_TIMEOUT_S = 10.0
SILENCE_TIMEOUT_S = 30.0
"""How long a connection may stay without a byte."""

CUT_OFF = "the answer was cut off"

_PAGE_OBJECTS = 1000
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 8.0

_log = logging.getLogger(__name__)
_buckets_seen: set[tuple[str, str]] = set()


class ObjectError(ValueError):
    """This one object cannot be had; the message says why, without its address."""


class GoneError(ObjectError):
    """The object, or its whole bucket, is not there."""


class ExistsError(ObjectError):
    """An object of this name is there already."""


class BrokenError(Exception):
    """The network or the server failed in a way that may pass."""


class DeniedError(StorageError):
    """The credentials do not suffice for this request."""


class StoppedError(Exception):
    """Nobody waits for the result any more."""


@dataclass(frozen=True, slots=True)
class Address:
    """scheme://bucket/name; `name` is empty for a whole bucket."""

    scheme: str
    bucket: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Takes an address apart; the name is kept as it is, slashes at its end too.

        Raises:
            StorageError: it names no bucket.
        """
        scheme, mark, rest = text.partition("://")
        bucket, _, name = rest.partition("/")
        if f"{scheme}{mark}" not in BUCKET_SCHEMES or not bucket:
            raise StorageError(f"The address must be like gs://bucket/folder; got {text!r}.")
        return cls(scheme, bucket, name)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}" + (f"/{self.name}" if self.name else "")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What a bucket tells of an object; `crc32c` in base64, empty where it tells none."""

    name: str
    size_bytes: int
    stamp: str
    crc32c: str = ""


class Sink(Protocol):
    """Where the bytes of an object go; what it raises must be no ValueError."""

    def write(self, data: bytes, /) -> int: ...


class Store(Protocol):
    """One request each, never tried again: the modules gcs and s3.

    All raise ObjectError, BrokenError, DeniedError or StorageError, and nothing else of their
    libraries.
    """

    def page(self, address: Address, token: str, n_most: int) -> tuple[list[StoredObject], str]:
        """The next objects whose name begins with the address's, and the token of the rest."""
        ...

    def describe(self, address: Address) -> StoredObject:
        """Asks for size and stamp, without the content."""
        ...

    def fetch(self, address: Address, sink: Sink) -> None:
        """Writes the whole content to the sink, its length and checksum verified."""
        ...

    def fetch_rest(self, address: Address, sink: Sink, *, start: int, stamp: str) -> None:
        """Writes the stored bytes from `start` on, of exactly the version with this stamp."""
        ...

    def create(self, address: Address, file: Path) -> None:
        """Stores a local file as a new object, whole or not at all, its checksum verified.

        ExistsError where an object of that name is there; GoneError where the bucket is not.
        """
        ...

    def delete(self, address: Address) -> None:
        """Removes an object; GoneError where a server tells that it is not there."""
        ...

    def rehearse(self, address: Address) -> None:
        """Begins to store a new object and gives it up, as whoever may not write cannot."""
        ...


def store(address: Address) -> Store:
    """The module that talks to this kind of bucket."""
    if address.scheme == "gs":
        from edgedistill.storage import gcs

        return gcs
    from edgedistill.storage import s3

    return s3


def retrying(
    address: Address, request: Callable[[], Result], stop: threading.Event | None = None
) -> Result:
    """Repeats a request that broke, with growing pauses, for `RETRY_FOR_S` from then on.

    Raises:
        StorageError: it broke every time.
        StoppedError: `stop` was set during a pause.
    """
    until = None
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            return request()
        except BrokenError as error:
            # By chance, so that many threads do not all come back at once.
            wait_s = pause_s * random.uniform(0.5, 1.0)
            # A large file may take longer than that to be sent, and must not break at its first.
            until = until or time.monotonic() + RETRY_FOR_S
            if time.monotonic() + wait_s > until:
                raise StorageError(
                    f"{address}: the connection failed again and again for {RETRY_FOR_S:.0f} s "
                    f"({error}); check the network and the endpoint, then run again."
                ) from error
            _log.debug("%s: %s; trying again in %.1f s", address, error, wait_s)
        if (stop or threading.Event()).wait(wait_s):
            raise StoppedError
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def first_line(error: object) -> str:
    """What an error of a library says, fit for the middle of a sentence."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")[:200]


def describe(address: Address, stop: threading.Event | None = None) -> StoredObject:
    """Size and stamp of an object.

    Raises:
        GoneError: it is not there.
        StorageError: its bucket is not there, or cannot be read.
    """
    try:
        return retrying(address, partial(store(address).describe, address), stop)
    except GoneError:
        _require_bucket(address)
        raise


def fetch(
    address: Address, open_sink: Callable[[], Sink], stop: threading.Event | None = None
) -> None:
    """Writes a whole object to a sink; each try begins with a fresh one.

    Raises:
        ObjectError: this object cannot be had.
        StorageError: its bucket is not there, or cannot be read.
    """
    try:
        retrying(address, lambda: store(address).fetch(address, open_sink()), stop)
    except GoneError:
        _require_bucket(address)
        raise


def _require_bucket(address: Address) -> None:
    """Tells a bucket that is not there from an object: to servers both are a plain 404."""
    bucket = Address(address.scheme, address.bucket, "")
    if (address.scheme, address.bucket) in _buckets_seen:
        return
    try:
        retrying(bucket, partial(store(bucket).page, bucket, "", 1))
    except GoneError:
        raise no_bucket(bucket) from None
    except DeniedError:  # whoever may not list a bucket cannot know; its objects speak for it
        return
    _buckets_seen.add((address.scheme, address.bucket))


def no_bucket(address: Address) -> StorageError:
    """The error for a bucket that is not there."""
    bucket = Address(address.scheme, address.bucket, "")
    return StorageError(f"{bucket}: there is no such bucket; check its name and the endpoint.")


@dataclass(frozen=True, slots=True)
class BucketTree:
    """The objects below a prefix, which is a folder: photos/ does not hold photos2/1.jpg."""

    root: str

    def files(self) -> Iterator[FoundFile | RefusedFile]:
        """Every object but hidden ones and folder markers, a page at a time.

        Raises:
            StorageError: the bucket is not there, or cannot be listed.
        """
        folder = Address.parse(self.root)
        prefix = Address(folder.scheme, folder.bucket, f"{folder.name}/" if folder.name else "")
        for found in _objects(prefix):
            place = found.name.removeprefix(prefix.name)
            if place == "" or place.endswith("/"):  # how consoles write down an empty folder
                continue
            if reason := why_refused(place):
                yield RefusedFile(shown_place(place), reason)
            elif not is_hidden(place):
                address = Address(prefix.scheme, prefix.bucket, found.name)
                content = Content(str(address), size_bytes=found.size_bytes)
                yield FoundFile(place, found.size_bytes, found.stamp, content)


def bucket_tree(address: str) -> BucketTree:
    """The folder at gs://bucket/prefix or s3://bucket/prefix; nothing is asked for yet.

    Raises:
        StorageError: the address names no bucket.
    """
    return BucketTree(str(Address.parse(address.rstrip("/"))))


def _objects(prefix: Address) -> Iterator[StoredObject]:
    token = ""
    while True:
        try:
            page, token = retrying(
                prefix, partial(store(prefix).page, prefix, token, _PAGE_OBJECTS)
            )
        except GoneError:
            raise no_bucket(prefix) from None
        yield from page
        if not token:
            return


def why_refused(place: str) -> str | None:
    """Why an object's name could lead astray where it is taken for a path, or None."""
    parts = place.split("/")
    if ".." in parts or "." in parts:
        return "its name has a part that is . or .., which could leave the folder"
    if "" in parts:
        return "its name has an empty part, as a//b has"
    return why_unsafe(place)
