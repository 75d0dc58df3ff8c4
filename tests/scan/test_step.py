import csv
import io
from pathlib import Path

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
from edgedistill.settings import ScanSettings

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


def scan(data_dir: Path | str, out: Path, student_px: int = 32, teacher: str = "48"):
    settings = ScanSettings(
        data_dir=str(data_dir), student_img_size=student_px, teacher_img_size=teacher
    )
    return scan_photos(str(out / "catalog"), str(out / "report.html"), settings)


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
        assert listed.digest == pixel_digest(pixels)
        np.testing.assert_array_equal(dataset.student_pixels.row(row), letterbox(pixels, 32))
        np.testing.assert_array_equal(dataset.teacher_pixels.row(row), letterbox(pixels, 48))


def test_one_set_of_pixels_serves_two_equal_sizes(data, tmp_path):
    scan(data, tmp_path, student_px=32, teacher="32")
    assert [p.name for p in (tmp_path / "catalog/pixels").iterdir()] == ["32"]
    assert len(PackedDataset.open(tmp_path / "catalog").teacher_pixels) == 4


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
        "sizes_px": {"student": 32, "teacher": 48},
        "digest": dataset_digest((p.filepath, p.label_name, p.digest) for p in photos),
    }


def test_metrics_are_counts(scanned):
    metrics = dict(scanned[2])
    assert metrics.pop("seconds") > 0
    assert metrics == {"n_photos": 4.0, "n_bad_files": 2.0, "n_classes": 2.0, "smallest_class": 2.0}
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
    assert "4 readable photos of 2 classes; 2 files are left out" in page
    assert "cup/broken.jpg" in page
    assert page.count("data:image/jpeg;base64,") == 2
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
    assert "cup/\\udcff.jpg\tits name is not UTF-8\n" in bad


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
