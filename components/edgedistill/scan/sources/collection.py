"""From `data_dir` to a stream of listed photos, whatever holds them."""

from collections.abc import Iterator
from pathlib import Path

from edgedistill.errors import StorageError
from edgedistill.scan.sources.class_folders import list_class_folders
from edgedistill.scan.sources.classes_seen import checked_classes, checked_folders
from edgedistill.scan.sources.listing import SAMPLE, LeftOut, ListedPhoto
from edgedistill.scan.sources.manifest import read_manifest
from edgedistill.scan.sources.roots import (
    RefusedPathError,
    Roots,
    check_path,
    fetched,
    require_root,
    root_address,
    sample_folder,
    stands_alone,
)
from edgedistill.scan.sources.source import SHAPE_WANTED, Source, find_source
from edgedistill.storage.archives import archive_kind, archive_tree, check_archive
from edgedistill.storage.buckets import bucket_tree
from edgedistill.storage.files import Content
from edgedistill.storage.folders import folder_tree
from edgedistill.storage.reading import ABSENT, stamp

_NO_FOLDERS = f"has no class folders; {SHAPE_WANTED}"
_NO_ROWS = "lists no photos"


def list_collection(data_dir: str, scratch: Path) -> Iterator[ListedPhoto | LeftOut]:
    """Every file that may be a photo, and every file that is left out, in any order.

    Files of any suffix are listed: what is a photo is told by reading it. Memory grows with the
    number of classes, and by 0.5 kB a file for a zip, not with the files of a folder or a bucket.

    Args:
        data_dir: a folder of class folders, or of splits of them, or of the train.csv and its
            siblings that split writes; an archive; a manifest; gs:// or s3:// and a folder, an
            archive or a manifest; or `sample`.
        scratch: an existing folder for what is downloaded or unpacked; to be kept as long as the
            photos are read.

    Raises:
        DatasetError: no such folder, no classes, one only, one without photos, names that cannot be
            kept apart, a damaged archive or manifest. Some are known at the end of the stream only.
        StorageError: `data_dir` is in a bucket that cannot be read.
    """
    source = find_source(data_dir)
    if source.kind == "sample":
        tree = folder_tree(str(sample_folder(scratch)))
        yield from list_class_folders(tree, root=SAMPLE, may_descend=False)
    elif source.kind == "folder":
        tree = folder_tree(source.address)
        listed = list_class_folders(tree, root=tree.root, may_descend=False)
        yield from checked_folders(listed, tree.root, _NO_FOLDERS)
    elif source.kind == "bucket":
        bucket = bucket_tree(source.address)
        listed = list_class_folders(bucket, root=bucket.root, may_descend=False)
        yield from checked_classes(listed, bucket.root, _NO_FOLDERS)
    elif source.kind == "archive":
        path = fetched(source.address, scratch) if source.is_remote else Path(source.address)
        archive = archive_tree(path, scratch, source.address)
        listed = list_class_folders(archive, root=source.address, may_descend=True)
        yield from checked_classes(listed, source.address, _NO_FOLDERS)
    else:
        yield from checked_classes(list_manifests(source, scratch), source.address, _NO_ROWS)


def list_manifests(source: Source, scratch: Path) -> Iterator[ListedPhoto | LeftOut]:
    """The photos of one manifest, or of train.csv and its siblings."""
    roots = Roots(scratch)
    if source.kind == "manifest":
        path = fetched(source.address, scratch) if source.is_remote else Path(source.address)
        yield from _list_manifest(path, source.address, roots)
    for split, address in source.manifests:
        yield from _list_manifest(Path(address), address, roots, split)


def _list_manifest(
    path: Path, address: str, roots: Roots, split: str | None = None
) -> Iterator[ListedPhoto | LeftOut]:
    """The photos of a manifest, in its order; whether they are there is seen when they are read.

    A photo that is listed twice is told twice: seeing that takes a table.

    Args:
        path: the local file.
        address: what the user calls it; paths are relative to its folder.
        roots: opens the rows' `data_dir`.
        split: every row's, whatever its column says; None: the column counts.

    Raises:
        DatasetError: a damaged row, or a `data_dir` that is not there: a sentence with the line.
    """
    for row in read_manifest(path, address):
        root = roots.of(row, address)
        try:
            found = root.locate(row.path)
        except RefusedPathError as error:
            yield LeftOut(root.address, row.path, row.label_name, str(error))
        else:
            row_split = row.split if split is None else split
            yield ListedPhoto(
                root.address, found.place, row.label_name, row_split, row.group, found.content
            )


def check_data_dir(data_dir: str) -> None:
    """Refuses what can be refused without decoding, unpacking or downloading anything large.

    Folders and buckets are listed; of an archive the list of its files is read where it has one;
    the rows of a local manifest are read. Of what lies in a bucket, that it is there.

    Raises:
        DatasetError, StorageError: as `list_collection`.
    """
    source = find_source(data_dir)
    if source.kind in ("archive", "manifest") and source.is_remote:
        require_object(source.address)
    elif source.kind == "archive":
        path = Path(source.address)
        check_archive(path, source.address)
        if archive_kind(path) in ("zip", "tar"):
            _run_through(list_collection(data_dir, path.parent))  # nothing is written for these
    elif source.kind in ("manifest", "manifests"):
        _run_through(checked_classes(rows_as_photos(source), source.address, _NO_ROWS))
    elif source.kind != "sample":
        _run_through(list_collection(data_dir, Path(source.address)))  # nor for these


def _run_through(listed: Iterator[object]) -> None:
    for _ in listed:
        pass


def rows_as_photos(source: Source) -> Iterator[ListedPhoto | LeftOut]:
    """The rows of local manifests, without looking for their photos."""
    seen = set()
    files = source.manifests or (("", source.address),)
    for split, address in files:
        for row in read_manifest(Path(address), address):
            root = "" if stands_alone(row.path) else root_address(row.data_dir, address)
            if root and row.data_dir and root not in seen:
                require_root(row, address)
            seen.add(root)
            try:
                check_path(row.path, root)
            except RefusedPathError as error:
                yield LeftOut(root, row.path, row.label_name, str(error))
            else:
                yield ListedPhoto(
                    root, row.path, row.label_name, split or row.split, row.group, Content(row.path)
                )


def require_object(address: str, name: str = "data_dir") -> None:
    """Refuses the address of an object that is not there.

    Raises:
        StorageError: it is not, or cannot be asked for; `name` is the setting that names it.
    """
    if stamp(Content(address)) == ABSENT:
        raise StorageError(f"{name} {address} does not exist.")
