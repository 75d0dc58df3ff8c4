import io
import os
import tarfile
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgedistill.errors import DatasetError, EdgedistillError, StorageError
from edgedistill.scan.sources.class_names import check_class_names
from edgedistill.scan.sources.collection import check_data_dir, list_collection
from edgedistill.scan.sources.data_fingerprint import data_fingerprint
from edgedistill.scan.sources.listing import LeftOut, ListedPhoto
from edgedistill.storage.archives import archive_tree
from edgedistill.storage.files import RefusedFile
from edgedistill.storage.reading import read
from tests.storage.servers import Bucket, environment, gcs_server

LEADS_OUT = "give the folder it lies in as its data_dir, in a column"
NO_CLASS = "lies in no class folder"


def make(folder: Path, *places: str) -> Path:
    for place in places:
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(place.encode("utf-8"))
    return folder


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Bucket]:
    """A bucket of its own server, which the environment names while this module runs."""
    with gcs_server() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(server.scheme, server.port).items():
            patch.setenv(name, value)
        yield server.new_bucket()


def photos(data_dir: object, scratch: Path) -> list[ListedPhoto]:
    listed = list_collection(str(data_dir), scratch)
    return sorted(
        (entry for entry in listed if isinstance(entry, ListedPhoto)), key=lambda p: p.place
    )


def left_out(data_dir: object, scratch: Path) -> dict[str, str]:
    listed = list_collection(str(data_dir), scratch)
    return {entry.place: entry.reason for entry in listed if isinstance(entry, LeftOut)}


def labels(data_dir: object, scratch: Path) -> dict[str, str]:
    return {photo.place: photo.label_name for photo in photos(data_dir, scratch)}


def splits(data_dir: object, scratch: Path) -> dict[str, tuple[str, str]]:
    return {p.place: (p.split, p.label_name) for p in photos(data_dir, scratch)}


def refusal(data_dir: object, scratch: Path) -> str:
    """What listing says, in one line; the check before a run says the same."""
    with pytest.raises(EdgedistillError) as caught:
        list(list_collection(str(data_dir), scratch))
    with pytest.raises(type(caught.value)) as checked:
        check_data_dir(str(data_dir))
    assert str(checked.value) == str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_class_is_the_first_folder_whatever_lies_below_it(tmp_path, scratch):
    data = make(tmp_path / "data", "é/1.jpg", "b/deep/er/2.PNG", "b/10", "B1/train/x.heic")
    listed = photos(data, scratch)
    assert [(p.root, p.place, p.label_name, p.split, p.group) for p in listed] == [
        (str(data), "B1/train/x.heic", "B1", "", ""),
        (str(data), "b/10", "b", "", ""),
        (str(data), "b/deep/er/2.PNG", "b", "", ""),
        (str(data), "é/1.jpg", "é", "", ""),
    ]
    assert [read(p.content).decode() for p in listed] == [p.place for p in listed]
    check_data_dir(str(data))


def test_loose_files_and_refused_ones_are_told_with_their_class(tmp_path, scratch):
    data = make(tmp_path / "data", "a/1.jpg", "b/1.jpg", "loose.jpg")
    os.mkfifo(data / "a/2.jpg")
    (data / "c").symlink_to(make(tmp_path, "out.jpg") / "out.jpg")
    entries = [e for e in list_collection(str(data), scratch) if isinstance(e, LeftOut)]
    assert {(e.root, e.place, e.label_name, e.reason) for e in entries} == {
        (str(data), "loose.jpg", "", NO_CLASS),
        (str(data), "a/2.jpg", "a", "is no ordinary file"),
        (str(data), "c", "", "is a link out of the folder"),
    }


def test_folders_split_beforehand_are_told_apart_from_classes(tmp_path, scratch):
    data = make(
        tmp_path / "data", "Train/cup/1", "Train/plate/deep/2", "valid/cup/3", "test/plate/4",
        "test/loose", "README.md",
    )  # fmt: skip
    assert splits(data, scratch) == {
        "Train/cup/1": ("train", "cup"),
        "Train/plate/deep/2": ("train", "plate"),
        "valid/cup/3": ("val", "cup"),
        "test/plate/4": ("test", "plate"),
    }
    assert left_out(data, scratch) == {"test/loose": NO_CLASS, "README.md": NO_CLASS}
    check_data_dir(str(data))


@pytest.mark.parametrize(
    "places",
    [
        ("train/1", "test/2"),
        ("train/1", "bus/2", "plane/deep/3"),
        ("train/front/1", "bus/2", "plane/rear/3"),  # nothing in common
        ("cup/front/1", "mug/front/2"),  # no words for splits
    ],
)
def test_folders_with_such_names_are_classes_where_photos_lie_in_them(tmp_path, scratch, places):
    data = make(tmp_path / "data", *places)
    assert labels(data, scratch) == {place: place.split("/")[0] for place in places}


