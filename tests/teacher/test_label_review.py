"""The table of doubtful labels: its order, its columns, and its way back through scan."""

import csv
import html
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgedistill.datasets import COLUMNS, PackedDataset
from edgedistill.scan.step import scan_photos
from edgedistill.settings import ScanSettings
from edgedistill.teacher.label_review import (
    REVIEW_COLUMNS,
    JudgedPart,
    find_suspects,
    review_summary,
    write_label_review,
)
from edgedistill.teacher.label_section import MOST_SHOWN, label_section

N_OF_CLASS = 30
CUP, MUG = 0, 1


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> PackedDataset:
    """A real scan of 30 cups and 30 mugs, each photo another noise; a cup is also "a, b".png."""
    folder = tmp_path_factory.mktemp("photos")
    draw = np.random.default_rng(0)
    for label in ("cup", "mug"):
        (folder / "all" / label).mkdir(parents=True)
        for number in range(N_OF_CLASS):
            name = "a, b" if (label, number) == ("cup", 29) else f"{number:02}"
            pixels = draw.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "all" / label / f"{name}.png")
    return scanned(folder / "all", folder / "catalog")


def scanned(data_dir: Path, target: Path) -> PackedDataset:
    settings = ScanSettings(data_dir=str(data_dir), student_img_size=32, teacher_img_size="32")
    scan_photos(str(target), str(target.with_suffix(".html")), settings)
    return PackedDataset.open(target)


def parts_of(catalog: PackedDataset, *doubts: tuple[str, int, float]) -> list[JudgedPart]:
    """The same photos as both parts; each doubt: part, row, and probability of the other class."""
    sure = np.where(np.eye(2)[catalog.label_indices] == 1, 0.9, 0.1)
    parts = [JudgedPart(s, catalog, sure.copy(), f"judge of {s}") for s in ("train", "val")]
    for split, row, other in doubts:
        part = parts[split == "val"]
        label = catalog.label_indices[row]
        part.probabilities[row, [label, 1 - label]] = 1 - other, other
    return parts


def table(path: Path, parts: list[JudgedPart]) -> list[dict[str, str]]:
    write_label_review(path, parts, find_suspects(parts))
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_suspects_of_both_parts_come_first_by_how_much_is_against_them(
    catalog: PackedDataset, tmp_path: Path
) -> None:
    # 0.6 is less than mugs give their own class: no high confidence.
    parts = parts_of(
        catalog, ("train", 3, 0.95), ("val", 29, 0.99), ("val", 40, 0.97), ("train", 5, 0.6)
    )
    rows = table(tmp_path / "review.csv", parts)
    assert list(rows[0]) == [*COLUMNS, *REVIEW_COLUMNS]
    told = [(r["filepath"], *(r[name] for name in REVIEW_COLUMNS)) for r in rows]
    assert told[:3] == [
        ("cup/a, b.png", "mug", "0.0100", "0.9900", "judge of val"),
        ("mug/10.png", "cup", "0.0300", "0.9700", "judge of val"),
        ("cup/03.png", "mug", "0.0500", "0.9500", "judge of train"),
    ]
    assert {row[1:] for row in told[3:]} == {("", "", "", "")}
    every_photo = sorted(2 * [photo.filepath for photo in catalog.photos])
    assert sorted(row[0] for row in told) == every_photo
    assert review_summary(parts, find_suspects(parts)) == {
        "judged_by": {"train": "judge of train", "val": "judge of val"},
        "n_suspects": {"train": 1, "val": 2},
    }


def test_a_label_corrected_in_the_table_is_what_scan_reads(
    catalog: PackedDataset, tmp_path: Path
) -> None:
    part = parts_of(catalog, ("train", 29, 0.99))[:1]
    (doubtful, *others) = table(tmp_path / "review.csv", part)
    assert doubtful["filepath"] == "cup/a, b.png"
    with (tmp_path / "corrected.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(doubtful))
        writer.writeheader()
        writer.writerows([{**doubtful, "label_name": "mug"}, *others[1:]])  # and one row deleted
    again = scanned(tmp_path / "corrected.csv", tmp_path / "again")
    labels = {photo.filepath: photo.label_name for photo in again.photos}
    was = {photo.filepath: photo.label_name for photo in catalog.photos}
    del was[others[0]["filepath"]]
    assert labels == {**was, "cup/a, b.png": "mug"}


def test_the_page_shows_the_first_with_what_they_seem_to_be(catalog: PackedDataset) -> None:
    doubts = [("train", row, 0.99 - row / 1000) for row in range(MOST_SHOWN + 1)]
    parts = parts_of(catalog, *doubts)
    section = label_section(parts, find_suspects(parts))
    text = " ".join(section.paragraphs)
    assert "25 of 60 training photos, judged by judge of train; 0 of 60 validation" in text
    assert "The first 24 of 25:" in text
    (gallery,) = section.galleries
    assert len(gallery.exhibits) == MOST_SHOWN
    first = gallery.exhibits[0]
    assert (first.shots[0].name, first.text) == ("cup", "cup/00.png")
    assert html.unescape(first.shots[0].text) == "mug? 0.99 against 0.01"
    assert first.shots[0].picture is not None


def test_a_page_without_doubts_asks_for_nothing(catalog: PackedDataset) -> None:
    parts = parts_of(catalog)
    section = label_section(parts, find_suspects(parts))
    assert len(section.paragraphs) == 1
    assert not section.galleries
