"""The zip that leaves: under its own name, whole, and never over another one."""

import hashlib

import pytest

from edgedistill.calibrate.export import export_bundle
from edgedistill.errors import StorageError

ZIP = b"PK\x05\x06" + bytes(18)  # a zip without files
# sha256sum of those 22 bytes begins so; also known as the empty zip's.
DIGEST_START = "8739c76e681f"


@pytest.fixture
def bundle_zip(tmp_path):
    path = tmp_path / "bundle" / "bundle.zip"
    path.parent.mkdir()
    path.write_bytes(ZIP)
    return path


def test_the_name_holds_version_and_digest(bundle_zip, tmp_path):
    address = export_bundle(bundle_zip, str(tmp_path / "out"), "1.2")
    assert address == f"{tmp_path}/out/edgedistill-1.2-{DIGEST_START}.zip"
    assert hashlib.sha256(ZIP).hexdigest().startswith(DIGEST_START)
    [exported] = (tmp_path / "out").iterdir()
    assert (str(exported), exported.read_bytes()) == (address, ZIP)
    assert list(bundle_zip.parent.iterdir()) == [bundle_zip]  # nothing local is left behind


def test_a_bundle_goes_to_a_bucket(bucket, bundle_zip):
    address = export_bundle(bundle_zip, f"{bucket.address}/models/", "1")
    assert address == f"{bucket.address}/models/edgedistill-1-{DIGEST_START}.zip"
    assert list(bundle_zip.parent.iterdir()) == [bundle_zip]
    assert export_bundle(bundle_zip, f"{bucket.address}/models", "1") == address  # as good again


def test_two_bundles_of_one_version_lie_side_by_side(bundle_zip, tmp_path):
    export_bundle(bundle_zip, str(tmp_path / "out"), "1")
    bundle_zip.write_bytes(ZIP[:-2] + b"\x01\x00c")  # with a comment
    export_bundle(bundle_zip, str(tmp_path / "out"), "1")
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_another_file_of_that_name_stays(bundle_zip, tmp_path):
    place = tmp_path / f"edgedistill-1-{DIGEST_START}.zip"
    place.write_bytes(b"cut off by a copy that failed")
    with pytest.raises(StorageError, match="with other bytes, and stays"):
        export_bundle(bundle_zip, str(tmp_path), "1")
    assert place.read_bytes() == b"cut off by a copy that failed"


@pytest.mark.parametrize("version", ["", "1/2", "ü", "x" * 41])
def test_a_version_that_is_no_part_of_a_name_is_refused(bundle_zip, tmp_path, version):
    with pytest.raises(ValueError, match="version must be 1 to 40"):
        export_bundle(bundle_zip, str(tmp_path / "out"), version)
    assert not (tmp_path / "out").exists()