ALIKE = "data_dir {data} has the folders '{}' and '{}', which hold the same {}: they look like"


@pytest.mark.parametrize(
    ("places", "sentence"),
    [
        (["Training/cat/1", "Training/dog/2", "Testing/cat/3", "Testing/dog/4"],
         (ALIKE, "Testing", "Training", "folders cat, dog")),
        (["train/cup/1", "train/mug/2", "Testing/cup/3"],
         (ALIKE, "Testing", "train", "folder cup")),
        (["train/cup/1", "test/cup/2", "bus/3"], (ALIKE, "test", "train", "folder cup")),
        (["train/cup/1", "train/mug/2", "test/mug/3", "extra/cup/4"],
         (ALIKE, "test", "train", "folder mug")),
        (["train/cup/1", "train/mug/2", "extra/cup/4"], (ALIKE, "train", "extra", "folder cup")),
        (["val/cup/1", "test/cup/2"], ("data_dir {data} has test and val but no train; ",)),
        (["val/cup/1", "test/plate/2"], ("data_dir {data} has test and val but no train; ",)),
        (["train/1", "test/cup/2"],
         ("data_dir {data} has the folders 'test', 'train', and there are folders in 'test': ",)),
        (["dev/cup/1", "train/mug/2"],
         ("data_dir {data} has the folders 'dev', 'train', and there are folders in 'dev': ",)),
    ],
)  # fmt: skip
def test_splits_of_another_shape_are_never_classes(tmp_path, scratch, places, sentence):
    data = make(tmp_path / "data", *places)
    template, *words = sentence
    assert refusal(data, scratch).startswith(template.format(*words, data=data))


def test_splits_of_another_shape_are_refused_in_an_archive_too(tmp_path, scratch):
    path = zipped(tmp_path / "x.zip", "d/Training/cat/1", "d/Testing/cat/2")
    assert "they look like splits" in refusal(path, scratch)


@pytest.mark.parametrize("place", ["owl", "train", "val", "train/owl", "test/cat"])
def test_a_link_in_place_of_a_folder_is_refused(tmp_path, scratch, place):
    others = make(tmp_path / "elsewhere", "1.jpg")
    places = ["cat/1", "dog/2"]
    if place != "owl":
        places = [f"{split}/{name}" for split in ("train", "val", "test") for name in places]
    data = make(tmp_path / "data", *(p for p in places if not p.startswith(f"{place}/")))
    (data / place).symlink_to(others)
    if place == "owl":
        sentence = "class 'owl' has no files that can be read (owl/ is a link out of the folder)"
    else:
        sentence = f"data_dir {data}: {place} is a link out of the folder; a folder of a split"
    assert refusal(data, scratch).startswith(sentence)


def test_a_link_in_place_of_the_only_other_split_is_refused(tmp_path, scratch):
    data = make(tmp_path / "data", "train/cat/1", "train/dog/2")
    (data / "val").symlink_to(make(tmp_path / "elsewhere", "cat/1"))
    assert f"data_dir {data}: val is a link out of the folder" in refusal(data, scratch)


def test_links_that_are_no_folder_of_a_split_cost_themselves_alone(tmp_path, scratch):
    data = make(tmp_path / "data", "train/cat/1", "train/dog/2", "val/cat/3")
    for place in ("notes", "train/cat/more"):
        (data / place).symlink_to(tmp_path)
    assert set(left_out(data, scratch)) == {"notes/", "train/cat/more/"}


def test_a_split_beside_an_empty_folder_is_still_a_split(tmp_path, scratch):
    data = make(tmp_path / "data", "train/cup/1", "train/plate/2", "validation/cup/3")
    (data / "test").mkdir()
    assert {split for split, _ in splits(data, scratch).values()} == {"train", "val"}


def test_an_empty_folder_for_a_split_is_no_class(tmp_path, scratch):
    data = make(tmp_path / "data", "train/cup/1", "train/plate/2")
    (data / "val").mkdir()
    assert refusal(data, scratch) == (
        f"data_dir {data} has one class only, 'train'; a classifier needs at least 2. The folders "
        f"in {data}/train look like classes: give that one as data_dir."
    )
    data = make(tmp_path / "classes", "cup/1", "plate/2")
    (data / "train").mkdir()
    assert "class 'train' has no files that can be read; add some photos" in refusal(data, scratch)


def test_two_folders_for_one_split_are_refused(tmp_path, scratch):
    data = make(tmp_path / "data", "train/cup/1", "val/cup/2", "valid/cup/3")
    assert "two folders for the split val, 'val' and 'valid'" in refusal(data, scratch)


