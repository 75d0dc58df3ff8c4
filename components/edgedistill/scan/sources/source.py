"""What kind of collection `data_dir` is: by its name in a bucket, by its content here."""

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
    """What `data_dir` turned out to be.

    `kind`: sample, folder, manifests (train.csv and its siblings), archive, manifest or bucket.
    `address`: absolute. `manifests`: split and file, for that kind.
    """

    kind: str
    address: str
    manifests: tuple[tuple[str, str], ...] = ()

    @property
    def is_remote(self) -> bool:
        return self.address.startswith(BUCKET_SCHEMES)


def find_source(data_dir: str) -> Source:
    """Looks at `data_dir` itself, not at what is in it.

    Raises:
        DatasetError: it does not exist, or is none of the kinds.
        StorageError: an address of another kind than gs:// and s3://, or of no bucket.
    """
    if data_dir == SAMPLE:
        return Source("sample", SAMPLE)
    if data_dir.startswith(BUCKET_SCHEMES):
        Address.parse(data_dir)  # before the slashes go: gs:/// names no bucket
        return Source(_kind_by_name(data_dir), data_dir.rstrip("/"))
    if has_scheme(data_dir):
        raise StorageError(
            f"data_dir must be a local path, gs://, s3:// or '{SAMPLE}'; got {data_dir}."
        )
    address = folder_tree(data_dir).root
    path = Path(address)
    kind = local_kind(address)
    if not kind:
        raise DatasetError(f"data_dir {data_dir} does not exist; {SHAPE_WANTED}.")
    if kind == "folder":
        manifests = _split_manifests(path)
        return Source("manifests" if manifests else "folder", address, manifests)
    if kind != "file":  # a pipe would block whoever reads it
        raise DatasetError(f"data_dir {data_dir} is not a folder; {SHAPE_WANTED}.")
    return Source(_kind_of_file(path, data_dir), address)


def _kind_by_name(address: str) -> str:
    if is_archive_name(address):
        return "archive"
    return "manifest" if is_manifest_name(address) else "bucket"


def _kind_of_file(path: Path, data_dir: str) -> str:
    try:
        if archive_kind(path) or is_archive_name(data_dir):
            return "archive"
    except OSError as error:
        raise DatasetError(f"data_dir {data_dir} cannot be read: {error.strerror}.") from None
    if is_manifest_name(data_dir):
        return "manifest"
    raise DatasetError(
        f"data_dir {data_dir} is not a folder, nor an archive, nor a manifest "
        f"({', '.join(MANIFEST_SUFFIXES)}); {SHAPE_WANTED}."
    )


def _split_manifests(folder: Path) -> tuple[tuple[str, str], ...]:
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
                f"data_dir {folder} has two manifests for the split {split}, "
                f"{Path(found[split]).name} and {path.name}; take one away."
            )
        found[split] = str(path)
    return tuple(found.items()) if "train" in found and len(found) > 1 else ()
