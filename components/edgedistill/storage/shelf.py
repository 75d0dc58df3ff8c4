"""A few files that one writer keeps in a folder or below a prefix of a bucket.

Each is added whole or not at all, never changed, and removed when it has served.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from edgedistill.errors import NO_ROOM, StorageError
from edgedistill.storage.buckets import Address, GoneError, bucket_tree, retrying, store
from edgedistill.storage.downloads import download
from edgedistill.storage.files import FoundFile
from edgedistill.storage.new_files import failure, make_file, remove_unfinished_files
from edgedistill.storage.places import one_line
from edgedistill.storage.writing import is_bucket, put_new


class Shelf(Protocol):
    """The files at one address. All methods raise StorageError where it cannot be used."""

    def names(self) -> list[str]:
        """Of the files that are there, in any order; none where nothing was ever added."""
        ...

    def add(self, name: str, write: Callable[[BinaryIO], object], *, size_bytes: int) -> None:
        """Adds a file of `size_bytes`, which `write` writes to what it is given.

        TakenError where one of that name came first.
        """
        ...

    def local_copy(self, name: str) -> AbstractContextManager[Path]:
        """The file as a local one, to be read within the block."""
        ...

    def remove(self, name: str) -> None:
        """Removes a file; one that is gone already is as good."""
        ...

    def remove_unfinished(self) -> None:
        """Removes what writers left that were killed."""
        ...


def open_shelf(address: str) -> Shelf:
    """The files in a folder, or below gs://bucket/prefix or s3://bucket/prefix.

    Nothing is made or asked for yet.

    Raises:
        StorageError: neither, or a folder that is not absolute.
    """
    return _BucketShelf(address) if is_bucket(address) else _FolderShelf(Path(address))


class _FolderShelf:
    def __init__(self, folder: Path):
        self._folder = folder

    def names(self) -> list[str]:
        try:
            return [path.name for path in self._folder.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._refusal("listed", error) from None

    def add(self, name: str, write: Callable[[BinaryIO], object], *, size_bytes: int) -> None:
        make_file(self._folder / name, write, size_bytes=size_bytes)

    @contextlib.contextmanager
    def local_copy(self, name: str) -> Iterator[Path]:
        yield self._folder / name

    def remove(self, name: str) -> None:
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise self._refusal("tidied", error) from None

    def remove_unfinished(self) -> None:
        try:
            remove_unfinished_files(self._folder)
        except OSError as error:
            raise self._refusal("tidied", error) from None

    def _refusal(self, done: str, error: OSError) -> StorageError:
        return StorageError(f"{one_line(str(self._folder))} cannot be {done}: {error.strerror}.")


class _BucketShelf:
    def __init__(self, address: str):
        self._tree = bucket_tree(address)

    def names(self) -> list[str]:
        return [found.place for found in self._tree.files() if isinstance(found, FoundFile)]

    def add(self, name: str, write: Callable[[BinaryIO], object], *, size_bytes: int) -> None:
        with _scratch_file() as path:
            try:
                with path.open("wb") as file:
                    write(file)
            except OSError as error:
                raise failure(path, error, size_bytes) from error
            put_new(path, self._tree.root, name=name)

    @contextlib.contextmanager
    def local_copy(self, name: str) -> Iterator[Path]:
        with _scratch_file() as path:
            try:
                download(f"{self._tree.root}/{name}", path)
            except OSError as error:
                if error.errno not in NO_ROOM:
                    raise
                raise failure(path, error) from error
            yield path

    def remove(self, name: str) -> None:
        address = Address.parse(f"{self._tree.root}/{name}")
        with contextlib.suppress(GoneError):
            retrying(address, lambda: store(address).delete(address))

    def remove_unfinished(self) -> None:
        """An object that was not sent whole is not there."""


@contextlib.contextmanager
def _scratch_file() -> Iterator[Path]:
    """A place for one file, as a bucket takes it: whole, and again where a connection broke."""
    with tempfile.TemporaryDirectory(prefix="edgedistill-") as folder:
        yield Path(folder) / "file"
