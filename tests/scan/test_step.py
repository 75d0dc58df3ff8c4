import csv
import io
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgedistill.artifacts import DATASET_MANIFEST
from edgedistill.core.decode import decode_photo
from edgedistill.core.fingerprint import dataset_digest, pixel_digest
from edgedistill.core.letterbox import letterbox
from edgedistill.datasets import PackedDataset
from edgedistill.errors import ArtifactError, DatasetError
from edgedistill.scan.step import scan_photos
from edgedistill.settings import ScanSettings, SplitSettings
from edgedistill.split.step import split_catalog
from tests.storage.servers import environment

ODD_IMAGES = Path(__file__).parents[3] / "shared" / "data" / "odd-images"


def photo(seed: int, height: int = 40, width: int = 30, kind: str = "JPEG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def make(folder: Path, **files: bytes) -> Path:
    for place, data in files.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def write_photos(folder: Path) -> Path:
    return make(
        folder / "my photos é",
        **{
            "plate/2.jpg": photo(1),
            "plate/1.png": photo(2, 20, 50, "PNG"),
            "cup/a, b.jpg": photo(3),
            "cup/deep/b.jpeg": photo(4),
            "cup/broken.jpg": photo(5)[:-200],
            "cup/empty\tfile.png": b"",
        },
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_photos(tmp_path)


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, float]]:
    """The photos above, scanned once: their folder, the folder of the outputs, the metrics."""
    out = tmp_path_factory.mktemp("scanned")
    data = write_photos(out)
    return data, out, scan(data, out)


def scan(
    data_dir: Path | str,
    out: Path,
    student_px: int = 32,
    teacher: str = "48",
    n_workers: int | None = None,
    **more: Any,
) -> dict[str, float]:
    settings = ScanSettings(
        data_dir=str(data_dir), student_img_size=student_px, teacher_img_size=teacher, **more
    )
    return scan_photos(
        str(out / "catalog"), str(out / "report.html"), settings, n_workers=n_workers
    )


def test_the_table_lists_the_readable_photos_by_label_and_place(scanned):
    _, out, _ = scanned
    photos = PackedDataset.open(out / "catalog").photos
    assert [(p.filepath, p.label_index, p.label_name, p.height_px, p.width_px) for p in photos] == [
        ("cup/a, b.jpg", 0, "cup", 40, 30),
        ("cup/deep/b.jpeg", 0, "cup", 40, 30),
        ("plate/1.png", 1, "plate", 20, 50),
        ("plate/2.jpg", 1, "plate", 40, 30),
    ]
    assert (out / "catalog/labels.txt").read_text() == "cup\nplate\n"


def test_pixels_of_both_sizes_are_the_letterboxed_photos_in_the_order_of_the_table(scanned):
    data, out, _ = scanned
    dataset = PackedDataset.open(out / "catalog")
    for row, listed in enumerate(dataset.photos):
        pixels = decode_photo((data / listed.filepath).read_bytes())
        assert listed.digest == pixel_digest(Image.fromarray(pixels))
        np.testing.assert_array_equal(dataset.student_pixels.row(row), letterbox(pixels, 32))
        np.testing.assert_array_equal(dataset.pixels_at(48).row(row), letterbox(pixels, 48))


def test_one_set_of_pixels_serves_two_equal_sizes(data, tmp_path):
    scan(data, tmp_path, student_px=32, teacher="32")
    assert [p.name for p in (tmp_path / "catalog/pixels").iterdir()] == ["32"]
    assert len(PackedDataset.open(tmp_path / "catalog").pixels_at(32)) == 4


