import os
import zipfile
from pathlib import Path

import pytest

from edgedistill.errors import EdgedistillError
from edgedistill.scan.sources.data_fingerprint import data_fingerprint
from edgedistill.scan.sources.listing import LeftOut, ListedPhoto
from edgedistill.scan.sources.unknown_photos import check_unknown_uri, list_unknown
from edgedistill.storage.reading import read
from tests.scan.sources.test_collection import labels, make, refusal, splits, zipped
from tests.storage.servers import Bucket


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def unknown(place: object, scratch: Path) -> dict[str, str]:
    """By place, what is in each file; all are of one label, no split and no group."""
    check_unknown_uri(str(place))
    listed = [e for e in list_unknown(str(place), scratch) if isinstance(e, ListedPhoto)]
    assert {(e.label_name, e.split, e.group) for e in listed} == {("_unknown", "", "")}
    return {e.place: "" if e.content.is_remote else read(e.content).decode() for e in listed}


def test_a_folder_unknown_beside_the_classes_is_no_class(tmp_path, scratch):
    data = make(tmp_path / "data", "a/1", "b/1", "_unknown/1", "_unknown/street/2")
    assert labels(data, scratch) == {
        "a/1": "a", "b/1": "b", "_unknown/1": "_unknown", "_unknown/street/2": "_unknown",
    }  # fmt: skip


def test_it_makes_no_second_class(tmp_path, scratch):
    data = make(tmp_path / "data", "a/1", "_unknown/1")
    assert "has one class only, 'a'" in refusal(data, scratch)


def test_it_may_lie_in_the_splits_and_beside_them(tmp_path, scratch):
    data = make(
        tmp_path / "data", "train/a/1", "train/b/1", "test/a/2", "test/_unknown/3", "_unknown/x/4",
    )  # fmt: skip
    found = splits(data, scratch)
    assert {place: label for place, (_, label) in found.items()} == {
        "train/a/1": "a", "train/b/1": "b", "test/a/2": "a",
        "test/_unknown/3": "_unknown", "_unknown/x/4": "_unknown",
    }  # fmt: skip
    assert found["train/a/1"] == ("train", "a")


def test_its_folders_are_never_taken_for_splits(tmp_path, scratch):
    data = make(tmp_path / "data", "a/x/1", "b/1", "_unknown/train/1", "_unknown/x/2")
    assert labels(data, scratch)["_unknown/train/1"] == "_unknown"


@pytest.mark.parametrize("beside", ["a", "train/a"])
def test_an_empty_one_is_refused(tmp_path, scratch, beside):
    data = make(tmp_path / "data", f"{beside}/1", f"{Path(beside).parent}/b/1", "test/a/1")
    folder = data / Path(beside).parent / "_unknown"
    folder.mkdir()
    sentence = "folder '_unknown' has no files that can be read; add some photos or take it away."
    assert refusal(data, scratch) == sentence


def test_a_name_that_differs_in_case_alone_is_no_class_either(tmp_path, scratch):
    data = make(tmp_path / "data", "a/1", "b/1", "_Unknown/1")
    assert "classes '_Unknown' and '_unknown' differ only in case" in refusal(data, scratch)


def test_rows_of_a_manifest_need_no_split_to_be_unknown(tmp_path, scratch):
    make(tmp_path, "1", "2", "3", "4")
    manifest = tmp_path / "all.csv"
    rows = ("path,label,split", "1,a,train", "2,_unknown,", "3,b,train", "4,_unknown,test")
    manifest.write_text("\n".join(rows))
    assert labels(manifest, scratch) == {"1": "a", "2": "_unknown", "3": "b", "4": "_unknown"}


def test_calib_is_a_split_as_a_folder_and_in_a_manifest(tmp_path, scratch):
    data = make(tmp_path / "data", "train/a/1", "train/b/1", "calib/a/2", "calib/b/2")
    assert splits(data, scratch)["calib/a/2"] == ("calib", "a")
    manifest = tmp_path / "all.csv"
    manifest.write_text("path,label,split\n1,a,train\n2,b,train\n3,a,calib\n")
    assert splits(manifest, scratch)["3"] == ("calib", "a")


def test_a_place_of_unknown_photos_may_have_any_shape(tmp_path, scratch):
    flat = make(tmp_path / "flat", "1.jpg", "train/2.jpg", "x/y/3.jpg")
    expected = {place: place for place in ("1.jpg", "train/2.jpg", "x/y/3.jpg")}
    assert unknown(flat, scratch) == expected
    archive = zipped(tmp_path / "flat.zip", "1.jpg", "x/2.jpg")
    assert unknown(archive, scratch) == {"1.jpg": "1.jpg", "x/2.jpg": "x/2.jpg"}


def test_its_labels_and_splits_do_not_count(tmp_path, scratch):
    make(tmp_path, "1", "2")
    manifest = tmp_path / "more.csv"
    manifest.write_text("path,label,split,group\n1,dog,train,g\n2,cat,test,h\n")
    assert unknown(manifest, scratch) == {"1": "1", "2": "2"}


def test_the_sample_may_be_unknown_too(scratch):
    assert sum(1 for _ in list_unknown("sample", scratch)) == 1797


def test_a_bucket_of_unknown_photos_is_read(bucket: Bucket, scratch: Path) -> None:
    bucket.put("odd/1.jpg", b"1")
    bucket.put("odd/x/2.jpg", b"2")
    assert set(unknown(f"{bucket.address}/odd", scratch)) == {"1.jpg", "x/2.jpg"}


def test_links_out_of_it_are_left_out(tmp_path, scratch):
    folder = make(tmp_path / "odd", "1.jpg")
    (folder / "2.jpg").symlink_to(make(tmp_path, "secret") / "secret")
    entries = [e for e in list_unknown(str(folder), scratch) if isinstance(e, LeftOut)]
    assert [(e.label_name, e.reason) for e in entries] == [
        ("_unknown", "is a link out of the folder")
    ]


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("none", "unknown_uri {} does not exist; it must hold photos that belong to no class."),
        ("empty", "unknown_uri {} has no files; it must hold photos that belong to no class."),
        ("text", "unknown_uri {} is not a folder, nor an archive, nor a manifest"),
    ],
)
def test_a_place_without_photos_is_refused_by_its_name(tmp_path, scratch, place, sentence):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("x")
    address = str(tmp_path / place)
    for refused in (
        lambda: list(list_unknown(address, scratch)),
        lambda: check_unknown_uri(address),
    ):
        with pytest.raises(EdgedistillError) as caught:
            refused()
        assert str(caught.value).startswith(sentence.format(address))


def test_an_empty_archive_is_refused(tmp_path, scratch):
    with zipfile.ZipFile(tmp_path / "none.zip", "w"):
        pass
    with pytest.raises(EdgedistillError):
        check_unknown_uri(str(tmp_path / "none.zip"))


def test_the_fingerprint_changes_with_an_unknown_photo(tmp_path):
    data = make(tmp_path / "data", "a/1", "b/1")
    odd = make(tmp_path / "odd", "1")
    without = data_fingerprint(str(data))
    seen = data_fingerprint(str(data), str(odd))
    assert seen != without
    assert data_fingerprint(str(data), str(odd)) == seen
    os.utime(odd / "1", (1, 1))
    assert data_fingerprint(str(data), str(odd)) != seen
