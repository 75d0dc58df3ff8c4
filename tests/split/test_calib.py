"""Photos that are set aside for the threshold, and what of the catalogue goes beside the test."""

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgedistill.artifacts import PIXELS_FOLDER
from edgedistill.datasets import PackedDataset, Photo, write_dataset_tables
from edgedistill.errors import DatasetError
from edgedistill.pixel_writing import ShardWriter
from tests.split.test_step import (
    SPLITS,
    given,
    grouped,
    numbers,
    photos_of_classes,
    report,
    split,
    write_catalog,
    write_photos_as_catalog,
)

PARTS = (*SPLITS, "calib")


def labels(folder: Path) -> Counter[str]:
    return Counter(p.label_name for p in PackedDataset.open(folder).photos)


def test_photos_are_set_aside_from_train_alone_in_each_classs_share(tmp_path):
    for name in ("without", "with"):
        (tmp_path / name).mkdir()
        write_catalog(tmp_path / name / "catalog", cup=100, plate=40)
    split(tmp_path / "without")
    metrics = split(tmp_path / "with", calib_frac=0.1)
    # A tenth of all is an eighth of train: 80 and 32 photos.
    assert labels(tmp_path / "with/calib") == {"cup": 10, "plate": 4}
    assert labels(tmp_path / "with/train") == {"cup": 70, "plate": 28}
    assert [metrics[f"n_{name}"] for name in PARTS] == [98.0, 14.0, 14.0, 14.0]
    for name in ("val", "test"):
        assert numbers(tmp_path / "with" / name) == numbers(tmp_path / "without" / name)
    parted = [*numbers(tmp_path / "with/train"), *numbers(tmp_path / "with/calib")]
    assert sorted(parted) == numbers(tmp_path / "without/train")
    assert metrics["largest_count_difference"] == 0.0


def test_those_set_aside_keep_their_rows_and_pixels_at_the_students_size_alone(tmp_path):
    catalog = write_catalog(tmp_path / "catalog", cup=30, plate=30)
    split(tmp_path, calib_frac=0.2)
    calib = PackedDataset.open(tmp_path / "calib")
    assert calib.photos == [
        replace(catalog.photos[n], split="calib") for n in numbers(calib.folder)
    ]
    levels = [int(calib.student_pixels.row(row).max()) for row in range(len(calib))]
    assert levels == numbers(calib.folder)
    assert (calib.student_px, calib.teacher_sizes_px) == (4, ())
    assert [p.name for p in (tmp_path / "calib/pixels").iterdir()] == ["4"]


def test_without_any_the_threshold_gets_the_validation_photos(tmp_path):
    write_catalog(tmp_path / "catalog", cup=30, plate=30)
    metrics = split(tmp_path)
    calib, val = (PackedDataset.open(tmp_path / name) for name in ("calib", "val"))
    assert calib.photos == val.photos
    assert calib.digest == val.digest
    assert calib.teacher_sizes_px == ()
    assert metrics["n_calib"] == 0.0
    assert "aside" not in report(tmp_path)


@pytest.mark.parametrize("calib_frac", [0.0, 0.1])
def test_all_parts_share_a_digest_that_is_over_each_once(tmp_path, calib_frac):
    write_catalog(tmp_path / "catalog", cup=30, plate=30)
    split(tmp_path, calib_frac=calib_frac)
    parts = {name: PackedDataset.open(tmp_path / name) for name in PARTS}
    counted = PARTS if calib_frac else SPLITS
    text = "\n".join(parts[name].digest for name in counted)
    expected = hashlib.sha256(text.encode()).hexdigest()
    assert {part.split_digest for part in parts.values()} == {expected}