def test_the_sizes_of_several_teachers_are_packed_each_once(data, tmp_path):
    # Lite2's 260 px, ResNet101's 224 px, which is the student's too.
    teachers = "efficientnet_lite2,resnet101"
    scan(data, tmp_path, student_px=224, teacher="auto", teacher_arch=teachers)
    catalog = tmp_path / "catalog"
    assert sorted(p.name for p in (catalog / "pixels").iterdir()) == ["224", "260"]
    assert DATASET_MANIFEST.read(catalog)["sizes_px"] == {"student": 224, "teacher": [260, 224]}
    dataset = PackedDataset.open(catalog)
    assert (dataset.student_px, dataset.teacher_sizes_px) == (224, (260, 224))
    for row, photo in enumerate(dataset.photos):
        pixels = decode_photo((data / photo.filepath).read_bytes())
        for size_px in (224, 260):
            np.testing.assert_array_equal(
                dataset.pixels_at(size_px).row(row), letterbox(pixels, size_px)
            )


def test_bad_files_are_listed_with_their_reason_one_a_line(scanned):
    _, out, _ = scanned
    lines = (out / "catalog/bad_files.txt").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["cup/broken.jpg", "cup/empty\\tfile.png"]
    assert "truncated" in lines[0]
    assert lines[1].endswith("\tthe file is empty")


def test_the_manifest_counts_classes_and_names_the_content(scanned):
    data, out, _ = scanned
    manifest = DATASET_MANIFEST.read(out / "catalog")
    photos = PackedDataset.open(out / "catalog").photos
    assert manifest == {
        "data_dir": str(data),
        "n_photos": 4,
        "n_bad_files": 2,
        "classes": {"cup": 2, "plate": 2},
        "splits": {},
        "findings": {"bad file": 2, "tiny": 4},
        "sizes_px": {"student": 32, "teacher": [48]},
        "digest": dataset_digest((p.filepath, p.label_name, p.digest) for p in photos),
    }


def test_metrics_are_counts(scanned):
    metrics = dict(scanned[2])
    assert metrics.pop("seconds") > 0
    assert metrics == {
        "n_photos": 4.0, "n_unknown": 0.0, "n_bad_files": 2.0, "n_classes": 2.0,
        "smallest_class": 2.0,
        "n_conflicts": 0.0, "n_duplicates": 0.0, "n_near_duplicates": 0.0, "n_odd": 4.0,
        "n_grouped": 0.0, "leak_share": 0.0,
    }  # fmt: skip
    assert all(type(value) is float for value in metrics.values())


def test_a_folder_scanned_twice_gives_the_same_files(data, tmp_path):
    for out in ("first", "second"):
        scan(data, tmp_path / out)
    first, second = (
        {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}
        for root in (tmp_path / "first", tmp_path / "second")
    )
    assert first == second


def test_the_report_shows_counts_bad_files_and_photos_within_its_limit(scanned):
    _, out, _ = scanned
    page = (out / "report.html").read_text()
    assert "2 unusable, 0 under two labels" in page
    assert "cup/broken.jpg" in page
    assert page.count("data:image/webp;base64,") >= 2
    assert len(page) < 2_000_000


