"""A quick digest of a collection: another one where any of its files was touched."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from edgedistill.scan.sources.listing import SAMPLE
from edgedistill.scan.sources.manifest import read_manifest
from edgedistill.scan.sources.roots import (
    RefusedPathError,
    check_path,
    fetched,
    root_address,
    stands_alone,
)
from edgedistill.scan.sources.source import Source, find_source
from edgedistill.scan.sources.unknown_photos import NAME, WANTED
from edgedistill.storage.archives import is_archive_name
from edgedistill.storage.buckets import bucket_tree
from edgedistill.storage.files import Content, FoundFile, Tree
from edgedistill.storage.folders import folder_tree, local_kind
from edgedistill.storage.reading import stamp
from edgedistill.storage.reading_ahead import stamps

_MODULUS = 1 << 256


def data_fingerprint(data_dir: str, unknown_uri: str = "") -> str:
    """A digest of places, sizes and stamps; no photo is read.

    It changes when a file is added, removed, renamed or changed. For an archive its own stamp
    counts; for a manifest its text, and the stamps of all that it names.

    Args:
        data_dir: the collection.
        unknown_uri: photos of no class from elsewhere; empty: none.

    Raises:
        DatasetError, StorageError: as `check_data_dir`, for what is seen on the way.
    """
    known = _fingerprint(find_source(data_dir))
    return (
        f"{known} {_fingerprint(find_source(unknown_uri, NAME, WANTED))}" if unknown_uri else known
    )


def _fingerprint(source: Source) -> str:
    if source.kind == "sample":
        return _sample_version()
    if source.kind == "folder":
        return _tree_fingerprint(folder_tree(source.address))
    if source.kind == "bucket":
        return _tree_fingerprint(bucket_tree(source.address))
    if source.kind == "archive":
        return hashlib.sha256(stamp(Content(source.address)).encode()).hexdigest()
    with tempfile.TemporaryDirectory(prefix="edgedistill-manifest-") as scratch:
        return _manifest_fingerprint(source, Path(scratch))


def _sample_version() -> str:
    return f"sample of scikit-learn {version('scikit-learn')}"


def _tree_fingerprint(tree: Tree) -> str:
    """The sum of each file's SHA-256: the same in any order, without keeping the files.

    Such a sum can be made to fit on purpose; it guards against chance alone.
    """
    total = 0
    for file in tree.files():
        what = file.stamp if isinstance(file, FoundFile) else file.reason
        row = hashlib.sha256(f"{file.place}\0{what}".encode("utf-8", "surrogateescape"))
        total += int.from_bytes(row.digest(), "big")
    return f"{total % _MODULUS:064x}"


def _manifest_fingerprint(source: Source, scratch: Path) -> str:
    digest = hashlib.sha256()
    for _, address in source.manifests or (("", source.address),):
        path = fetched(address, scratch) if source.is_remote else Path(address)
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
        for content in _named(path, address, lambda content: not content.is_remote):
            is_sample = content.address == SAMPLE
            digest.update((_sample_version() if is_sample else stamp(content)).encode() + b"\0")
        for text in stamps(_named(path, address, lambda content: content.is_remote)):
            digest.update(text.encode() + b"\0")
    return digest.hexdigest()


def _named(path: Path, address: str, wanted: Callable[[Content], bool]) -> Iterator[Content]:
    """What the rows name, in order; an archive or the sample once, for its files."""
    whole: dict[str, bool] = {}
    for row in read_manifest(path, address):
        root = "" if stands_alone(row.path) else root_address(row.data_dir, address)
        if not _may_be_read(row.path, root):
            continue
        if not root:
            content = Content(row.path)
        else:
            if whole.get(root):
                continue
            if root not in whole:
                whole[root] = root == SAMPLE or _is_archive(root)
            content = Content(root if whole[root] else f"{root}/{row.path}")
        if wanted(content):
            yield content


def _may_be_read(path: str, root: str) -> bool:
    try:
        check_path(path, root)
    except RefusedPathError:
        return False
    return True


def _is_archive(root: str) -> bool:
    return is_archive_name(root) if Content(root).is_remote else local_kind(root) == "file"