@pytest.mark.parametrize(
    ("places", "sentence"),
    [
        ([], "has no class folders; it must hold one folder of photos a class."),
        (["loose.jpg"], "has no class folders; it must hold one folder of photos a class "
                        "(loose.jpg lies in no class folder)."),
        (["cup/1.jpg"], "has one class only, 'cup'; a classifier needs at least 2."),
        (["photos/cup/1", "photos/plate/2"], "The folders in {data}/photos look like classes: "
                                             "give that one as data_dir."),
        (["train/cup/1", "train/plate/2"], "has one class only, 'train'"),
        (["train/cup/1", "test/cup/2"], "has one class only, 'cup'"),
        (["cup/1.jpg", "plate/"], "class 'plate' has no files that can be read; add some"),
        (["cup/1.jpg", "plate/.hidden"], "class 'plate' has no files that can be read; add some"),
        (["train/cup/1", "val/cup/2", "val/plate/"], "class 'plate' has no files"),
        (["cup/1", "pla\nte/1"], "class 'pla\\nte' must have a name of one line"),
        (["cup/1", "pla\u2028te/1"], "class 'pla\\u2028te' must have a name of one line"),
        (["cup/1", "Cup/2"], "classes 'Cup' and 'cup' differ only in case"),
        (["cup/1", " cup/2"], "class ' cup' must have a name that neither is blank"),
        (["cup/1", "\udcff/2"], "class '\\xff' must have a name of one line of UTF-8"),
    ],
)  # fmt: skip
def test_a_folder_without_two_good_classes_is_refused(tmp_path, scratch, places, sentence):
    data = tmp_path / "data"
    data.mkdir()
    for place in places:
        if place.endswith("/"):
            (data / place).mkdir(parents=True)
        else:
            path = data / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
    assert sentence.format(data=data) in refusal(data, scratch)


def test_a_class_of_links_out_is_refused_with_the_reason(tmp_path, scratch):
    data = make(tmp_path / "data", "cup/1", "mug/1")
    (data / "plate").mkdir()
    (data / "plate/1.jpg").symlink_to(make(tmp_path, "out.jpg") / "out.jpg")
    assert "(plate/1.jpg is a link out of the folder)" in refusal(data, scratch)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["a\tb"], "without control characters"),
        (["a\x85b"], "of one line"),
        (["  "], "neither is blank"),
        ([""], "neither is blank"),
        (["a\u00a0"], "ends with white space"),
        (["é" * 63 + "ab"], "at most 127 bytes of UTF-8, and has 128"),
        (["straße", "STRASSE"], "differ only in case"),
        (["caf\u00e9", "cafe\u0301"], "differ only in case or in their Unicode form"),
        (["\u2121", "tel"], "differ only in case or in their Unicode form"),  # NFKC: TEL
        (["x\ufb01", "xfi"], "differ only in case or in their Unicode form"),
    ],
)  # fmt: skip
def test_names_that_cannot_stand_in_a_file_of_lines_are_refused(names, sentence):
    with pytest.raises(DatasetError, match=sentence) as caught:
        check_class_names(["plain", *names])
    assert "\n" not in str(caught.value)


def test_names_up_to_127_bytes_of_any_script_are_good():
    check_class_names(["é" * 63 + "a", "杯子", "a b", "чашка", "a.b", "cup", "cups", "cup "[:3]])


def test_what_is_no_collection_is_refused_by_what_it_is(tmp_path, scratch):
    assert "does not exist; it must hold" in refusal(tmp_path / "none", scratch)
    for name in ("x" * 300, f"{'x' * 300}.csv", "a\0b", "../" + "x" * 300):
        assert "does not exist; it must hold" in refusal(name, scratch)
    make(tmp_path, "notes.txt", "photos.7z", "photos.zip")
    assert "nor an archive, nor a manifest" in refusal(tmp_path / "notes.txt", scratch)
    assert "nor an archive, nor a manifest" in refusal(tmp_path / "photos.7z", scratch)
    assert "does not begin as one" in refusal(tmp_path / "photos.zip", scratch)
    os.mkfifo(tmp_path / "pipe.zip")
    assert "is not a folder" in refusal(tmp_path / "pipe.zip", scratch)
    for data_dir in ("https://host/x.zip", "GS://bucket/x", "file:///data"):
        with pytest.raises(StorageError, match="must be a local path, gs://, s3:// or 'sample'"):
            check_data_dir(data_dir)


