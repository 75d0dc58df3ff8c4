import tempfile

import pytest

from edgedistill.errors import ArtifactError
from edgedistill.folders import complete_folder, write_file
from tests.small_disk import on_a_small_disk


def test_a_folder_appears_only_when_it_is_complete(tmp_path):
    target = tmp_path / "sub" / "out"
    with complete_folder(target) as folder:
        (folder / "a.txt").write_text("a")
        assert not target.exists()
    assert (target / "a.txt").read_text() == "a"
    assert list(target.parent.iterdir()) == [target]


def test_after_an_error_nothing_is_left(tmp_path):
    def stop_half_way() -> None:
        with complete_folder(tmp_path / "out") as folder:
            (folder / "a.txt").write_text("a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_replaced_and_a_full_one_kept(tmp_path):
    (tmp_path / "out").mkdir()
    with complete_folder(tmp_path / "out") as folder:
        (folder / "a.txt").write_text("a")
    with pytest.raises(ArtifactError, match="exists already"), complete_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out" / "a.txt").read_text() == "a"


def test_a_file_in_the_folders_place_is_kept(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ArtifactError, match="exists already"), complete_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out").read_text() == "mine"


def test_others_may_read_a_complete_folder(tmp_path):
    plain = tmp_path / "plain"
    plain.mkdir()
    with complete_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out").stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("content", ["Tür", "Tür".encode()])
def test_a_report_is_written_as_utf8_and_replaces_an_older_one(tmp_path, content):
    path = tmp_path / "sub" / "report.html"
    write_file(path, "old")
    write_file(path, content)
    assert path.read_bytes() == "Tür".encode()
    assert list(path.parent.iterdir()) == [path]


FILL = """
import sys, tempfile
from pathlib import Path
from edgedistill.errors import StorageError
from edgedistill.folders import complete_folder, write_file

disk = Path(sys.argv[1])
write_file(disk / "report.html", "earlier")
def fill_a_folder():
    with complete_folder(disk / "model") as folder:
        (folder / "small").write_bytes(b"1")
        (folder / "large").write_bytes(bytes(200_000))
for write in (lambda: write_file(disk / "report.html", bytes(200_000)), fill_a_folder):
    try:
        write()
    except StorageError as error:
        print(str(error).replace(tempfile.gettempdir(), "TMP"))
print((disk / "report.html").read_text())
"""


def test_a_full_disk_is_one_sentence_and_leaves_what_was_there(tmp_path):
    place = tmp_path / "disk"
    what_to_do = "free some on its disk, or on that of TMP, and do the same again."
    place_said = str(place).replace(tempfile.gettempdir(), "TMP")
    assert on_a_small_disk(place, 100, FILL, str(place)) == [
        f"{place_said}/report.html cannot be written: no space left on device; {what_to_do}",
        f"{place_said}/model cannot be written: no space left on device; {what_to_do}",
        "earlier",
        "--",
        "report.html",
    ]
