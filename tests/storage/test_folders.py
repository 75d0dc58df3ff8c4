import os
import socket
import sys
import tracemalloc
from pathlib import Path

import pytest

from edgedistill.errors import DatasetError
from edgedistill.storage.files import FoundFile, RefusedFile
from edgedistill.storage.folders import folder_tree, local_kind


def make(folder: Path, *places: str) -> Path:
    for place in places:
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(place.encode("utf-8"))
    return folder


def found(folder: Path) -> list[str]:
    files = folder_tree(str(folder)).files()
    return sorted(file.place for file in files if isinstance(file, FoundFile))


def refused(folder: Path) -> dict[str, str]:
    files = folder_tree(str(folder)).files()
    return {file.place: file.reason for file in files if isinstance(file, RefusedFile)}


def test_every_file_is_listed_whatever_its_suffix_and_depth(tmp_path):
    make(tmp_path, "loose.txt", "a/1.jpg", "a/b/c/d/photo", "é/x.heic")
    assert found(tmp_path) == ["a/1.jpg", "a/b/c/d/photo", "loose.txt", "é/x.heic"]


def test_hidden_files_and_what_systems_leave_behind_are_not_told(tmp_path):
    make(
        tmp_path, "a/1.jpg", ".git/1.jpg", "a/.2.jpg", "a/.cache/3.jpg", "lost+found/4.jpg",
        "__MACOSX/a/5.jpg", "a/Thumbs.db", "a/desktop.ini", "a/Desktop.ini",
    )  # fmt: skip
    assert found(tmp_path) == ["a/1.jpg"]
    assert refused(tmp_path) == {}


def test_a_found_file_tells_its_size_its_address_and_another_stamp_when_touched(tmp_path):
    make(tmp_path, "a/1.jpg")
    (before,) = folder_tree(str(tmp_path)).files()
    assert isinstance(before, FoundFile)
    assert before.size_bytes == len("a/1.jpg")
    assert Path(before.content.address).read_bytes() == b"a/1.jpg"
    assert (before.content.start, before.content.size_bytes) == (0, None)
    os.utime(tmp_path / "a/1.jpg", ns=(0, 1))
    (after,) = folder_tree(str(tmp_path)).files()
    assert isinstance(after, FoundFile)
    assert after.stamp != before.stamp


def test_links_are_followed_to_files_within_the_folder_only(tmp_path):
    data = make(tmp_path / "data", "a/1.jpg", "b/1.jpg")
    outside = make(tmp_path / "data2", "private.jpg", "sub/2.jpg")
    (data / "a/inside.jpg").symlink_to("../b/1.jpg")
    (data / "a/outside.jpg").symlink_to(outside / "private.jpg")
    (data / "a/twice.jpg").symlink_to("outside.jpg")
    (data / "a/dangling.jpg").symlink_to(data / "nothing.jpg")
    (data / "a/circle.jpg").symlink_to("circle.jpg")
    (data / "a/folder").symlink_to(data / "b")
    (data / "c").symlink_to(outside)
    assert found(data) == ["a/1.jpg", "a/inside.jpg", "b/1.jpg"]
    out = "is a link out of the folder"
    assert refused(data) == {
        "a/outside.jpg": out,
        "a/twice.jpg": out,
        "a/dangling.jpg": "is a link to nothing",
        "a/circle.jpg": "is a link to nothing",
        # The slash tells that these would have been folders.
        "a/folder/": "is a link to a folder; those are not followed",
        "c/": out,
    }


def test_pipes_and_sockets_are_refused_and_never_opened(tmp_path):
    make(tmp_path, "a/1.jpg")
    os.mkfifo(tmp_path / "a/2.jpg")
    (tmp_path / "a/3.jpg").symlink_to("2.jpg")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "a/4.jpg"))
        assert refused(tmp_path) == {
            f"a/{number}.jpg": "is no ordinary file" for number in (2, 3, 4)
        }
    assert found(tmp_path) == ["a/1.jpg"]


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems refuse such names")
def test_a_name_that_is_not_utf8_is_refused_with_its_bytes_as_escapes(tmp_path):
    make(tmp_path, "a/1.jpg")
    (tmp_path / "a/\udcff.jpg").write_bytes(b"")
    (tmp_path / "\udce9").mkdir()
    (tmp_path / "\udce9/1.jpg").write_bytes(b"")
    assert refused(tmp_path) == dict.fromkeys(
        ("a/\\xff.jpg", "\\xe9/1.jpg"), "its name is not UTF-8"
    )


def test_what_a_path_leads_to_is_told_and_never_an_error(tmp_path):
    make(tmp_path, "file")
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    names = ("", "link", "file", "pipe", "none", "circle", "file/x", "x" * 300, "a\0b")
    kinds = [local_kind(f"{tmp_path}/{name}") for name in names]
    assert kinds == ["folder", "folder", "file", "other", *[""] * 5]


def test_the_root_is_what_its_owner_calls_it_made_absolute(tmp_path, monkeypatch):
    make(tmp_path / "2026-01", "a/1.jpg")
    make(tmp_path / "elsewhere/inner", "b/1.jpg")
    (tmp_path / "current").symlink_to("2026-01")
    (tmp_path / "jump").symlink_to("elsewhere/inner")
    monkeypatch.chdir(tmp_path)
    assert folder_tree("current").root == str(tmp_path / "current")
    assert found(tmp_path / "current") == ["a/1.jpg"]
    # The system takes jump/.. for elsewhere; without following the link it would be tmp_path.
    assert folder_tree("jump/..").root == str(tmp_path / "elsewhere")


def test_a_folder_that_cannot_be_listed_ends_the_run_with_its_name(tmp_path):
    with pytest.raises(DatasetError, match="none cannot be listed: No such file or directory"):
        list(folder_tree(str(tmp_path / "none")).files())
    # A name may have 255 bytes and a path 4,096: this folder is made step by step, and too deep.
    make(tmp_path, "a/1.jpg")
    start = Path.cwd()
    try:
        os.chdir(tmp_path)
        for _ in range(20):
            Path("d" * 250).mkdir()
            os.chdir("d" * 250)
    finally:
        os.chdir(start)
    with pytest.raises(DatasetError, match="cannot be listed: File name too long"):
        list(folder_tree(str(tmp_path)).files())


def test_memory_does_not_grow_with_the_files(tmp_path):
    def peak_bytes(n_files: int) -> int:
        folder = tmp_path / str(n_files)
        folder.mkdir()
        for number in range(n_files):
            (folder / f"{number}.jpg").touch()
        tracemalloc.start()
        n_found = sum(1 for _ in folder_tree(str(folder)).files())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert n_found == n_files
        return peak

    small = peak_bytes(100)
    # 2,900 more files; a list of their names alone would take 60 bytes each.
    assert peak_bytes(3000) < small + 2900 * 20