@pytest.mark.parametrize("seed", range(4))
def test_groups_are_set_aside_whole_and_as_often_as_photos_alone(tmp_path, seed):
    # Of each class one half in pairs. In the split's own order train is what comes first, and what
    # is set aside would be photos alone, which fill the parts up.
    photos = photos_of_classes(cup=200, plate=200)
    photos = [
        replace(p, group=f"pair {i // 2}" if i % 200 < 100 else "") for i, p in enumerate(photos)
    ]
    write_photos_as_catalog(tmp_path / "catalog", photos, [4])
    metrics = split(tmp_path, seed=seed, calib_frac=0.2)
    calib = {n for n in numbers(tmp_path / "calib") if n % 200 < 100}
    assert {n ^ 1 for n in calib} == calib
    # 80 are set aside, about half of them in pairs: 20 pairs, four deviations are 16.
    assert len(calib) == pytest.approx(40, abs=32)
    assert [metrics[f"n_{name}"] for name in PARTS] == [240.0, 40.0, 40.0, 80.0]
    assert metrics["n_groups_divided"] == 0.0


def test_another_seed_sets_other_photos_aside_and_the_same_the_same(tmp_path):
    for name, seed in (("first", 1), ("second", 1), ("third", 2)):
        (tmp_path / name).mkdir()
        write_catalog(tmp_path / name / "catalog", cup=50, plate=50)
        split(tmp_path / name, seed=seed, calib_frac=0.1)
    first, second, third = (numbers(tmp_path / n / "calib") for n in ("first", "second", "third"))
    assert first == second != third


def test_what_a_collection_sets_aside_is_kept_whatever_the_fraction(tmp_path):
    photos = given(
        photos_of_classes(cup=20, plate=20), val=[0, 20], test=[1, 21], calib=[2, 3, 22]
    )  # fmt: skip
    write_photos_as_catalog(tmp_path / "catalog", photos)
    metrics = split(tmp_path, calib_frac=0.3)
    assert numbers(tmp_path / "calib") == [2, 3, 22]
    assert (metrics["n_train"], metrics["n_calib"]) == (33.0, 3.0)
    assert metrics["largest_count_difference"] == 0.0
    assert "own train, val, test and calib is kept as it is" in report(tmp_path)
    assert "| class | train | val | test | calib | all |" in report(tmp_path)


def test_of_a_given_split_photos_are_set_aside_from_its_train(tmp_path):
    photos = given(photos_of_classes(cup=24, plate=24), val=[0, 1, 24], test=[2, 25, 26, 27])
    write_photos_as_catalog(tmp_path / "catalog", photos)
    metrics = split(tmp_path, calib_frac=0.2)
    # A quarter of train: of 21 cups 5, of 20 plates 5.
    assert labels(tmp_path / "calib") == {"cup": 5, "plate": 5}
    assert numbers(tmp_path / "test") == [2, 25, 26, 27]
    assert metrics["largest_count_difference"] == 0.0
    assert "Of each class of train, 25.0% was then set aside, with seed 42" in report(tmp_path)
    header = "| class | train | wished | val | wished | test | wished | calib | wished | all |"
    assert header in report(tmp_path)
    assert "| cup | 16 | 16 | 2 | 2 | 1 | 1 | 5 | 5 | 24 |" in report(tmp_path)


