import logging
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from edgedistill.artifacts import PIXELS_FOLDER
from edgedistill.core.fingerprint import dataset_digest
from edgedistill.datasets import PackedDataset, Photo, write_dataset_tables
from edgedistill.errors import ArtifactError, DatasetError
from edgedistill.pixel_writing import ShardWriter
from edgedistill.settings import SplitSettings
from edgedistill.split.step import split_catalog

SPLITS = ("train", "val", "test")


def photos_of_classes(**photos_of: int) -> list[Photo]:
    names = sorted(photos_of)
    labels = [name for name in names for _ in range(photos_of[name])]
    return [
        Photo(
            filepath=f"{name}/{i}.jpg",
            label_index=names.index(name),
            label_name=name,
            height_px=30,
            width_px=40,
            digest=f"{i:064x}",
        )
        for i, name in enumerate(labels)
    ]


def write_catalog(
    folder: Path, *, teacher_sizes_px: Sequence[int] = (6,), **photos_of: int
) -> PackedDataset:
    return write_photos_as_catalog(folder, photos_of_classes(**photos_of), teacher_sizes_px)


def write_photos_as_catalog(
    folder: Path, photos: Sequence[Photo], teacher_sizes_px: Sequence[int] = (6,)
) -> PackedDataset:
    """Photo number i is a plain picture of level i."""
    names = sorted({p.label_name for p in photos})
    folder.mkdir()
    for size in {4, *teacher_sizes_px}:
        with ShardWriter(folder / PIXELS_FOLDER / str(size), size) as writer:
            for i in range(len(photos)):
                writer.append(np.full((size, size, 3), i % 256, np.uint8))
    write_dataset_tables(
        folder, photos, names, student_px=4, teacher_sizes_px=teacher_sizes_px, digest="all"
    )
    return PackedDataset.open(folder)


def split(folder: Path, **settings: float) -> dict[str, float]:
    catalog, train, val, test, calib, report = (
        str(folder / name) for name in ("catalog", *SPLITS, "calib", "report.html")
    )
    return split_catalog(catalog, train, val, test, calib, report, SplitSettings.choose(settings))


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
            assert photo == replace(catalog.photos[number], split=name)
            assert (part.student_pixels.row(row) == number).all()
            assert (part.pixels_at(6).row(row) == number).all()
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
    write_catalog(tmp_path / "catalog", teacher_sizes_px=[4], cup=10, plate=10)
    split(tmp_path)
    assert [p.name for p in (tmp_path / "train/pixels").iterdir()] == ["4"]


def test_pixels_at_every_size_of_several_teachers_are_split(tmp_path):
    write_catalog(tmp_path / "catalog", teacher_sizes_px=[9, 4, 6], cup=10, plate=10)
    split(tmp_path)
    for name in SPLITS:
        part = PackedDataset.open(tmp_path / name)
        assert part.teacher_sizes_px == (9, 4, 6)
        assert sorted(p.name for p in (tmp_path / name / "pixels").iterdir()) == ["4", "6", "9"]
        for size_px in (9, 4, 6):
            levels = [int(image.max()) for image in part.pixels_at(size_px).read(range(len(part)))]
            assert levels == [int(p.digest, 16) for p in part.photos]


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


def test_a_catalogue_where_only_some_photos_have_a_split_is_damaged(tmp_path):
    photos = photos_of_classes(cup=10)
    photos[3] = replace(photos[3], split="train")
    write_photos_as_catalog(tmp_path / "catalog", photos)
    with pytest.raises(ArtifactError, match=r"photos\.csv must give every photo.*got ''"):
        split(tmp_path)


def grouped(photos: Sequence[Photo], **group_of: Sequence[int]) -> list[Photo]:
    """Photos by number, some in the groups named."""
    names = {number: name for name, numbers in group_of.items() for number in numbers}
    return [replace(p, group=names.get(i, "")) for i, p in enumerate(photos)]


