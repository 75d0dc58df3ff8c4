"""Files of a collection, whatever holds them: a folder, an archive, a bucket."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

BUCKET_SCHEMES = ("gs://", "s3://")
"""How the address of a bucket, or of an object in one, begins."""


@dataclass(frozen=True, slots=True)
class Content:
    """Where the bytes of one file are; small, and can be sent to another process.

    `address`: an absolute local path, or gs://bucket/object, or s3://bucket/object.
    `member`: the file's name inside the zip at `address`; "" where the file is not in a zip.
    `start`, `size_bytes`: the part of a local file that is meant, such as a member of a plain
    tar; a size of None means all of it.
    """

    address: str
    member: str = ""
    start: int = 0
    size_bytes: int | None = None

    @property
    def is_remote(self) -> bool:
        """Whether the bytes must come over the network."""
        return self.address.startswith(BUCKET_SCHEMES)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file below the root of a tree.

    `place`: relative to the root, with forward slashes; it never leaves the root.
    `stamp`: another text where the content has changed: time of change, generation, checksum.
    """

    place: str
    size_bytes: int
    stamp: str
    content: Content


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """A file that must not be read, and why, in one line."""

    place: str
    reason: str


class Tree(Protocol):
    """All files below one root; `root` is its absolute address."""

    @property
    def root(self) -> str: ...

    def files(self) -> Iterator[FoundFile | RefusedFile]:
        """Every file but hidden ones, in any order; folders are not told."""
        ...