def test_a_folder_with_the_name_of_an_archive_or_a_manifest_is_a_folder(tmp_path, scratch):
    for name in ("photos.zip", "photos.csv"):
        assert len(photos(make(tmp_path / name, "a/1", "b/1"), scratch)) == 2


def test_the_sample_is_listed_by_its_name_and_lies_in_scratch(scratch):
    listed = photos("sample", scratch)
    assert len(listed) == 1797
    assert {p.root for p in listed} == {"sample"}
    assert {p.label_name for p in listed} == set("0123456789")
    assert all(Path(p.content.address).is_relative_to(scratch) for p in listed)
    check_data_dir("sample")
    assert "scikit-learn" in data_fingerprint("sample")


def zipped(path: Path, *places: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for place in places:
            archive.writestr(place, place)
    return path


def tarred(path: Path, *places: str) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".tgz" else "w") as archive:
        for place in places:
            member = tarfile.TarInfo(place)
            member.size = len(place.encode())
            archive.addfile(member, io.BytesIO(place.encode()))
    return path


@pytest.mark.parametrize("name", ["photos.zip", "photos.tar", "photos.tgz"])
def test_an_archive_of_one_folder_has_its_classes_in_that_folder(tmp_path, scratch, name):
    pack = zipped if name == "photos.zip" else tarred
    places = ("photos/in/cup/1", "photos/in/plate/x/2", "photos/README.md", "top.txt")
    path = pack(tmp_path / name, *places)
    listed = photos(path, scratch)
    assert [(p.root, p.place, p.label_name) for p in listed] == [
        (str(path), "photos/in/cup/1", "cup"),
        (str(path), "photos/in/plate/x/2", "plate"),
    ]
    assert [read(p.content).decode() for p in listed] == [p.place for p in listed]
    assert left_out(path, scratch) == dict.fromkeys(places[2:], NO_CLASS)
    check_data_dir(str(path))


def test_an_archive_of_class_folders_or_splits_is_read_as_the_folder_would_be(tmp_path, scratch):
    path = zipped(tmp_path / "a.zip", "cup/1", "plate/2", "../x", "plate/.hidden")
    assert labels(path, scratch) == {"cup/1": "cup", "plate/2": "plate"}
    assert left_out(path, scratch) == {"../x": "its name leads out of the archive"}
    path = tarred(tmp_path / "b.tar", "./d/train/cup/1", "./d/train/plate/2", "./d/val/cup/3")
    assert splits(path, scratch) == {
        "d/train/cup/1": ("train", "cup"),
        "d/train/plate/2": ("train", "plate"),
        "d/val/cup/3": ("val", "cup"),
    }


def test_an_archive_of_one_class_is_refused(tmp_path, scratch):
    sentence = "has one class only, 'cup'; a classifier needs at least 2."
    assert refusal(zipped(tmp_path / "a.zip", "cup/1", "cup/2"), scratch).endswith(sentence)
    assert "has no class folders" in refusal(tarred(tmp_path / "b.tar", "1", "2"), scratch)


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_paths_of_a_manifest_are_relative_to_it_absolute_or_remote(tmp_path, scratch):
    data = make(tmp_path / "data", "in/1", "2")
    manifest = write(
        data / "list.csv", "path,label,split,group", "in/1,cup,train,g1", f"{data}/2,plate,train,",
        "gs://b/x.jpg,cup,val,g1", f"{data}/3,plate,test,", "./in//none,cup,train,",
    )  # fmt: skip
    listed = list(list_collection(str(manifest), scratch))
    assert all(isinstance(entry, ListedPhoto) for entry in listed)
    assert [(p.root, p.place, p.label_name, p.split, p.group, p.content.address)
            for p in listed if isinstance(p, ListedPhoto)] == [
        (str(data), "in/1", "cup", "train", "g1", f"{data}/in/1"),
        ("", f"{data}/2", "plate", "train", "", f"{data}/2"),
        ("", "gs://b/x.jpg", "cup", "val", "g1", "gs://b/x.jpg"),
        ("", f"{data}/3", "plate", "test", "", f"{data}/3"),
        (str(data), "in/none", "cup", "train", "", f"{data}/in/none"),
    ]  # fmt: skip
    check_data_dir(str(manifest))