def given(photos: Sequence[Photo], **numbers_of: Sequence[int]) -> list[Photo]:
    """Photos by number in the splits named, the rest in train."""
    names = {number: name for name, numbers in numbers_of.items() for number in numbers}
    return [replace(p, split=names.get(i, "train")) for i, p in enumerate(photos)]


def numbers(folder: Path) -> list[int]:
    return [int(p.digest, 16) for p in PackedDataset.open(folder).photos]


class Lines(HTMLParser):
    """A page as lines of text: headings, paragraphs, points, and the rows of tables."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._cells: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self._cells = []
        elif tag in ("td", "th") and self._cells is not None:
            self._cells.append("")
        elif tag in ("h1", "h2", "p", "li"):
            self.lines.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr" and self._cells is not None:
            self.lines.append(f"| {' | '.join(self._cells)} |")
            self._cells = None

    def handle_data(self, data: str) -> None:
        if self._cells:
            self._cells[-1] += data.strip()
        elif self._cells is None and self.lines:
            self.lines[-1] += data.strip()


def report(folder: Path) -> str:
    """The text of the report, a line a paragraph or row; the first two are title and verdict."""
    parser = Lines()
    parser.feed((folder / "report.html").read_text(encoding="utf-8"))
    return "\n".join(parser.lines)


@pytest.mark.parametrize("seed", range(5))
def test_a_group_goes_to_one_split_and_the_rest_fills_up(tmp_path, seed):
    photos = grouped(photos_of_classes(cup=30, plate=30), a=range(3, 6), b=range(25, 35))
    write_photos_as_catalog(tmp_path / "catalog", photos)
    metrics = split(tmp_path, seed=seed)
    held = [set(numbers(tmp_path / name)) for name in SPLITS]
    for group in (set(range(3, 6)), set(range(25, 35))):
        assert [len(group & part) for part in held].count(len(group)) == 1
    assert [len(part) for part in held] == [48, 6, 6]
    assert (metrics["n_groups_divided"], metrics["leak_share"]) == (0.0, 0.0)
    assert metrics["largest_count_difference"] == 0.0
    assert "stay in one part (2 groups)" in report(tmp_path)


def test_too_few_groups_are_told_with_what_to_do(tmp_path):
    photos = grouped(photos_of_classes(cup=40, plate=9), a=range(20), b=range(20, 40))
    write_photos_as_catalog(tmp_path / "catalog", photos)
    with pytest.raises(DatasetError) as caught:
        split(tmp_path)
    assert str(caught.value) == (
        "class 'cup' has 40 photos but only 2 groups of near duplicates or of photos that belong "
        "together; a split needs at least 3: add photos of other things, or remove the class."
    )
    assert [p.name for p in tmp_path.iterdir()] == ["catalog"]


def test_classes_that_block_each_other_are_told(tmp_path):
    # Groups a to d; each class has three of them, and no colouring with three colours serves all.
    classes = {"cup": "abc", "fork": "abd", "plate": "acd", "tray": "bcd"}
    photos = photos_of_classes(cup=3, fork=3, plate=3, tray=3)
    groups = [group for name in sorted(classes) for group in classes[name]]
    photos = [replace(p, group=g) for p, g in zip(photos, groups, strict=True)]
    write_photos_as_catalog(tmp_path / "catalog", photos)
    with pytest.raises(DatasetError, match="3 groups that it shares with other classes"):
        split(tmp_path)


def test_a_group_too_large_for_its_part_is_a_difference_that_is_told(tmp_path):
    # 24 + 3 + 3 are wished; 28 of 30 are one group: 28 + 1 + 1.
    photos = grouped(photos_of_classes(cup=30, plate=30), burst=range(28))
    write_photos_as_catalog(tmp_path / "catalog", photos)
    assert split(tmp_path)["largest_count_difference"] == 4.0
    assert "'cup' is off most, by 4 photos" in report(tmp_path)
    assert "| cup | 28 | 24 | 1 | 3 | 1 | 3 | 30 |" in report(tmp_path)


def test_a_part_that_gets_too_few_is_a_difference_too(tmp_path):
    # 24 + 3 + 3 are wished of three groups of 10: 10 + 10 + 10, train lacks 14.
    photos = photos_of_classes(cup=30, plate=30)
    photos = grouped(photos, a=range(10), b=range(10, 20), c=range(20, 30))
    write_photos_as_catalog(tmp_path / "catalog", photos)
    assert split(tmp_path)["largest_count_difference"] == 14.0


def test_the_leakage_that_groups_avoid_is_that_of_the_draw_without_them(tmp_path):
    photos = photos_of_classes(cup=100, plate=100)
    photos = [replace(p, group=f"pair {i // 2}") for i, p in enumerate(photos)]
    for name, catalog in (
        ("grouped", photos), ("alone", [replace(p, group="") for p in photos]),
    ):  # fmt: skip
        (tmp_path / name).mkdir()
        write_photos_as_catalog(tmp_path / name / "catalog", catalog)
    metrics = split(tmp_path / "grouped")
    assert split(tmp_path / "alone")["leak_share_avoided"] == 0.0
    train, test = (set(numbers(tmp_path / "alone" / name)) for name in ("train", "test"))
    leaked = [number for number in test if number ^ 1 in train]
    assert metrics["leak_share_avoided"] == len(leaked) / len(test) > 0.5
    share = f"{len(leaked) / len(test):.1%}"
    assert f"drawn photo by photo, {share} of the test photos" in report(tmp_path / "grouped")


@pytest.mark.parametrize("roots", [("", ""), ("/x", "/y")])
def test_equal_photos_of_one_relative_place_would_leak_too(tmp_path, roots):
    # Each photo twice; drawn alone, a test photo's copy lies in train with 8 in 10, about.
    photos = photos_of_classes(cup=100, plate=100)
    twice = [
        replace(p, data_dir=root, filepath=p.filepath if root else f"{i}{p.filepath}")
        for p in photos
        for i, root in enumerate(roots)
    ]
    write_photos_as_catalog(tmp_path / "catalog", twice)
    # 40 test photos: a deviation of 0.06.
    assert split(tmp_path)["leak_share_avoided"] == pytest.approx(0.8, abs=0.2)


def test_equal_pixels_stay_together_without_a_group(tmp_path):
    photos = photos_of_classes(cup=20, plate=20)
    photos[7] = replace(photos[7], digest=photos[3].digest)
    write_photos_as_catalog(tmp_path / "catalog", photos)
    split(tmp_path)
    assert sorted(numbers(tmp_path / name).count(3) for name in SPLITS) == [0, 0, 2]


def test_a_given_split_is_kept_whatever_the_fractions(tmp_path):
    photos = given(photos_of_classes(cup=10, plate=10), val=[0, 1, 10], test=[2, 3, 4, 5, 11])
    write_photos_as_catalog(tmp_path / "catalog", grouped(photos, burst=[2, 3]))
    metrics = split(tmp_path, seed=7)
    assert numbers(tmp_path / "val") == [0, 1, 10]
    assert numbers(tmp_path / "test") == [2, 3, 4, 5, 11]
    assert len(numbers(tmp_path / "train")) == 12
    assert metrics["largest_count_difference"] == 0.0
    assert "own train, val and test is kept as it is" in report(tmp_path)
    assert "stay in one part (1 group)." in report(tmp_path)  # nothing was drawn, nothing avoided
    for name in SPLITS:
        assert {p.split for p in PackedDataset.open(tmp_path / name).photos} == {name}


def test_a_missing_val_is_taken_from_train_and_said_so(tmp_path, caplog):
    # 18 of 20 of each class in train: a ninth of them, 2, for val.
    photos = given(photos_of_classes(cup=20, plate=20), test=[0, 1, 20, 21])
    write_photos_as_catalog(tmp_path / "catalog", photos)
    with caplog.at_level(logging.INFO):
        metrics = split(tmp_path)
    assert [metrics[f"n_{name}"] for name in SPLITS] == [32.0, 4.0, 4.0]
    assert numbers(tmp_path / "test") == [0, 1, 20, 21]
    sentence = "It has no val: 11.1% of each class of its train was drawn for it, with seed 42."
    assert sentence in report(tmp_path)
    assert sentence in caplog.text
    assert "| cup | 16 | 16 | 2 | 2 | 2 | 2 | 20 |" in report(tmp_path)


def test_a_missing_test_is_taken_from_train_without_what_leaks(tmp_path):
    photos = given(photos_of_classes(cup=40, plate=40), val=[*range(4), *range(40, 44)])
    photos = [replace(p, group=f"pair {i // 2}") for i, p in enumerate(photos)]
    write_photos_as_catalog(tmp_path / "catalog", photos)
    metrics = split(tmp_path)
    assert [metrics[f"n_{name}"] for name in SPLITS] == [64.0, 8.0, 8.0]
    assert metrics["n_groups_divided"] == 0.0
    assert metrics["leak_share_avoided"] > 0.0
    assert "It has no test: 11.1%" in report(tmp_path)
    assert "| cup | 32 | 32 | 4 | 4 | 4 | 4 | 40 |" in report(tmp_path)


def test_groups_that_a_given_split_divides_are_loud(tmp_path, caplog):
    photos = given(photos_of_classes(cup=10, plate=10), val=[0, 10], test=[1, 2, 11, 12])
    photos = grouped(photos, a=[2, 3, 4], b=[0, 12])
    write_photos_as_catalog(tmp_path / "catalog", photos)
    metrics = split(tmp_path)
    # Photo 2 has 3 and 4 in train, photo 12 has 0 in val: 2 of 4 test photos.
    assert (metrics["n_groups_divided"], metrics["leak_share"]) == (2.0, 0.5)
    assert metrics["leak_share_avoided"] == 0.0
    assert numbers(tmp_path / "test") == [1, 2, 11, 12]
    lead = report(tmp_path).splitlines()[1]
    assert lead.startswith("The test score of this split will be too good.")
    assert "2 of 4 test photos (50.0%) have another of their group in train or val" in lead
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert [w for w in warnings if "divides 2 groups" in w]


def test_a_group_divided_between_train_and_val_alone_spoils_no_test(tmp_path):
    photos = given(photos_of_classes(cup=10, plate=10), val=[0, 10], test=[1, 11])
    write_photos_as_catalog(tmp_path / "catalog", grouped(photos, a=[0, 2]))
    metrics = split(tmp_path)
    assert (metrics["n_groups_divided"], metrics["leak_share"]) == (1.0, 0.0)
    assert "divides 1 between train and val; none reaches into test" in report(tmp_path)


def test_a_class_missing_in_a_given_train_cannot_be_trained(tmp_path):
    photos = given(photos_of_classes(cup=4, plate=4), val=[0, 4], test=[1, 5, 6, 7])
    write_photos_as_catalog(tmp_path / "catalog", photos)
    with pytest.raises(DatasetError) as caught:
        split(tmp_path)
    assert str(caught.value) == (
        "class 'plate' has 0 images in its own train; a split needs at least 1."
    )


def test_a_class_missing_in_a_given_test_is_told(tmp_path, caplog):
    photos = given(photos_of_classes(cup=4, plate=4), val=[0, 4], test=[1])
    write_photos_as_catalog(tmp_path / "catalog", photos)
    assert split(tmp_path)["n_test"] == 1.0
    sentence = "The collection's own test has no photo of 'plate': nothing is known of them"
    assert sentence in report(tmp_path)
    assert sentence in caplog.text
    assert "| plate | 0 | – | – |" in report(tmp_path)


def test_what_split_writes_is_a_split_that_it_keeps(tmp_path):
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    write_photos_as_catalog(
        tmp_path / "first/catalog", grouped(photos_of_classes(cup=40, plate=20), a=range(9))
    )
    split(tmp_path / "first", seed=3)
    written = [p for name in SPLITS for p in PackedDataset.open(tmp_path / "first" / name).photos]
    catalog = sorted(written, key=lambda p: p.digest)
    write_photos_as_catalog(tmp_path / "second/catalog", catalog)
    split(tmp_path / "second", seed=4)
    for name in SPLITS:
        first, second = (tmp_path / n / name / "photos.csv" for n in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()


def test_the_report_counts_each_class_next_to_its_wish(tmp_path):
    write_catalog(tmp_path / "catalog", cup=30, plate_x=10)
    split(tmp_path)
    lines = report(tmp_path).splitlines()
    assert lines[1].startswith(
        "32 photos to train on, 4 to choose epochs and the threshold on, 4 to report on."
    )
    start = lines.index("| class | train | wished | val | wished | test | wished | all |")
    assert lines[start + 1 : start + 4] == [
        "| cup | 24 | 24 | 3 | 3 | 3 | 3 | 30 |",
        "| plate_x | 8 | 8 | 1 | 1 | 1 | 1 | 10 |",
        "| all | 32 | 32 | 4 | 4 | 4 | 4 | 40 |",
    ]


def test_the_report_tells_what_few_test_photos_can_tell(tmp_path):
    # Wilson at 90 % of 14: 65.0 % to 97.8 %; 141 photos for 5 points (tests/core/test_bounds.py).
    write_catalog(tmp_path / "catalog", cup=140, plate=10)
    split(tmp_path)
    text = report(tmp_path)
    assert (
        "'cup': on 14 test photos, 90% measured would only mean between 65% and 98%; plus or "
        "minus 5 points take 127 more."
    ) in text
    assert "| cup | 14 | 65.0% to 97.8% | 16.4 points |" in text
    table = [line.split(" | ")[0] for line in text.splitlines()[-2:]]
    assert table == ["| plate", "| cup"]  # the widest first


def test_a_thousand_classes_are_cut_to_the_worst_and_that_is_said(tmp_path):
    classes = {f"c{i:03}": 10 if i % 2 else 30 for i in range(120)}
    write_photos_as_catalog(
        tmp_path / "catalog", photos_of_classes(**classes), teacher_sizes_px=[4]
    )
    split(tmp_path)
    text = report(tmp_path)
    assert "The 50 of 120 classes with fewest test photos:" in text
    assert "The first 50 of 120 classes:" in text  # 8 + 1 + 1 and 24 + 3 + 3, as wished
    assert "farthest" not in text
    rows = [line for line in text.splitlines() if line.startswith("| c") and "class" not in line]
    assert len(rows) == 100
    assert {row.split(" | ")[1] for row in rows[50:]} == {"1"}


def test_of_many_classes_those_farthest_from_the_wish_come_first(tmp_path):
    # 28 of the last class's 30 photos are one group.
    photos = photos_of_classes(**{f"c{i:02}": 30 for i in range(60)})
    write_photos_as_catalog(tmp_path / "catalog", grouped(photos, burst=range(1770, 1798)))
    split(tmp_path)
    assert "The 50 of 60 classes that are farthest from the wish:" in report(tmp_path)
    assert "| c59 | 28 | 24 | 1 | 3 | 1 | 3 | 30 |" in report(tmp_path)


PEAK = """
import sys
from pathlib import Path

from edgedistill.settings import SplitSettings
from edgedistill.split.step import split_catalog


def peak_mib():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


folder = sys.argv[1]
before = peak_mib()
names = ("catalog", "train", "val", "test", "calib", "report.html")
split_catalog(*(f"{folder}/{name}" for name in names), SplitSettings())
print(peak_mib() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks at Linux's /proc")
def test_memory_does_not_grow_with_the_pixels(tmp_path):
    # 160 images of 0.75 MiB are 120 MiB.
    write_photos_as_catalog(tmp_path / "catalog", photos_of_classes(cup=80, plate=80), [512])
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    assert float(done.stdout) < 24
