import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from edgedistill.calibrate.bundle.zip_file import bundle_name, write_zip


def files(folder: Path) -> Path:
    (folder / "inner" / "more").mkdir(parents=True)
    (folder / "b.txt").write_text("b")
    (folder / "a.txt").write_text("a" * 1000)
    (folder / "inner" / "more" / "c.bin").write_bytes(bytes(range(256)))
    return folder


NAMES = ("b.txt", "inner/more/c.bin", "a.txt")


def test_the_zip_holds_the_files_at_their_places_and_nothing_else(tmp_path):
    folder = files(tmp_path / "f")
    (folder / "left out.txt").write_text("x")
    write_zip(tmp_path / "x.zip", folder, NAMES)
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a.txt", "b.txt", "inner/more/c.bin"]
        for name in NAMES:
            assert archive.read(name) == (folder / name).read_bytes()


def test_an_unpacked_file_can_be_read_by_everybody_and_run_by_nobody(tmp_path):
    write_zip(tmp_path / "x.zip", files(tmp_path / "f"), NAMES)
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        modes = {entry.external_attr >> 16 for entry in archive.infolist()}
    assert modes == {stat.S_IFREG | 0o644}


def test_the_zip_does_not_depend_on_the_order_age_or_permissions_of_its_files(tmp_path):
    folder = files(tmp_path / "f")
    write_zip(tmp_path / "1.zip", folder, NAMES)
    os.utime(folder / "a.txt", (1_000_000_000, 1_000_000_000))
    (folder / "a.txt").chmod(0o700)
    write_zip(tmp_path / "2.zip", folder, reversed(NAMES))
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()


def test_the_zip_does_not_depend_on_time_zone_locale_or_umask(tmp_path):
    folder = files(tmp_path / "f")
    write_zip(tmp_path / "1.zip", folder, NAMES)
    code = (
        "import os, pathlib, sys; os.umask(0o077);"
        "from edgedistill.calibrate.bundle.zip_file import write_zip;"
        "write_zip(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:])"
    )
    environment = {**os.environ, "TZ": "Pacific/Kiritimati", "LC_ALL": "C"}
    command = [sys.executable, "-c", code, str(tmp_path / "2.zip"), str(folder), *NAMES]
    subprocess.run(command, check=True, env=environment)
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()


def test_no_compressor_has_a_say_in_the_bytes(tmp_path):
    # Two builds of zlib may pack the same file into other bytes.
    write_zip(tmp_path / "x.zip", files(tmp_path / "f"), NAMES)
    assert b"a" * 1000 in (tmp_path / "x.zip").read_bytes()


@pytest.mark.parametrize("name", ["../b.txt", "/b.txt", "inner/../../b.txt", "inner\\c.bin"])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="must lie in the folder"):
        write_zip(tmp_path / "x.zip", files(tmp_path / "f"), [name])


def test_a_name_that_is_there_twice_is_refused(tmp_path):
    with pytest.raises(ValueError, match="names must differ"):
        write_zip(tmp_path / "x.zip", files(tmp_path / "f"), ["a.txt", "a.txt"])


def test_a_bundle_is_named_by_its_version_and_its_digest():
    name = bundle_name("2.1-rc_3", "0123456789abcdef" * 4)
    assert name == "edgedistill-2.1-rc_3-0123456789ab.zip"


@pytest.mark.parametrize("version", ["", "-1", ".1", "a/b", "ä", "a b", "1" * 41, "1\n"])
def test_a_version_that_no_file_should_be_named_by_is_refused(version):
    with pytest.raises(ValueError, match="version must be 1 to 40 letters"):
        bundle_name(version, "0" * 64)


@pytest.mark.parametrize("digest", ["", "0" * 63, "g" * 64, "A" * 64])
def test_what_is_no_sha256_names_no_bundle(digest):
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        bundle_name("1", digest)