def test_paths_of_a_manifest_that_leave_their_root_are_left_out(tmp_path, scratch):
    data = make(tmp_path / "data", "in/1", "2")
    outside = make(tmp_path / "outside", "private")
    (data / "link").symlink_to(outside)
    (data / "file").symlink_to(outside / "private")
    (data / "good").symlink_to("in/1")
    os.mkfifo(data / "pipe")
    manifest = write(
        data / "list.jsonl",
        *(f'{{"path": "{path}", "label": "{label}"}}' for path, label in (
            ("../outside/private", "cup"), ("in/../../outside/private", "cup"), ("..", "cup"),
            ("link/private", "cup"), ("file", "cup"), (".", "cup"), ("pipe", "cup"), ("in", "cup"),
            ("ftp://host/1", "cup"), ("good", "cup"), ("in/../2", "plate"),
        )),
    )  # fmt: skip
    assert labels(manifest, scratch) == {"good": "cup", "2": "plate"}
    out = f"its path leads out of {data}: {LEADS_OUT}"
    assert left_out(manifest, scratch) == {
        "../outside/private": out,
        "in/../../outside/private": out,
        "..": out,
        "link/private": "is behind a link out of the folder",
        "file": "is a link out of the folder",
        ".": "names no file",
        "pipe": "is no ordinary file",
        "in": "is no ordinary file",
        "ftp://host/1": "is an address of a kind that is not read (gs://, s3://)",
    }


def test_a_class_of_which_every_row_leads_out_is_refused(tmp_path, scratch):
    lines = ("path,label", "1,cup", "2,mug", "../3,plate", "4,cup")
    manifest = write(make(tmp_path / "data", "1", "2", "4") / "list.csv", *lines)
    assert refusal(manifest, scratch) == (
        "class 'plate' has no files that can be read (../3 its path leads out of "
        f"{tmp_path}/data: {LEADS_OUT}); mend that, or take the class away."
    )


def test_a_row_that_names_a_refused_file_of_an_archive_is_left_out_with_the_reason(
    tmp_path, scratch
):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        for name, kind in (("1", tarfile.REGTYPE), ("2", tarfile.REGTYPE), ("3", tarfile.FIFOTYPE)):
            member = tarfile.TarInfo(name)
            member.type = kind
            archive.addfile(member)
    lines = ("path,label,data_dir", "1,cup,x.tar", "2,mug,x.tar", "3,cup,x.tar", "a\\4,cup,x.tar")
    manifest = write(tmp_path / "list.csv", *lines)
    (refused,) = (f for f in archive_tree(path, scratch, "").files() if isinstance(f, RefusedFile))
    assert left_out(manifest, scratch) == {
        "3": refused.reason,
        "a\\4": f"is not in {path}; write its path with forward slashes",
    }


def test_two_archives_of_one_name_in_a_bucket_stay_two(cloud, tmp_path, scratch):
    addresses = []
    for folder, places in (("one", ("1", "2")), ("two", ("1", "3"))):
        path = tmp_path / f"{folder}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for place in places:
                archive.writestr(place, f"{folder} {place}")
        addresses.append(cloud.put(f"{folder}/photos.zip", path.read_bytes()))
    one, two = addresses
    rows = ("path,label,data_dir", f"1,cup,{one}", f"2,mug,{one}", f"1,cup,{two}", f"3,mug,{two}")
    manifest = write(tmp_path / "list.csv", *rows)
    listed = [e for e in list_collection(str(manifest), scratch) if isinstance(e, ListedPhoto)]
    assert [read(photo.content) for photo in listed] == [b"one 1", b"one 2", b"two 1", b"two 3"]


def test_addresses_of_no_object_are_left_out_each_alone(tmp_path, scratch):
    bad = {
        "gs:///x.jpg": "is an address of no bucket",
        "s3://": "is an address of no bucket",
        "gs://bucket": "is the address of a bucket, not of a file in it",
        "gs://bucket/": "is the address of a bucket, not of a file in it",
    }
    lines = ("path,label", "1,cup", "2,plate", *(f"{path},cup" for path in bad))
    manifest = write(make(tmp_path / "data", "1", "2") / "list.csv", *lines)
    assert left_out(manifest, scratch) == bad
    check_data_dir(str(manifest))
    assert data_fingerprint(str(manifest))
    write(manifest, "path,label", "1,cup", "gs:///x.jpg,plate")
    assert "(gs:///x.jpg is an address of no bucket)" in refusal(manifest, scratch)


@pytest.mark.parametrize("data_dir", ["gs://", "gs:///", "s3:///x"])
def test_an_address_of_no_bucket_is_refused_as_it_was_written(scratch, data_dir):
    assert refusal(data_dir, scratch).endswith(f"gs://bucket/folder; got '{data_dir}'.")


def test_the_data_dir_of_rows_that_need_none_is_not_asked_for(tmp_path, scratch):
    data = make(tmp_path / "data", "1", "2")
    lines = ("path,label,data_dir", f"{data}/1,cup,/gone", f"{data}/2,plate,/gone")
    manifest = write(data / "list.csv", *lines)
    check_data_dir(str(manifest))
    assert len(photos(manifest, scratch)) == 2


