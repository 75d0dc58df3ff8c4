"""The bundle's zip goes to the place that the user named, under a name of its own."""

from pathlib import Path

from edgedistill.calibrate.bundle.sums import file_sha256
from edgedistill.calibrate.bundle.zip_file import bundle_name
from edgedistill.storage.writing import put_new


def export_bundle(bundle_zip: Path, export_uri: str, version: str) -> str:
    """Puts the zip there, whole or not at all; one that is there already stays.

    Args:
        bundle_zip: the bundle's zip.
        export_uri: a folder, gs://bucket/prefix or s3://bucket/prefix.
        version: the model's, as `bundle_name` takes it.

    Returns:
        Its whole address, which ends in edgedistill-<version>-<12 digits of its SHA-256>.zip.

    Raises:
        StorageError: it cannot be written there.
        ValueError: such a version is no part of a name.
    """
    name = bundle_name(version, file_sha256(bundle_zip))
    return put_new(bundle_zip, export_uri, name=name)
