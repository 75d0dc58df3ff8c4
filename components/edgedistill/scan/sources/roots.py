"""What the paths of a manifest are relative to: folders, archives, buckets, each opened once."""

import os
import posixpath
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from edgedistill.errors import DatasetError, StorageError
from edgedistill.scan.sources.listing import SAMPLE, has_scheme
from edgedistill.scan.sources.manifest import ManifestRow
from edgedistill.scan.sources.sample import write_sample
from edgedistill.storage.archives import archive_kind, archive_tree, is_archive_name
from edgedistill.storage.buckets import Address
from edgedistill.storage.downloads import download
from edgedistill.storage.files import BUCKET_SCHEMES, Content, FoundFile, RefusedFile
from edgedistill.storage.folders import local_kind

_KEPT_FOLDERS = 4096
_KEPT_ROOTS = 64
_LEADS_OUT = "its path leads out of {}: give the folder it lies in as its data_dir, in a column"


@dataclass(frozen=True, slots=True)
class Located:
    """A file of a row; `place` is its path in plain form."""

    place: str
    content: Content


class RefusedPathError(ValueError):
    """Why a row's file is left out."""


class Root(Protocol):
    """What the paths of some rows are relative to; `address` is "" where they need none."""

    address: str

    def locate(self, path: str) -> Located:
        """The file at `path`; raises RefusedPathError where it must not be read."""
        ...


class Roots:
    """What rows' paths are relative to; each folder, archive or bucket is opened once.

    A folder costs no memory; of an archive the places of all files are kept, 0.3 kB each.
    """

    def __init__(self, scratch: Path):
        self._scratch = scratch
        self._anywhere = _Anywhere()
        self._opened: dict[str, Root] = {}

    def of(self, row: ManifestRow, address: str) -> Root:
        """The root of a row of the manifest at `address`.

        Raises:
            DatasetError: the row's `data_dir` is nothing that can hold photos.
        """
        if stands_alone(row.path):
            return self._anywhere
        root = root_address(row.data_dir, address)
        if root not in self._opened:
            require_root(row, address)
            self._opened[root] = self._open(root)
        return self._opened[root]

    def _open(self, root: str) -> Root:
        if root == SAMPLE:
            return _Folder(SAMPLE, sample_folder(self._scratch))
        if root.startswith(BUCKET_SCHEMES) and not is_archive_name(root):
            return _Bucket(root)
        if local_kind(root) == "folder":
            return _Folder(root, Path(root))
        path = fetched(root, self._scratch) if root.startswith(BUCKET_SCHEMES) else Path(root)
        files = archive_tree(path, self._scratch, root).files()
        return _Archive(root, {file.place: file for file in files})


def stands_alone(path: str) -> bool:
    """Whether a row's path is relative to nothing: absolute, or an address."""
    return path.startswith("/") or has_scheme(path)


def check_path(path: str, root: str) -> None:
    """Refuses a row's path for what is written there; whether such a file exists is not asked.

    Args:
        path: the row's.
        root: what it is relative to, unless it stands alone.

    Raises:
        RefusedPathError: it leads out, names no file, or is an address of no object.
    """
    if not stands_alone(path):
        if not root.startswith(BUCKET_SCHEMES) or _has_dots(path):
            _normal(path, root)
    elif path.startswith(BUCKET_SCHEMES):
        _require_object_name(path)
    elif not path.startswith("/"):
        raise RefusedPathError(
            f"is an address of a kind that is not read ({', '.join(BUCKET_SCHEMES)})"
        )


def require_root(row: ManifestRow, address: str) -> None:
    """Refuses a row's `data_dir` that is no folder or archive; a bucket is not asked.

    Args:
        row: a row.
        address: its manifest's, absolute.

    Raises:
        DatasetError: it is not there, or is something else: a sentence with the line.
    """
    root = root_address(row.data_dir, address)
    where = f"{address}: line {row.line} has the data_dir {root}"
    if root.startswith(BUCKET_SCHEMES) and not _bucket_of(root):
        raise DatasetError(f"{where}, which names no bucket.")
    if root == SAMPLE or root.startswith(BUCKET_SCHEMES):
        return
    kind = local_kind(root)
    if kind == "folder" or (kind == "file" and archive_kind(Path(root))):
        return
    what = "is neither a folder nor an archive" if kind else "does not exist"
    raise DatasetError(f"{where}, which {what}.")


