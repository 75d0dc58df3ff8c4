import os
from pathlib import Path

import pytest

from edgedistill.errors import DatasetError, EdgedistillError, StorageError
from edgedistill.scan.folder import check_data_dir, data_fingerprint, find_photos


def make(folder: Path, *places: str) -> Path:
    for place in places:
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(place.encode("utf-8"))
    return folder


def test_photos_are_found_in_any_case_and_depth_in_the_order_of_code_points(tmp_path):
    make(tmp_path, "é/1.jpg", "b/deep/er/2.PNG", "b/10.jpeg", "b/9.JpG", "B/1.jpg", "b/notes.txt")
    assert list(find_photos(str(tmp_path)).items()) == [
        ("B", ["B/1.jpg"]),
        ("b", ["b/10.jpeg", "b/9.JpG", "b/deep/er/2.PNG"]),
        ("é", ["é/1.jpg"]),
    ]


def test_hidden_files_and_loose_photos_are_left_out(tmp_path):
    make(tmp_path, "a/1.jpg", "b/1.jpg", "loose.jpg", ".git/1.jpg", "a/.2.jpg", "a/.cache/3.jpg")
    (tmp_path / "lost+found").mkdir()
    assert find_photos(str(tmp_path)) == {"a": ["a/1.jpg"], "b": ["b/1.jpg"]}


def test_links_are_followed_to_photos_within_the_folder_only(tmp_path, caplog):
    data = make(tmp_path / "data", "a/1.jpg", "b/1.jpg")
    outside = make(tmp_path / "outside", "private.jpg", "sub/2.jpg")
    (data / "a/inside.jpg").symlink_to(data / "b/1.jpg")
    (data / "a/outside.jpg").symlink_to(outside / "private.jpg")
    (data / "a/dangling.jpg").symlink_to(data / "nothing.jpg")
    (data / "a/folder").symlink_to(outside / "sub")
    (data / "c").symlink_to(outside)
    assert find_photos(str(data)) == {"a": ["a/1.jpg", "a/inside.jpg"], "b": ["b/1.jpg"]}
    assert "3 links" in caplog.text


def test_a_pipe_with_the_name_of_a_photo_is_no_photo(tmp_path):
    make(tmp_path, "a/1.jpg", "b/1.jpg")
    os.mkfifo(tmp_path / "a/2.jpg")
    assert find_photos(str(tmp_path))["a"] == ["a/1.jpg"]


def test_a_folder_behind_a_link_is_a_data_folder_like_any_other(tmp_path):
    make(tmp_path / "data", "a/1.jpg", "b/1.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert list(find_photos(str(tmp_path / "link"))) == ["a", "b"]


@pytest.mark.parametrize(
    ("places", "sentence"),
    [
        ([], "has no class folders"),
        (["loose.jpg"], "has no class folders"),
        (["cup/1.jpg"], "has one class only, 'cup'; a classifier needs at least 2"),
        (["cup/1.jpg", "plate/notes.txt"], "class 'plate' has no photos"),
        (["cup/1.jpg", "pla\nte/1.jpg"], "must have a name of one line"),
        (["cup/1.jpg", "pla\u2028te/1.jpg"], "must have a name of one line"),
    ],
)
def test_a_folder_without_two_classes_of_photos_is_refused(tmp_path, places, sentence):
    make(tmp_path, *places)
    with pytest.raises(DatasetError, match=sentence):
        check_data_dir(str(tmp_path))


def test_a_class_folder_whose_name_is_not_utf8_is_refused(tmp_path):
    make(tmp_path, "cup/1.jpg")
    odd = os.fsencode(tmp_path) + b"/\xff"
    os.mkdir(odd)  # noqa: PTH102 - a Path cannot hold these bytes
    (tmp_path / "\udcff" / "1.jpg").write_bytes(b"")
    with pytest.raises(DatasetError, match="must have a name of one line"):
        check_data_dir(str(tmp_path))


def test_a_missing_folder_and_a_file_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="does not exist"):
        check_data_dir(str(tmp_path / "none"))
    file = make(tmp_path, "file.txt") / "file.txt"
    with pytest.raises(DatasetError, match="is not a folder"):
        check_data_dir(str(file))


@pytest.mark.parametrize(
    "data_dir", ["gs://bucket/photos", "s3://bucket/x", "https://host/x.zip", "photos.tar.gz"]
)
def test_addresses_and_archives_are_refused_in_this_version(data_dir):
    with pytest.raises(StorageError, match=r"must be a local folder or 'sample'.*got"):
        check_data_dir(data_dir)


def test_a_folder_with_the_name_of_an_archive_is_a_folder(tmp_path):
    check_data_dir(str(make(tmp_path / "photos.zip", "a/1.jpg", "b/1.jpg")))


def test_every_refusal_is_one_line(tmp_path):
    make(tmp_path, "cup/1.jpg", "a\nb/1.jpg")
    for data_dir in (str(tmp_path), str(tmp_path / "none"), "gs://b"):
        with pytest.raises(EdgedistillError) as caught:
            check_data_dir(data_dir)
        assert "\n" not in str(caught.value)


def test_sample_is_known_without_a_folder():
    check_data_dir("sample")
    assert "scikit-learn" in data_fingerprint("sample")


def test_the_fingerprint_changes_with_the_photos_and_with_nothing_else(tmp_path):
    make(tmp_path, "a/1.jpg", "b/1.jpg")
    before = data_fingerprint(str(tmp_path))
    make(tmp_path, "a/notes.txt", "readme.md")
    assert data_fingerprint(str(tmp_path)) == before
    os.utime(tmp_path / "a/1.jpg", ns=(0, 123))
    touched = data_fingerprint(str(tmp_path))
    (tmp_path / "a/1.jpg").rename(tmp_path / "a/2.jpg")
    renamed = data_fingerprint(str(tmp_path))
    make(tmp_path, "b/2.jpg")
    assert len({before, touched, renamed, data_fingerprint(str(tmp_path))}) == 4
