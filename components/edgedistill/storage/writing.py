"""A file put in a folder or a bucket: whole or not at all, and never over another one."""

import re
from pathlib import Path

from edgedistill.errors import StorageError
from edgedistill.storage.files import BUCKET_SCHEMES
from edgedistill.storage.new_files import check_folder, put_file
from edgedistill.storage.new_objects import check_prefix, put_object

_NAME = "The place to write to"
_IN_BUCKET = re.compile(f"({'|'.join(BUCKET_SCHEMES)})[^/]")


def put_new(file: Path, address: str, *, name: str | None = None) -> str:
    """Puts a local file below an address, whole or not at all; one that is there stays.

    Where the very same bytes are there already, that is as good, and nothing is sent.

    Args:
        file: what to put there.
        address: an absolute folder, which is made with its parents, gs://bucket/prefix or
            s3://bucket/prefix.
        name: what it is called there; by default as here.

    Returns:
        Its whole address there.

    Raises:
        StorageError: other bytes are there under that name, or it cannot be written.
        ValueError: `name` is no plain name.
    """
    name = file.name if name is None else name
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"name must be that of a file; got {name!r}")
    if is_bucket(address):
        return put_object(file, address, name)
    target = Path(address) / name
    put_file(file, target)
    return str(target)


def check_target(address: str, *, name: str = _NAME) -> None:
    """Refuses what `put_new` would refuse by its address alone; stores nothing.

    In a bucket, an upload is begun and given up, which asks for the very permission.

    Args:
        address: the place to write to.
        name: what to call it where it is no such place, such as its setting.

    Raises:
        StorageError: another scheme, no folder, a relative one, not writable, no such bucket.
    """
    if is_bucket(address, name=name):
        check_prefix(address)
    else:
        check_folder(Path(address))


def is_bucket(address: str, *, name: str = _NAME) -> bool:
    """Whether a place to write to is in a bucket; else it is a folder.

    Raises:
        StorageError: neither, or a folder that is not absolute.
    """
    if _IN_BUCKET.match(address):
        return True
    # One slash is soon forgotten, and gs:/bucket would be a folder here.
    if not address or "\0" in address or "://" in address or address.startswith(("gs:", "s3:")):
        raise StorageError(
            f"{name} must be a folder, gs://bucket/folder or s3://bucket/folder; got {address!r}."
        )
    # In a pod, what such a place stands for is lost with the pod.
    if not address.startswith("/"):
        raise StorageError(
            f"{name} must be an absolute path, without ~, on a cluster that of a mounted volume; "
            f"got {address!r}."
        )
    return False