def test_a_manifest_without_photos_to_train_on_is_refused(tmp_path, scratch):
    lines = ["path,label,split", "1,cup,val", "2,plate,test"]
    manifest = write(tmp_path / "list.csv", *lines)
    assert f"data_dir {manifest} has test and val but no train; " in refusal(manifest, scratch)
    write(manifest, *lines, "3,cup,train")
    assert refusal(manifest, scratch) == (
        "class 'plate' is in test but not in train; add it to train or take it away."
    )
    write(manifest, *lines, "3,cup,train", "4,plate,train")
    check_data_dir(str(manifest))


def test_a_class_of_folders_must_be_in_train(tmp_path, scratch):
    data = make(tmp_path / "data", "train/cat/1", "train/dog/2", "val/owl/3", "test/owl/4")
    sentence = "class 'owl' is in test and val but not in train; add it to train or take it away."
    assert refusal(data, scratch) == sentence
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for place in data.rglob("*/*/*"):
            archive.write(place, place.relative_to(data))
    assert refusal(tmp_path / "x.zip", scratch) == sentence


def test_a_list_of_labels_beside_the_photos_is_named_as_the_data_dir(tmp_path, scratch):
    data = make(tmp_path / "data", "images/1.jpg", "images/2.jpg")
    write(data / "labels.csv", "path,label", "images/1.jpg,cup", "images/2.jpg,plate")
    hint = "labels.csv looks like a manifest: "
    only = "has one class only, 'images'; a classifier needs at least 2."
    assert f"{only} {data}/{hint}give that file as data_dir." in refusal(data, scratch)
    path = zipped(tmp_path / "x.zip", "images/1.jpg", "labels.csv")
    assert f"{only} {hint}unpack the archive, and give" in refusal(path, scratch)
    write(data / "labels.csv", "id,guess")
    assert refusal(data, scratch).endswith("needs at least 2.")
    flat = make(tmp_path / "flat", "1.jpg")
    write(flat / "labels.JSONL", '{"path": "1.jpg", "label": "cup"}')
    assert f"{flat}/labels.JSONL looks like a manifest" in refusal(flat, scratch)


def test_rows_name_folders_archives_and_the_sample_as_their_root(tmp_path, scratch):
    make(tmp_path / "more", "a/1", "a/../b")
    tarred(tmp_path / "more.tgz", "cup/1", "plate/2", "/abs")
    manifest = write(
        tmp_path / "list.csv", "filepath;label_name;data_dir", "a/1;cup;more", "b;plate;./more/",
        f"cup/1;cup;{tmp_path}/more.tgz", "plate/2;plate;more.tgz", "none;plate;more.tgz",
        "0/0000.png;cup;sample",
    )  # fmt: skip
    listed = photos(manifest, scratch)
    assert [(p.root, p.place, p.label_name) for p in listed] == [
        ("sample", "0/0000.png", "cup"),
        (str(tmp_path / "more"), "a/1", "cup"),
        (str(tmp_path / "more"), "b", "plate"),
        (str(tmp_path / "more.tgz"), "cup/1", "cup"),
        (str(tmp_path / "more.tgz"), "plate/2", "plate"),
    ]
    assert [read(p.content) for p in listed[1:]] == [b"a/1", b"a/../b", b"cup/1", b"plate/2"]
    assert read(listed[0].content).startswith(b"\x89PNG")
    assert left_out(manifest, scratch) == {"none": f"is not in {tmp_path}/more.tgz"}
    unpacked = [path for path in scratch.iterdir() if path.suffix == ".tar"]
    assert len(unpacked) == 2  # once for each time it was listed, whatever the spelling


def test_a_row_with_a_name_that_no_file_can_have_costs_itself_alone(tmp_path, scratch):
    long = "x" * 300
    lines = ("path,label", "1,cup", "2,plate", f"{long},cup", f"{long}/3,cup", f"/{long},cup")
    manifest = write(make(tmp_path / "data", "1", "2") / "list.csv", *lines)
    assert len(labels(manifest, scratch)) == 5  # whether they are there is seen later
    check_data_dir(str(manifest))
    assert data_fingerprint(str(manifest))


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["path,label"], "lists no photos."),
        (["path,label", "1,cup", "2,cup"], "has one class only, 'cup'"),
        (["path,label", "1,cup", "2,Cup"], "classes 'Cup' and 'cup' differ only in case"),
        (["path,label", "1,cup", "2, plate"], "class ' plate' must have a name"),
        (["path,label", "1,cup", "2"], "list.csv: line 3 must have 2 fields"),
        (["path,label,data_dir", "1,cup,", "2,plate,none"],
         "list.csv: line 3 has the data_dir {folder}/none, which does not exist."),
        (["path,label,data_dir", "1,cup,", "2,plate,list.csv"],
         "line 3 has the data_dir {folder}/list.csv, which is neither a folder nor an archive."),
        (["path,label,data_dir", "1,cup,", "2,plate,gs://"],
         "list.csv: line 3 has the data_dir gs://, which names no bucket."),
        (["path,label,data_dir", "1,cup,", f"2,plate,{'x' * 300}"],
         f"list.csv: line 3 has the data_dir {{folder}}/{'x' * 300}, which does not exist."),
    ],
)  # fmt: skip
def test_a_manifest_that_cannot_be_used_is_refused(tmp_path, scratch, lines, sentence):
    manifest = write(tmp_path / "list.csv", *lines)
    assert sentence.format(folder=tmp_path) in refusal(manifest, scratch)


