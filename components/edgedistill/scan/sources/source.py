"""What kind of collection a place is: by its name in a bucket, by its content here."""

from dataclasses import dataclass
from pathlib import Path

from edgedistill.errors import DatasetError, StorageError
from edgedistill.scan.sources.listing import SAMPLE, has_scheme, split_of
from edgedistill.scan.sources.manifest import MANIFEST_SUFFIXES, is_csv_manifest, is_manifest_name
from edgedistill.storage.archives import archive_kind, is_archive_name
from edgedistill.storage.buckets import Address
from edgedistill.storage.files import BUCKET_SCHEMES
from edgedistill.storage.folders import folder_tree, local_kind

SHAPE_WANTED = "it must hold one folder of photos a class"


@dataclass(frozen=True, slots=True)
class Source:
    """What a place turned out to be.

    `kind`: sample, folder, manifests (train.csv and its siblings), archive, manifest or bucket.
    `address`: absolute. `manifests`: split and file, for that kind.
    """

    kind: str
    address: str
    manifests: tuple[tuple[str, str], ...] = ()

    @property
    def is_remote(self) -> bool:
        return self.address.startswith(BUCKET_SCHEMES)


def find_source(place: str, name: str = "data_dir", wanted: str = SHAPE_WANTED) -> Source:
    """Looks at the place itself, not at what is in it.

    Args:
        place: an address or a path.
        name: the setting that names it.
        wanted: what it must hold, for the sentence that refuses it.

    Raises:
        DatasetError: it does not exist, or is none of the kinds.
        StorageError: an address of another kind than gs:// and s3://, or of no bucket.
    """
    if place == SAMPLE:
        return Source("sample", SAMPLE)
    if place.startswith(BUCKET_SCHEMES):
        Address.parse(place)  # before the slashes go: gs:/// names no bucket
        return Source(_kind_by_name(place), place.rstrip("/"))
    if has_scheme(place):
        raise StorageError(f"{name} must be a local path, gs://, s3:// or '{SAMPLE}'; got {place}.")
    address = folder_tree(place).root
    path = Path(address)
    kind = local_kind(address)
    if not kind:
        raise DatasetError(f"{name} {place} does not exist; {wanted}.")
    if kind == "folder":
        manifests = _split_manifests(path, name)
        return Source("manifests" if manifests else "folder", address, manifests)
    if kind != "file":  # a pipe would block whoever reads it
        raise DatasetError(f"{name} {place} is not a folder; {wanted}.")
    return Source(_kind_of_file(path, place, name, wanted), address)


def _kind_by_name(address: str) -> str:
    if is_archive_name(address):
        return "archive"
    return "manifest" if is_manifest_name(address) else "bucket"


def _kind_of_file(path: Path, place: str, name: str, wanted: str) -> str:
    try:
        if archive_kind(path) or is_archive_name(place):
            return "archive"
    except OSError as error:
        raise DatasetError(f"{name} {place} cannot be read: {error.strerror}.") from None
    if is_manifest_name(place):
        return "manifest"
    raise DatasetError(
        f"{name} {place} is not a folder, nor an archive, nor a manifest "
        f"({', '.join(MANIFEST_SUFFIXES)}); {wanted}."
    )


def _split_manifests(folder: Path, name: str) -> tuple[tuple[str, str], ...]:
    """Split and path of train.csv and its siblings, if they are manifests and two or more.

    Raises:
        DatasetError: two of them for one split.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        split = split_of(path.stem) if path.suffix.lower() == ".csv" else None
        if split is None or not path.is_file() or not is_csv_manifest(path):
            continue
        if split in found:
            raise DatasetError(
                f"{name} {folder} has two manifests for the split {split}, "
                f"{Path(found[split]).name} and {path.name}; take one away."
            )
        found[split] = str(path)
    return tuple(found.items()) if "train" in found and len(found) > 1 else ()
