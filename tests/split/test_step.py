from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from edgedistill.artifacts import PIXELS_FOLDER
from edgedistill.core.fingerprint import dataset_digest
from edgedistill.datasets import PackedDataset, Photo, write_dataset_tables
from edgedistill.errors import ArtifactError, DatasetError
from edgedistill.pixels import ShardWriter
from edgedistill.settings import SplitSettings
from edgedistill.split.step import split_catalog

SPLITS = ("train", "val", "test")


def write_catalog(folder: Path, *, teacher_px: int = 6, **photos_of: int) -> PackedDataset:
    """Photo number i is a plain picture of level i."""
    names = sorted(photos_of)
    labels = [name for name in names for _ in range(photos_of[name])]
    photos = [
        Photo(f"{name}/{i}.jpg", names.index(name), name, 30, 40, f"{i:064x}")
        for i, name in enumerate(labels)
    ]
    folder.mkdir()
    for size in {4, teacher_px}:
        with ShardWriter(folder / PIXELS_FOLDER / str(size), size) as writer:
            for i in range(len(photos)):
                writer.append(np.full((size, size, 3), i, np.uint8))
    write_dataset_tables(folder, photos, names, student_px=4, teacher_px=teacher_px, digest="all")
    return PackedDataset.open(folder)


def split(folder: Path, **settings: float) -> dict[str, float]:
    catalog, train, val, test, report = (
        str(folder / name) for name in ("catalog", *SPLITS, "report.md")
    )
    return split_catalog(catalog, train, val, test, report, SplitSettings.choose(settings))


def test_each_photo_goes_to_one_split_with_its_own_pixels(tmp_path):
    catalog = write_catalog(tmp_path / "catalog", cup=30, plate=10)
    metrics = split(tmp_path)
    # cup 24 + 3 + 3, plate 8 + 1 + 1.
    assert {k: metrics[k] for k in ("n_train", "n_val", "n_test")} == {
        "n_train": 32.0, "n_val": 4.0, "n_test": 4.0,
    }  # fmt: skip
    seen = []
    for name in SPLITS:
        part = PackedDataset.open(tmp_path / name)
        for row, photo in enumerate(part.photos):
            number = int(photo.digest, 16)
            assert photo == catalog.photos[number]
            assert (part.student_pixels.row(row) == number).all()
            assert (part.teacher_pixels.row(row) == number).all()
            seen.append(number)
    assert sorted(seen) == list(range(40))


def test_each_split_gets_its_own_fraction(tmp_path):
    write_catalog(tmp_path / "catalog", cup=20, plate=20)
    metrics = split(tmp_path, train_frac=0.5, val_frac=0.3, test_frac=0.2)
    expected = {"train": 20, "val": 12, "test": 8}
    assert {name: len(PackedDataset.open(tmp_path / name)) for name in SPLITS} == expected
    assert {name: metrics[f"n_{name}"] for name in SPLITS} == expected


def test_rows_keep_the_order_of_the_catalogue(tmp_path):
    write_catalog(tmp_path / "catalog", cup=30, plate=30)
    split(tmp_path)
    for name in SPLITS:
        numbers = [int(p.digest, 16) for p in PackedDataset.open(tmp_path / name).photos]
        assert numbers == sorted(numbers)


def test_every_class_is_in_every_split(tmp_path):
    write_catalog(tmp_path / "catalog", cup=3, plate=30)
    split(tmp_path)
    counts = {
        name: Counter(p.label_name for p in PackedDataset.open(tmp_path / name).photos)
        for name in SPLITS
    }
    assert counts == {
        "train": {"cup": 1, "plate": 24}, "val": {"cup": 1, "plate": 3},
        "test": {"cup": 1, "plate": 3},
    }  # fmt: skip
    assert all(PackedDataset.open(tmp_path / s).label_names == ["cup", "plate"] for s in SPLITS)


def test_a_split_is_named_by_its_own_content(tmp_path):
    write_catalog(tmp_path / "catalog", cup=10, plate=10)
    split(tmp_path)
    for name in SPLITS:
        part = PackedDataset.open(tmp_path / name)
        rows = [(p.filepath, p.label_name, p.digest) for p in part.photos]
        assert part.digest == dataset_digest(rows)


def test_one_set_of_pixels_stays_one(tmp_path):
    write_catalog(tmp_path / "catalog", teacher_px=4, cup=10, plate=10)
    split(tmp_path)
    assert [p.name for p in (tmp_path / "train/pixels").iterdir()] == ["4"]


def test_the_same_seed_gives_the_same_files_and_another_seed_others(tmp_path):
    for name, seed in (("first", 1), ("second", 1), ("third", 2)):
        (tmp_path / name).mkdir()
        write_catalog(tmp_path / name / "catalog", cup=20, plate=20)
        split(tmp_path / name, seed=seed)
    first, second, third = (
        (tmp_path / name / "test/photos.csv").read_bytes() for name in ("first", "second", "third")
    )
    assert first == second != third


def test_a_class_that_is_too_small_is_named_and_nothing_is_written(tmp_path):
    write_catalog(tmp_path / "catalog", cup=2, plate=9)
    with pytest.raises(DatasetError) as caught:
        split(tmp_path)
    assert str(caught.value) == "class 'cup' has 2 images; a split needs at least 3."
    assert [p.name for p in tmp_path.iterdir()] == ["catalog"]


def test_one_image_is_not_called_images(tmp_path):
    write_catalog(tmp_path / "catalog", cup=1, plate=9)
    with pytest.raises(DatasetError, match="has 1 image;"):
        split(tmp_path)


def test_a_missing_catalogue_is_told_with_its_path(tmp_path):
    with pytest.raises(ArtifactError, match=r"catalog/dataset\.json is missing"):
        split(tmp_path)


def test_the_report_is_a_table_of_counts(tmp_path):
    write_catalog(tmp_path / "catalog", cup=30, plate_x=10)
    split(tmp_path)
    lines = (tmp_path / "report.md").read_text().splitlines()
    assert lines[-3:] == [
        "| cup | 24 | 3 | 3 | 30 |",
        "| plate\\_x | 8 | 1 | 1 | 10 |",
        "| all | 32 | 4 | 4 | 40 |",
    ]