def test_the_tables_of_a_split_are_that_split_again_wherever_they_lie(tmp_path, scratch):
    data = make(tmp_path / "data", "cup/1", "cup/2", "plate/3", "plate/4")
    head = "filepath,label_index,label_name,split,group,height_px,digest,data_dir"
    out = tmp_path / "out"
    out.mkdir()
    write(
        out / "train.csv",
        head,
        f"cup/1,0,cup,train,g,9,ff,{data}",
        f"plate/3,1,plate,train,,9,ff,{data}",
    )
    write(out / "valid.csv", head, f"cup/2,0,cup,val,g2,9,ff,{data}")
    write(out / "test.csv", head, f"plate/4,1,plate,,,9,ff,{data}")  # its name says it
    write(out / "threshold_curve.csv", "t,coverage", "0,1")
    make(out, "folder/x")
    listed = photos(out, scratch)
    assert [(p.root, p.place, p.label_name, p.split, p.group) for p in listed] == [
        (str(data), "cup/1", "cup", "train", "g"),
        (str(data), "cup/2", "cup", "val", "g2"),
        (str(data), "plate/3", "plate", "train", ""),
        (str(data), "plate/4", "plate", "test", ""),
    ]
    check_data_dir(str(out))
    write(out / "val.csv", head)
    assert "two manifests for the split val, val.csv and valid.csv" in refusal(out, scratch)


@pytest.mark.parametrize("name", ["other.csv", "test.csv"])
def test_tables_that_are_no_manifests_beside_class_folders_change_nothing(tmp_path, scratch, name):
    data = make(tmp_path / "data", "cup/1", "plate/2")
    write(data / "train.csv", "path,label", "cup/1,cup", "plate/2,plate")
    write(data / name, "id,guess", "1,2")
    assert labels(data, scratch) == {"cup/1": "cup", "plate/2": "plate"}
    assert left_out(data, scratch) == {"train.csv": NO_CLASS, name: NO_CLASS}


def test_a_bucket_is_read_as_a_folder_an_archive_or_a_manifest(cloud, tmp_path, scratch):
    for place in ("d/cup/1", "d/plate/x/2", "d/loose"):
        cloud.put(place, place.encode())
    address = f"{cloud.address}/d"
    listed = photos(f"{address}/", scratch)
    assert [(p.root, p.place, p.label_name) for p in listed] == [
        (address, "cup/1", "cup"), (address, "plate/x/2", "plate"),
    ]  # fmt: skip
    assert [read(p.content) for p in listed] == [b"d/cup/1", b"d/plate/x/2"]
    assert left_out(address, scratch) == {"loose": NO_CLASS}

    path = zipped(tmp_path / "x.zip", "in/cup/1", "in/plate/2")
    archive = cloud.put("x.zip", path.read_bytes())
    listed = photos(archive, scratch)
    assert [(p.root, p.place, p.label_name) for p in listed] == [
        (archive, "in/cup/1", "cup"), (archive, "in/plate/2", "plate"),
    ]  # fmt: skip
    assert [read(p.content) for p in listed] == [b"in/cup/1", b"in/plate/2"]

    rows = (
        "path,label,data_dir\ncup/1,cup,\nplate/x/2,plate,\n../x.zip,cup,\nin/cup/1,cup,../x.zip\n"
    )
    manifest = cloud.put("d/list.csv", rows.encode())
    listed = photos(manifest, scratch)
    assert [(p.root, p.place, read(p.content)) for p in listed] == [
        (address, "cup/1", b"d/cup/1"),
        (archive, "in/cup/1", b"in/cup/1"),
        (address, "plate/x/2", b"d/plate/x/2"),
    ]
    assert left_out(manifest, scratch) == {
        "../x.zip": f"its path leads out of {address}: {LEADS_OUT}"
    }
    for data_dir in (address, archive, manifest):
        check_data_dir(data_dir)
    with pytest.raises(StorageError, match=r"none\.zip does not exist"):
        check_data_dir(f"{cloud.address}/none.zip")
    assert "has no class folders" in refusal(f"{cloud.address}/nothing", scratch)


