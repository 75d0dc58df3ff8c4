"""A local file as a new object of a bucket."""

import logging
from functools import partial
from pathlib import Path
from typing import BinaryIO

from edgedistill.errors import StorageError
from edgedistill.storage.buckets import (
    Address,
    BrokenError,
    DeniedError,
    ExistsError,
    GoneError,
    ObjectError,
    no_bucket,
    retrying,
    store,
    why_refused,
)
from edgedistill.storage.new_files import TakenError
from edgedistill.storage.places import one_line

_MOST_NAME_BYTES = 1024  # of an object, in both kinds of bucket
_REHEARSED_NAME = "edgedistill-may-it-write"

_log = logging.getLogger(__name__)


def put_object(file: Path, folder: str, name: str) -> str:
    """Puts a file as `folder`/`name`, or leaves the very same bytes there; gives the address.

    Args:
        file: a local file.
        folder: gs://bucket/prefix or s3://bucket/prefix.
        name: without slashes.

    Raises:
        StorageError: other bytes are there under that name, or it cannot be written.
    """
    address = _object_address(folder, name)
    retrying(address, partial(_put, address, file))
    return str(address)


def check_prefix(folder: str) -> None:
    """Refuses a prefix below which nothing may be written, without storing anything.

    Raises:
        StorageError: no such bucket, no permission, or no name that is used here.
    """
    address = _object_address(folder, _REHEARSED_NAME)
    try:
        retrying(address, partial(store(address).rehearse, address))
    except GoneError:
        raise no_bucket(address) from None
    except ExistsError:  # whoever is told so may write
        return


def _object_address(folder: str, name: str) -> Address:
    base = Address.parse(folder)
    prefix = base.name.rstrip("/")
    place = f"{prefix}/{name}" if prefix else name
    reason = why_refused(place)
    if reason is None and len(place.encode("utf-8")) > _MOST_NAME_BYTES:
        reason = f"its name is too long; a bucket takes {_MOST_NAME_BYTES} bytes at most"
    if reason:
        shown = one_line(f"{base.scheme}://{base.bucket}/{place}")
        raise StorageError(f"{shown} cannot be written: {reason}.")
    return Address(base.scheme, base.bucket, place)


def _put(address: Address, file: Path) -> None:
    """One try, which begins by looking: the answer to the one before may have been lost."""
    try:
        is_there = _holds(address, file)
    except DeniedError:  # some may write and not read; then the condition alone decides
        _log.debug("%s may not be looked at before it is written", address)
        is_there = False
    if is_there:
        _log.info("%s is there already, with the same bytes", address)
        return
    try:
        store(address).create(address, file)
        _log.debug("%s: put there, %d bytes", address, file.stat().st_size)
    except GoneError:
        raise no_bucket(address) from None
    except ExistsError:
        _require_same(address, file)


def _require_same(address: Address, file: Path) -> None:
    """For an object that came between the look and the write, or could not be looked at."""
    try:
        if not _holds(address, file):
            raise BrokenError("an object came and went while it was written")
    except DeniedError as error:
        raise StorageError(
            f"{address} is there already, and may not be read to tell whether it is the same; "
            "allow that, move it away, or write to another place."
        ) from error
    _log.info("%s is there already, with the same bytes", address)


def _holds(address: Address, file: Path) -> bool:
    """Whether the object is there, with the bytes of the file.

    Not by a checksum: what S3 tells of one depends on how the object was encrypted and sent. And
    whoever may ask for it may read the object as well.

    Raises:
        StorageError: other bytes are there.
    """
    try:
        is_same = store(address).describe(address).size_bytes == file.stat().st_size
        if is_same:
            with file.open("rb") as expected:
                store(address).fetch(address, _Comparison(expected))
                is_same = not expected.read(1)
    except GoneError:
        return False
    except _DifferentError:
        is_same = False
    except ObjectError as error:
        raise StorageError(
            f"{address} is there already, and {error}; move it away, or write to another place."
        ) from None
    if not is_same:
        raise TakenError(
            f"{address} is there already with other bytes, and stays; move it away, or write to "
            "another place."
        )
    return True


class _DifferentError(Exception):
    """What comes is not what was expected."""


class _Comparison:
    """A sink that takes the bytes of a file and no others."""

    def __init__(self, expected: BinaryIO):
        self._expected = expected

    def write(self, data: bytes, /) -> int:
        if self._expected.read(len(data)) != data:
            raise _DifferentError
        return len(data)
