"""Photos that belong to no class, from a place of their own: any shape will do."""

from collections.abc import Iterator
from pathlib import Path

from edgedistill.artifacts import UNKNOWN_LABEL
from edgedistill.errors import DatasetError
from edgedistill.scan.sources.collection import list_manifests, require_object, rows_as_photos
from edgedistill.scan.sources.listing import SAMPLE, LeftOut, ListedPhoto
from edgedistill.scan.sources.roots import fetched, sample_folder
from edgedistill.scan.sources.source import Source, find_source
from edgedistill.storage.archives import archive_kind, archive_tree, check_archive
from edgedistill.storage.buckets import bucket_tree
from edgedistill.storage.files import RefusedFile, Tree
from edgedistill.storage.folders import folder_tree

NAME = "unknown_uri"
WANTED = "it must hold photos that belong to no class"


def list_unknown(place: str, scratch: Path) -> Iterator[ListedPhoto | LeftOut]:
    """Every file below a place as a photo of no class, whatever its folders, labels and splits.

    Args:
        place: a folder, an archive, a manifest, gs:// or s3:// and one of them, or `sample`.
        scratch: an existing folder for what is downloaded or unpacked, to be kept as long as the
            photos are read.

    Raises:
        DatasetError: no such place, no file in it, a damaged archive or manifest.
        StorageError: it is in a bucket that cannot be read.
    """
    source = find_source(place, NAME, WANTED)
    is_empty = True
    for entry in _listed(source, scratch):
        is_empty = False
        yield entry
    if is_empty:
        raise DatasetError(f"{NAME} {place} has no files; {WANTED}.")


def _listed(source: Source, scratch: Path) -> Iterator[ListedPhoto | LeftOut]:
    if source.kind == "sample":
        return _all_files(folder_tree(str(sample_folder(scratch))), SAMPLE)
    if source.kind == "folder":
        return _all_files(folder_tree(source.address), source.address)
    if source.kind == "bucket":
        return _all_files(bucket_tree(source.address), source.address)
    if source.kind == "archive":
        path = fetched(source.address, scratch) if source.is_remote else Path(source.address)
        return _all_files(archive_tree(path, scratch, source.address), source.address)
    return map(_of_no_class, list_manifests(source, scratch))


def _all_files(tree: Tree, root: str) -> Iterator[ListedPhoto | LeftOut]:
    for file in tree.files():
        if isinstance(file, RefusedFile):
            yield LeftOut(root, file.place, UNKNOWN_LABEL, file.reason)
        else:
            yield ListedPhoto(root, file.place, UNKNOWN_LABEL, "", "", file.content)


def _of_no_class(entry: ListedPhoto | LeftOut) -> ListedPhoto | LeftOut:
    if isinstance(entry, LeftOut):
        return LeftOut(entry.root, entry.place, UNKNOWN_LABEL, entry.reason)
    return ListedPhoto(entry.root, entry.place, UNKNOWN_LABEL, "", "", entry.content)


def check_unknown_uri(place: str) -> None:
    """Refuses what can be refused without decoding, unpacking or downloading anything large.

    Raises:
        DatasetError, StorageError: as `list_unknown`.
    """
    source = find_source(place, NAME, WANTED)
    if source.kind in ("archive", "manifest") and source.is_remote:
        require_object(source.address, NAME)
    elif source.kind == "archive":
        path = Path(source.address)
        check_archive(path, source.address)
        if archive_kind(path) in ("zip", "tar"):
            _require_any(list_unknown(place, path.parent))  # nothing is written for these
    elif source.kind in ("manifest", "manifests"):
        for _ in rows_as_photos(source):
            pass
    elif source.kind != "sample":
        _require_any(list_unknown(place, Path(source.address)))  # nor for these


def _require_any(listed: Iterator[object]) -> None:
    next(listed, None)
