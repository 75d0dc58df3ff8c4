"""One large object from a bucket to a local file, on through broken connections."""

import logging
from pathlib import Path
from typing import BinaryIO

from edgedistill.errors import StorageError
from edgedistill.storage.buckets import (
    Address,
    BrokenError,
    ObjectError,
    StoredObject,
    describe,
    retrying,
    store,
)
from edgedistill.storage.gcs import file_crc32c

_log = logging.getLogger(__name__)


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