def test_a_split_with_photos_set_aside_is_repeated_by_its_tables(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    photos = grouped(photos_of_classes(cup=40, plate=40), a=range(9))
    write_photos_as_catalog(tmp_path / "first/catalog", photos)
    split(tmp_path / "first", seed=3, calib_frac=0.2)
    written = [p for name in PARTS for p in PackedDataset.open(tmp_path / "first" / name).photos]
    catalog = sorted(written, key=lambda p: p.digest)
    write_photos_as_catalog(tmp_path / "second/catalog", catalog)
    split(tmp_path / "second", seed=4, calib_frac=0.2)
    for name in PARTS:
        first, second = (tmp_path / n / name / "photos.csv" for n in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()


def test_a_given_part_for_the_threshold_counts_where_groups_leak(tmp_path):
    photos = given(
        photos_of_classes(cup=10, plate=10), val=[0, 10], test=[1, 2, 11, 12], calib=[3, 13]
    )  # fmt: skip
    write_photos_as_catalog(tmp_path / "catalog", grouped(photos, a=[2, 3], b=[13, 14]))
    metrics = split(tmp_path)
    assert (metrics["n_groups_divided"], metrics["leak_share"]) == (2.0, 0.25)
    told = "1 of 4 test photos (25.0%) have another of their group in train, val or calib"
    assert told in report(tmp_path)


def test_a_class_with_one_photo_left_in_train_is_told(tmp_path):
    write_catalog(tmp_path / "catalog", cup=3, plate=30)
    with pytest.raises(DatasetError) as caught:
        split(tmp_path, calib_frac=0.1)
    assert str(caught.value) == (
        "class 'cup' has 1 image left in train, from which calib_frac takes a share; a split "
        "needs at least 2."
    )
    assert [p.name for p in tmp_path.iterdir()] == ["catalog"]


def test_the_report_says_what_each_part_is_for(tmp_path):
    write_catalog(tmp_path / "catalog", cup=30, plate=30)
    split(tmp_path, calib_frac=0.1)
    assert report(tmp_path).splitlines()[1].startswith(
        "42 photos to train on, 6 to choose epochs on, 6 to report on, 6 set aside for the "
        "threshold."
    )  # fmt: skip


def write_beside(folder: Path, photos: list[Photo], label_names: list[str]) -> None:
    """A data set at the student's size; photo number i is a plain picture of level 255 - i."""
    with ShardWriter(folder / PIXELS_FOLDER / "4", 4) as writer:
        for photo in photos:
            writer.append(np.full((4, 4, 3), 255 - int(photo.digest, 16), np.uint8))
    write_dataset_tables(
        folder, photos, label_names, student_px=4, teacher_sizes_px=(), digest="beside"
    )


def test_the_test_gets_the_photos_of_no_class_whole(tmp_path):
    write_catalog(tmp_path / "catalog", cup=20, plate=20)
    unknown = [Photo(f"x/{i}.jpg", 0, "_unknown", 30, 40, f"{i:064x}") for i in range(100, 107)]
    write_beside(tmp_path / "catalog/unknown", unknown, ["_unknown"])
    split(tmp_path)
    copied = PackedDataset.open(tmp_path / "test/unknown")
    assert copied.photos == unknown
    assert copied.label_names == ["_unknown"]
    assert [int(copied.student_pixels.row(i).max()) for i in range(7)] == list(range(155, 148, -1))
    assert copied.split_digest == PackedDataset.open(tmp_path / "test").split_digest
    assert not [
        name for name in ("train", "val", "calib") if (tmp_path / name / "unknown").exists()
    ]


def test_the_test_gets_its_own_of_the_photos_resized_carelessly(tmp_path):
    catalog = write_catalog(tmp_path / "catalog", cup=30, plate=30)
    sample = catalog.photos[::2]
    for resize in ("bilinear", "nearest"):
        folder = tmp_path / "catalog/resized" / resize
        write_beside(folder, sample, catalog.label_names)
    split(tmp_path)
    test = PackedDataset.open(tmp_path / "test")
    expected = [p for p in test.photos if int(p.digest, 16) % 2 == 0]
    assert 0 < len(expected) < len(test)
    for resize in ("bilinear", "nearest"):
        view = PackedDataset.open(tmp_path / "test/resized" / resize)
        assert view.photos == expected
        assert view.label_names == ["cup", "plate"]
        levels = [int(view.student_pixels.row(row).max()) for row in range(len(view))]
        assert levels == [255 - int(p.digest, 16) for p in expected]
    assert not (tmp_path / "train/resized").exists()


def test_where_no_test_photo_is_in_the_sample_there_is_no_folder(tmp_path):
    catalog = write_catalog(tmp_path / "catalog", cup=30, plate=30)
    (tmp_path / "first").mkdir()
    (tmp_path / "catalog").rename(tmp_path / "first/catalog")
    split(tmp_path / "first")
    trained = set(numbers(tmp_path / "first/train"))
    sample = [p for p in catalog.photos if int(p.digest, 16) in trained]
    write_beside(tmp_path / "first/catalog/resized/nearest", sample, catalog.label_names)
    (tmp_path / "second").mkdir()
    (tmp_path / "first/catalog").rename(tmp_path / "second/catalog")
    split(tmp_path / "second")
    assert not (tmp_path / "second/test/resized").exists()