@lru_cache(_KEPT_ROOTS)
def root_address(data_dir: str, address: str) -> str:
    """The absolute address that a row's path is relative to.

    Args:
        data_dir: the row's; "" for the folder of the manifest.
        address: the manifest's, absolute.
    """
    if data_dir == SAMPLE or has_scheme(data_dir):
        scheme, mark, rest = data_dir.partition("://")
        return f"{scheme}{mark}{rest.rstrip('/')}"
    folder = posixpath.dirname(address)
    if not data_dir:
        return folder
    # Joining drops the manifest's folder where data_dir is absolute.
    joined = posixpath.join(folder, data_dir)
    if not joined.startswith(BUCKET_SCHEMES):
        return os.path.normpath(joined)
    scheme, _, rest = joined.partition("://")
    bucket, _, name = rest.partition("/")
    return f"{scheme}://{bucket}{posixpath.normpath(f'/{name}')}".rstrip("/")


def sample_folder(scratch: Path) -> Path:
    """The sample in `scratch`, written if it is not there."""
    folder = scratch / SAMPLE
    if not folder.exists():
        write_sample(folder)
    return folder


def fetched(address: str, scratch: Path) -> Path:
    """The object at `address`, downloaded into `scratch`.

    Raises:
        StorageError: it cannot be had.
    """
    number = sum(1 for _ in scratch.iterdir())  # of one name, there may be two in two folders
    target = scratch / f"{number}-{posixpath.basename(address)}"
    download(address, target)
    return target


class _Anywhere:
    """Paths that stand for themselves."""

    address = ""

    def locate(self, path: str) -> Located:
        check_path(path, self.address)
        if not path.startswith(BUCKET_SCHEMES):
            _require_plain(path)
        return Located(path, Content(path))


class _Bucket:
    """A folder of a bucket."""

    def __init__(self, address: str):
        self.address = address

    def locate(self, path: str) -> Located:
        # Object names are no paths: a//b is another one than a/b.
        if _has_dots(path):
            path = _normal(path, self.address)
        return Located(path, Content(f"{self.address}/{path}"))


class _Folder:
    """A local folder; `address` is what photos call it."""

    def __init__(self, address: str, folder: Path):
        self.address = address
        self._folder = str(folder)
        self._real_root = Path(os.path.realpath(folder))
        # Photos lie side by side: a folder's links are followed once.
        self._is_inside = lru_cache(_KEPT_FOLDERS)(self._leads_inside)

    def locate(self, path: str) -> Located:
        place = _normal(path, self.address)
        whole = f"{self._folder}/{place}"
        if not self._is_inside(posixpath.dirname(whole)):
            raise RefusedPathError("is behind a link out of the folder")
        if _is_link(whole) and not self._leads_inside(whole):
            raise RefusedPathError("is a link out of the folder")
        _require_plain(whole)
        return Located(place, Content(whole))

    def _leads_inside(self, path: str) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(self._real_root)


class _Archive:
    """All files of an archive."""

    def __init__(self, address: str, files: dict[str, FoundFile | RefusedFile]):
        self.address = address
        self._files = files

    def locate(self, path: str) -> Located:
        place = _normal(path, self.address)
        file = self._files.get(place)
        if file is None:
            remedy = "; write its path with forward slashes" if "\\" in place else ""
            raise RefusedPathError(f"is not in {self.address}{remedy}")
        if isinstance(file, RefusedFile):
            raise RefusedPathError(file.reason)
        return Located(place, file.content)


def _normal(path: str, root: str) -> str:
    place = posixpath.normpath(path)
    if place == ".." or place.startswith("../"):
        raise RefusedPathError(_LEADS_OUT.format(root))
    if place == ".":
        raise RefusedPathError("names no file")
    return place


def _is_link(path: str) -> bool:
    try:
        return Path(path).is_symlink()
    except OSError:  # the name is too long: no such file
        return False


def _require_plain(path: str) -> None:
    """That a file is not there is told by whoever reads it."""
    if local_kind(path) not in ("file", ""):
        raise RefusedPathError("is no ordinary file")


def _has_dots(path: str) -> bool:
    return not {".", ".."}.isdisjoint(path.split("/"))


def _require_object_name(address: str) -> None:
    bucket = _bucket_of(address)
    if not bucket:
        raise RefusedPathError("is an address of no bucket")
    if not bucket.name:
        raise RefusedPathError("is the address of a bucket, not of a file in it")


def _bucket_of(address: str) -> Address | None:
    try:
        return Address.parse(address)
    except StorageError:
        return None