def test_a_class_without_readable_photos_is_named_and_nothing_is_written(data, tmp_path):
    make(data, **{"tray/1.jpg": b"broken", "tray/2.png": b""})
    with pytest.raises(DatasetError, match="class 'tray' has no readable photos; bad files: 2, "):
        scan(data, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [data.name]


def test_one_class_only_is_refused_before_anything_is_decoded(tmp_path):
    make(tmp_path / "data", **{"cup/1.jpg": b"broken"})
    with pytest.raises(DatasetError, match="has one class only"):
        scan(tmp_path / "data", tmp_path)


def test_a_catalogue_that_exists_is_not_overwritten(data, tmp_path):
    scan(data, tmp_path)
    with pytest.raises(ArtifactError, match="exists already"):
        scan(data, tmp_path)


def test_a_file_whose_name_is_not_utf8_is_a_bad_file(data, tmp_path):
    (data / "cup" / "\udcff.jpg").write_bytes(photo(6))
    scan(data, tmp_path)
    bad = (tmp_path / "catalog/bad_files.txt").read_text(encoding="utf-8")
    assert "cup/\\xff.jpg\tits name is not UTF-8\n" in bad


def test_the_sample_is_the_digits_of_scikit_learn(tmp_path):
    from sklearn.datasets import load_digits

    metrics = scan("sample", tmp_path, teacher="32")
    digits = load_digits()
    dataset = PackedDataset.open(tmp_path / "catalog")
    assert metrics["n_photos"] == len(dataset) == 1797
    assert dataset.label_names == [str(label) for label in range(10)]
    assert DATASET_MANIFEST.read(tmp_path / "catalog")["data_dir"] == "sample"
    # The name of a photo is its number in the set; 16, the largest value, is white.
    for row in (0, 500, 1796):
        listed = dataset.photos[row]
        number = int(Path(listed.filepath).stem)
        assert listed.label_index == digits.target[number]
        grey = np.floor(digits.images[number] * 255 / 16 + 0.5).astype(np.uint8)
        expected = letterbox(np.stack([grey] * 3, axis=2), 32)
        np.testing.assert_array_equal(dataset.student_pixels.row(row), expected)


def smooth(seed: int, height: int = 120, width: int = 160) -> Image.Image:
    """A picture as a photo is one: large shapes and soft edges, another for each seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pairs_found(out: Path) -> list[dict[str, str]]:
    """The findings that name two photos."""
    return [found for found in rows_of(out / "catalog/findings.csv") if found["other"]]


def six_a_class(folder: Path, **more: bytes) -> Path:
    """Six pictures that are no copies in each of two classes, and `more`."""
    plain = {
        f"{name}/{number}.png": encoded(smooth(100 * place + number))
        for place, name in enumerate(("cup", "plate"))
        for number in range(6)
    }
    return make(folder / "collection", **plain, **more)


def test_equal_pixels_of_one_class_are_kept_in_one_group_whatever_their_format(tmp_path):
    data = six_a_class(
        tmp_path, **{"cup/copy.bmp": encoded(smooth(0), "BMP"), "cup/copy.png": encoded(smooth(0))}
    )
    metrics = scan(data, tmp_path)
    group_of = {p.filepath: p.group for p in PackedDataset.open(tmp_path / "catalog").photos}
    assert group_of["cup/0.png"] == group_of["cup/copy.bmp"] == group_of["cup/copy.png"] != ""
    assert [group for group in group_of.values() if group] == [group_of["cup/0.png"]] * 3
    assert metrics["n_photos"] == 14
    assert (metrics["n_duplicates"], metrics["n_grouped"]) == (2, 3)
    # Each of the three leaks unless neither of the others is in train: 1 - 0.2 ** 2; of 14 photos.
    assert metrics["leak_share"] == pytest.approx(3 * 0.96 / 14)
    found = pairs_found(tmp_path)
    assert [(f["kind"], f["filepath"], f["other"]) for f in found] == [
        ("duplicate", "cup/copy.bmp", "cup/0.png"), ("duplicate", "cup/copy.png", "cup/0.png"),
    ]  # fmt: skip


def test_equal_pixels_under_two_labels_are_left_out_and_told_loudly(tmp_path, caplog):
    data = six_a_class(
        tmp_path, **{"plate/a.png": encoded(smooth(2)), "plate/b.png": encoded(smooth(2))}
    )
    metrics = scan(data, tmp_path)
    dataset = PackedDataset.open(tmp_path / "catalog")
    kept = [f"cup/{n}.png" for n in (0, 1, 3, 4, 5)] + [f"plate/{n}.png" for n in range(6)]
    assert [p.filepath for p in dataset.photos] == kept
    for row, place in enumerate(kept):  # the pixels moved up with the rows
        pixels = decode_photo((data / place).read_bytes())
        np.testing.assert_array_equal(dataset.student_pixels.row(row), letterbox(pixels, 32))
        np.testing.assert_array_equal(dataset.pixels_at(48).row(row), letterbox(pixels, 48))
    assert (metrics["n_conflicts"], metrics["n_bad_files"], metrics["n_grouped"]) == (3, 3, 0)
    found = pairs_found(tmp_path)
    assert [tuple(f.values())[:5] for f in found] == [
        ("conflict", "cup/2.png", "cup", "plate/a.png", "plate"),
        ("conflict", "plate/a.png", "plate", "cup/2.png", "cup"),
        ("conflict", "plate/b.png", "plate", "cup/2.png", "cup"),
    ]
    bad = (tmp_path / "catalog/bad_files.txt").read_text().splitlines()
    assert bad[0] == "cup/2.png\thas the same pixels as plate/a.png, which is labelled plate"
    assert "3 photos are left out because their very pixels stand under two labels" in caplog.text
    assert "plate/a.png" in (tmp_path / "report.html").read_text()


def test_a_class_of_conflicts_alone_ends_the_scan(tmp_path):
    data = make(
        tmp_path / "data",
        **{"a/1.png": encoded(smooth(1)), "b/1.png": encoded(smooth(1)), "b/2.png": photo(3)},
    )
    sentence = (
        "all photos of class 'a' also lie under another label, the first is a/1.png: has the same "
        "pixels as b/1.png, which is labelled b; keep each picture under one label."
    )
    with pytest.raises(DatasetError, match=sentence):
        scan(data, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def variants() -> dict[str, bytes]:
    """One picture, resized, encoded again and made brighter."""
    bright = smooth(5).point([min(255, round(v * 1.2)) for v in range(256)] * 3)
    return {
        "cup/small.png": encoded(smooth(5).resize((80, 60))),
        "cup/again.jpg": encoded(smooth(5), "JPEG", quality=40),
        "cup/bright.webp": encoded(bright, "WEBP"),
    }


def test_nearly_equal_pictures_share_a_group(tmp_path):
    metrics = scan(six_a_class(tmp_path, **variants()), tmp_path, student_px=64)
    group_of = {p.filepath: p.group for p in PackedDataset.open(tmp_path / "catalog").photos}
    assert {name for name, group in group_of.items() if group} == {"cup/5.png", *variants()}
    assert len(set(group_of.values())) == 2
    assert metrics["n_grouped"] == 4
    found = pairs_found(tmp_path)
    assert {f["kind"] for f in found} == {"near duplicate"}


def test_nearly_equal_pictures_of_two_classes_are_kept_and_pointed_out(tmp_path):
    data = six_a_class(tmp_path, **{"plate/5 again.jpg": encoded(smooth(5), "JPEG", quality=40)})
    metrics = scan(data, tmp_path, student_px=64)
    assert metrics["n_photos"] == 13
    found = pairs_found(tmp_path)
    assert [f["kind"] for f in found] == ["near duplicate of another class"]
    assert {found[0]["filepath"], found[0]["other"]} == {"cup/5.png", "plate/5 again.jpg"}
    assert {found[0]["label_name"], found[0]["other_label"]} == {"cup", "plate"}


def test_the_most_alike_pair_is_told_first_and_conflicts_before_it_move_nothing(tmp_path):
    again = encoded(smooth(5), "JPEG", quality=90)
    worse = smooth(4).crop((3, 3, 158, 117)).resize((160, 120))
    data = six_a_class(
        tmp_path,
        **{
            "cup/again.jpg": again,
            "cup/worse.png": encoded(worse),
            "cup/twin.png": encoded(smooth(900)),
            "plate/twin.png": encoded(smooth(900)),
        },
    )
    scan(data, tmp_path, student_px=64)
    found = [f for f in pairs_found(tmp_path) if f["kind"] == "near duplicate"]
    pairs = [{f["filepath"], f["other"]} for f in found]
    assert pairs == [{"cup/5.png", "cup/again.jpg"}, {"cup/4.png", "cup/worse.png"}]
    alike = [float(f["detail"].split("%")[0]) for f in found]
    assert alike == sorted(alike, reverse=True)


def test_of_odd_photos_the_worst_is_told_first(tmp_path):
    levels = [24, 3, 15]
    dark = {
        f"cup/dark {level}.png": encoded(Image.new("RGB", (90, 90), (level,) * 3))
        for level in levels
    }
    scan(six_a_class(tmp_path, **dark), tmp_path)
    found = rows_of(tmp_path / "catalog/findings.csv")
    told = [f["filepath"] for f in found if f["kind"] == "very dark"]
    assert told == ["cup/dark 3.png", "cup/dark 15.png", "cup/dark 24.png"]


def test_nearly_equal_pictures_are_not_compared_where_that_is_switched_off(tmp_path):
    data = six_a_class(tmp_path, **variants(), **{"cup/copy.bmp": encoded(smooth(0), "BMP")})
    metrics = scan(data, tmp_path, student_px=64, group_near_duplicates=False)
    assert (metrics["n_near_duplicates"], metrics["n_duplicates"]) == (0, 1)
    assert metrics["n_grouped"] == 2


def test_groups_of_a_manifest_are_kept_and_joined_by_equal_pictures(tmp_path):
    data = six_a_class(tmp_path, **{"cup/copy.bmp": encoded(smooth(0), "BMP")})
    rows = [f"cup/{n}.png,cup,{group}" for n, group in enumerate(["a", "a", "b", "", "", ""])]
    rows += ["cup/copy.bmp,cup,b", *(f"plate/{n}.png,plate," for n in range(6))]
    (data / "list.csv").write_text("path,label,group\n" + "\n".join(rows) + "\n")
    scan(data / "list.csv", tmp_path)
    photos = PackedDataset.open(tmp_path / "catalog").photos
    # 0 and 1 are a, 2 and the copy are b, and the copy has the pixels of 0: all four are one.
    in_group = {p.filepath: p.group for p in photos if p.group}
    assert in_group == dict.fromkeys(("cup/0.png", "cup/1.png", "cup/2.png", "cup/copy.bmp"), "a")


@pytest.mark.parametrize(
    ("first", "again", "sentence"),
    [
        ("train,", "test,", "with the split 'train' and with 'test'; keep one row"),
        ("train,a", "train,b", "with the group 'a' and with 'b'; keep one row"),
    ],
)
def test_a_photo_in_two_splits_or_two_groups_is_refused(tmp_path, first, again, sentence):
    data = six_a_class(tmp_path)
    rows = [f"{name}/{n}.png,{name},train," for name in ("cup", "plate") for n in range(1, 6)]
    rows += [f"cup/0.png,cup,{first}", f"cup/0.png,cup,{again}"]
    (data / "list.csv").write_text("path,label,split,group\n" + "\n".join(rows) + "\n")
    with pytest.raises(DatasetError, match=f"cup/0.png is listed twice, {sentence}"):
        scan(data / "list.csv", tmp_path)


def test_a_photo_that_is_listed_twice_alike_counts_once(tmp_path):
    data = six_a_class(tmp_path)
    rows = [f"{name}/{n}.png,{name}" for name in ("cup", "plate") for n in range(6)]
    (data / "list.csv").write_text("path,label\n" + "\n".join([*rows, rows[0]]) + "\n")
    assert scan(data / "list.csv", tmp_path)["n_photos"] == 12
    bad = (tmp_path / "catalog/bad_files.txt").read_text()
    assert bad == "cup/0.png\tis listed twice\n"


def split(catalog: Path, out: Path) -> None:
    train, val, test, calib, report = (
        str(out / name) for name in ("train", "val", "test", "calib", "split.html")
    )
    split_catalog(str(catalog), train, val, test, calib, report, SplitSettings())


def test_the_tables_of_a_split_repeat_that_split_from_anywhere(tmp_path):
    data = six_a_class(tmp_path, **{"cup/copy.bmp": encoded(smooth(0), "BMP")})
    scan(data, tmp_path / "first")
    split(tmp_path / "first/catalog", tmp_path / "first")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("train", "val", "test"):
        shutil.copy(tmp_path / "first" / name / "photos.csv", elsewhere / f"{name}.csv")
    scan(elsewhere, tmp_path / "again")
    split(tmp_path / "again/catalog", tmp_path / "again")
    for name in ("train", "val", "test"):
        first, again = (PackedDataset.open(tmp_path / run / name) for run in ("first", "again"))
        assert again.photos == first.photos
        assert (again.digest, again.split_digest) == (first.digest, first.split_digest)


def test_a_divided_collection_keeps_its_division(tmp_path):
    data = make(
        tmp_path / "data",
        **{
            f"{part}/{name}/{number}.png": encoded(smooth(1000 * place + number))
            for place, (part, name) in enumerate(
                (part, name) for part in ("train", "valid") for name in ("cup", "plate")
            )
            for number in range(4)
        },
    )
    scan(data, tmp_path)
    photos = PackedDataset.open(tmp_path / "catalog").photos
    assert [p.label_name for p in photos] == ["cup"] * 8 + ["plate"] * 8
    assert {(p.filepath.split("/")[0], p.split) for p in photos} == {
        ("train", "train"), ("valid", "val"),
    }  # fmt: skip
    assert DATASET_MANIFEST.read(tmp_path / "catalog")["splits"] == {"train": 8, "val": 8}


def test_what_leaks_into_a_given_test_is_counted_and_told(tmp_path):
    place_of = {"train": range(4), "val": range(4, 6), "test": range(6, 10)}
    photos = {
        f"{part}/{name}/{n}.png": encoded(smooth(100 * label + n))
        for label, name in enumerate(("cup", "plate"))
        for part, numbers in place_of.items()
        for n in numbers
    }
    copies = {"test/cup/copy.png": encoded(smooth(0)), "test/plate/copy.png": encoded(smooth(104))}
    metrics = scan(make(tmp_path / "data", **photos, **copies), tmp_path)
    assert metrics["leak_share"] == 2 / 10  # of one with train, of one with val
    page = (tmp_path / "report.html").read_text()
    assert "20.0% of the test photos have a near duplicate in train or val" in page
    assert "can be trained on" in page


def test_photos_that_split_will_refuse_are_not_called_fit(tmp_path):
    copies = {f"tray/{n}.png": encoded(smooth(300)) for n in range(10)}
    data = six_a_class(tmp_path, **copies)
    scan(data, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "cannot be split for training yet" in page
    assert "has 10 photos but only 1 group of them" in page
    with pytest.raises(DatasetError, match="class 'tray' has 10 photos but only 1 group"):
        split(tmp_path / "catalog", tmp_path)


def test_of_a_divided_collection_only_the_groups_in_train_count(tmp_path):
    photos = {
        f"{part}/{name}/{n}.png": encoded(smooth(300 if one else 100 * label + start + n))
        for label, name in enumerate(("cup", "plate"))
        for part, start in (("train", 0), ("test", 6))
        for n in range(6)
        for one in [(part, name) == ("train", "plate")]
    }
    scan(make(tmp_path / "data", **photos), tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "has 6 photos in train but only 1 group of them, and a split needs 2" in page
    with pytest.raises(DatasetError, match="class 'plate' has 6 photos in its own train but only"):
        split(tmp_path / "catalog", tmp_path)


def test_an_archive_gives_the_catalogue_of_its_folder(tmp_path):
    data = six_a_class(tmp_path)
    scan(data, tmp_path / "folder")
    for kind in ("zip", "gztar"):
        archive = shutil.make_archive(str(tmp_path / "photos"), kind, data)
        scan(archive, tmp_path / kind)
        folder, other = (PackedDataset.open(tmp_path / run / "catalog") for run in ("folder", kind))
        assert other.digest == folder.digest
        assert {p.data_dir for p in other.photos} == {archive}
        shard = "catalog/pixels/32/00000.npy"
        assert (tmp_path / kind / shard).read_bytes() == (tmp_path / "folder" / shard).read_bytes()


def test_a_bucket_gives_the_catalogue_of_its_folder(tmp_path, bucket):
    data = six_a_class(tmp_path, **{"cup/broken.jpg": photo(5)[:-200]})
    for path in data.rglob("*.*"):
        bucket.put(f"my photos/{path.relative_to(data)}", path.read_bytes())
    bucket.put(
        "photos.zip", Path(shutil.make_archive(str(tmp_path / "a"), "zip", data)).read_bytes()
    )
    rows = [f"{bucket.address}/my photos/cup/{n}.png,cup" for n in range(6)]
    rows += [f"my photos/plate/{n}.png,plate" for n in range(6)]
    bucket.put("list.csv", "\n".join(["path,label", *rows]).encode())
    scan(data, tmp_path / "folder")
    folder = PackedDataset.open(tmp_path / "folder/catalog")
    for name in ("my photos", "photos.zip", "list.csv"):
        scan(f"{bucket.address}/{name}", tmp_path / name)
        found = PackedDataset.open(tmp_path / name / "catalog")
        assert [(p.label_name, p.digest) for p in found.photos] == [
            (p.label_name, p.digest) for p in folder.photos
        ]
        bad = (tmp_path / name / "catalog/bad_files.txt").read_text().splitlines()
        assert [line.split("\t")[0] for line in bad] == (
            [] if name == "list.csv" else ["cup/broken.jpg"]
        )
        shard = "catalog/pixels/48/00000.npy"
        assert (tmp_path / name / shard).read_bytes() == (tmp_path / "folder" / shard).read_bytes()


def test_the_setting_leads_to_another_s3_server(tmp_path, s3, monkeypatch):
    for name, value in environment(s3.scheme, s3.port).items():
        monkeypatch.setenv(name, value)
    endpoint = os.environ["AWS_ENDPOINT_URL_S3"]
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")  # nobody is there
    bucket = s3.new_bucket()
    for path in (data := six_a_class(tmp_path)).rglob("*.*"):
        bucket.put(str(path.relative_to(data)), path.read_bytes())
    assert scan(bucket.address, tmp_path, s3_endpoint=endpoint)["n_photos"] == 12


def test_photos_beyond_the_limit_of_pixels_are_left_out_with_the_sentence(tmp_path):
    data = six_a_class(tmp_path, **{"cup/large.png": encoded(smooth(9, 200, 201))})
    # 200 x 201 = 40,200 pixels, 0.0402 megapixels; the others have 0.0192.
    metrics = scan(data, tmp_path, max_megapixels=0.04)
    assert (metrics["n_photos"], metrics["n_bad_files"]) == (12, 1)
    assert "cup/large.png" in (tmp_path / "catalog/bad_files.txt").read_text()


def test_the_number_of_workers_changes_no_byte(tmp_path):
    data = six_a_class(tmp_path, **variants())
    for n_workers in (1, 3):
        scan(data, tmp_path / str(n_workers), n_workers=n_workers)
    one, three = (
        {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}
        for root in (tmp_path / "1", tmp_path / "3")
    )
    assert one == three


def test_nothing_but_the_outputs_is_left_behind(data, tmp_path):
    scan(data, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["catalog", "report.html"]


@pytest.mark.skipif(not ODD_IMAGES.is_dir(), reason="the odd images are not on this machine")
def test_a_folder_of_odd_images_is_scanned_to_the_end(tmp_path):
    for kind in ("png", "jpg"):
        for path in (ODD_IMAGES / "pillow").glob(f"*.{kind}"):
            place = tmp_path / "data" / kind / path.name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    metrics = scan(tmp_path / "data", tmp_path)
    n_files = sum(1 for p in (tmp_path / "data").rglob("*.*"))
    assert metrics["n_photos"] + metrics["n_bad_files"] == n_files
    lines = (tmp_path / "catalog/bad_files.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == metrics["n_bad_files"] > 5
    assert all(line.count("\t") == 1 for line in lines)


def test_the_table_is_plain_csv(scanned):
    _, out, _ = scanned
    with (out / "catalog/photos.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["filepath"] == "cup/a, b.jpg"
    assert list(rows[0])[:3] == ["filepath", "label_index", "label_name"]