def test_the_fingerprint_of_a_bucket_changes_with_its_objects(cloud, scratch):
    for place in ("f/cup/1", "f/plate/2", "more/3"):
        cloud.put(place, b"x")
    rows = f"path,label\ncup/1,cup\n{cloud.address}/more/3,plate\n"
    address = f"{cloud.address}/f"
    manifest = cloud.put("f/list.csv", rows.encode())
    folder, listing = data_fingerprint(address), data_fingerprint(manifest)
    assert (data_fingerprint(address), data_fingerprint(manifest)) == (folder, listing)
    cloud.put("more/3", b"other")
    assert data_fingerprint(address) == folder
    changed = data_fingerprint(manifest)
    assert changed != listing
    cloud.put("f/cup/1", b"other")
    assert data_fingerprint(address) != folder
    assert data_fingerprint(manifest) not in (listing, changed)


def test_the_fingerprint_of_a_folder_changes_with_every_file_and_not_with_their_order(tmp_path):
    data = make(tmp_path / "a/data", "a/1", "b/1", "b/2")
    same = make(tmp_path / "b/data", "b/2", "b/1", "a/1")
    for folder in (data, same):
        for place in ("a/1", "b/1", "b/2"):
            os.utime(folder / place, ns=(0, len(place)))
    seen = [data_fingerprint(str(data))]
    assert data_fingerprint(str(same)) == seen[0]
    os.utime(data / "a/1", ns=(0, 123))
    seen.append(data_fingerprint(str(data)))
    (data / "a/1").rename(data / "a/2")
    seen.append(data_fingerprint(str(data)))
    make(data, "b/3")
    seen.append(data_fingerprint(str(data)))
    (data / "b/1").unlink()
    seen.append(data_fingerprint(str(data)))
    (data / "b/1").symlink_to(tmp_path)
    seen.append(data_fingerprint(str(data)))
    (data / ".hidden").touch()
    assert data_fingerprint(str(data)) == seen[-1]
    assert len(set(seen)) == 6


def test_the_fingerprint_of_a_manifest_changes_with_its_text_and_what_it_names(tmp_path):
    data = make(tmp_path / "data", "1", "2", "unnamed")
    archive = zipped(tmp_path / "x.zip", "3")
    lines = ["path,label,data_dir", "1,cup,", f"{data}/2,plate,", "3,plate,../x.zip", "9,cup,"]
    manifest = write(data / "list.csv", *lines)
    seen = [data_fingerprint(str(manifest))]
    make(data, "unnamed", "another")
    assert data_fingerprint(str(manifest)) == seen[0]
    for touched in (data / "1", data / "2", archive):
        os.utime(touched, ns=(0, 123))
        seen.append(data_fingerprint(str(manifest)))
    make(data, "9")
    seen.append(data_fingerprint(str(manifest)))
    write(manifest, *lines[:1], "1,plat,", *lines[2:])  # another label; the files are the same
    seen.append(data_fingerprint(str(manifest)))
    assert len(set(seen)) == 6


def test_the_fingerprint_of_an_archive_changes_with_the_archive(tmp_path):
    path = zipped(tmp_path / "x.zip", "a/1", "b/1")
    before = data_fingerprint(str(path))
    assert data_fingerprint(str(path)) == before
    os.utime(path, ns=(0, 123))
    assert data_fingerprint(str(path)) != before


def test_memory_does_not_grow_with_the_files_of_a_folder_or_the_rows_of_a_manifest(
    tmp_path, scratch
):
    def peak_bytes(data_dir: Path, n_photos: int) -> int:
        tracemalloc.start()
        assert sum(1 for _ in list_collection(str(data_dir), scratch)) == n_photos
        data_fingerprint(str(data_dir))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peaks = {}
    for n_photos in (200, 2000):
        data = tmp_path / str(n_photos)
        places = [f"{label}/{number}" for label in "ab" for number in range(n_photos // 2)]
        make(data, *places)
        lines = [f"{data}/{place},{place[0]}" for place in places]
        manifest = write(tmp_path / f"{n_photos}.csv", "path,label", *lines)
        for kind, data_dir in (("folder", data), ("manifest", manifest)):
            peaks[kind, n_photos] = peak_bytes(data_dir, n_photos)
    # 1,800 more photos; a list of their places alone would take 60 bytes each.
    assert peaks["folder", 2000] < peaks["folder", 200] + 1800 * 20
    assert peaks["manifest", 2000] < peaks["manifest", 200] + 1800 * 20
