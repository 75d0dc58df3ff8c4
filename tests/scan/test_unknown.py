import numpy as np
import pytest

from edgedistill.artifacts import DATASET_MANIFEST
from edgedistill.core.decode import decode_photo
from edgedistill.core.letterbox import letterbox
from edgedistill.datasets import PackedDataset
from edgedistill.errors import DatasetError
from tests.scan.test_step import make, photo, rows_of, scan, write_photos


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    """Photos of two classes and of none, here and elsewhere; one of no class is a cup."""
    out = tmp_path_factory.mktemp("unknown")
    data = make(
        write_photos(out),
        **{
            "_unknown/x/1.jpg": photo(11),
            "_unknown/broken.jpg": photo(12)[:-200],
            "_unknown/cup.jpg": photo(3),
        },
    )
    elsewhere = make(out / "elsewhere", **{"dog/7.png": photo(13, 20, 50, "PNG")})
    return data, elsewhere, out, scan(data, out, unknown_uri=str(elsewhere))


def test_photos_of_no_class_are_packed_beside_the_catalogue(scanned):
    data, elsewhere, out, metrics = scanned
    unknown = PackedDataset.open(out / "catalog/unknown")
    assert [(p.filepath, p.data_dir) for p in unknown.photos] == [
        ("_unknown/x/1.jpg", str(data)), ("dog/7.png", str(elsewhere)),
    ]  # fmt: skip
    assert {(p.label_index, p.label_name, p.split, p.group) for p in unknown.photos} == {
        (0, "_unknown", "", "")
    }
    assert unknown.label_names == ["_unknown"]
    assert (unknown.student_px, unknown.teacher_sizes_px) == (32, ())
    for row, listed in enumerate(unknown.photos):
        pixels = decode_photo(((data, elsewhere)[row] / listed.filepath).read_bytes())
        np.testing.assert_array_equal(unknown.student_pixels.row(row), letterbox(pixels, 32))
    assert metrics["n_unknown"] == 2


def test_they_are_in_nothing_else(scanned):
    _, _, out, metrics = scanned
    catalog = PackedDataset.open(out / "catalog")
    assert [p.filepath for p in catalog.photos] == [
        "cup/a, b.jpg", "cup/deep/b.jpeg", "plate/1.png", "plate/2.jpg",
    ]  # fmt: skip
    assert (catalog.label_names, metrics["n_photos"], metrics["n_classes"]) == (
        ["cup", "plate"], 4, 2,
    )  # fmt: skip
    manifest = DATASET_MANIFEST.read(out / "catalog")
    assert manifest["classes"] == {"cup": 2, "plate": 2}
    assert (manifest["n_photos"], manifest["n_unknown"]) == (4, 2)


def test_those_that_cannot_be_used_are_listed_and_so_is_one_of_a_class(scanned):
    _, _, out, metrics = scanned
    lines = (out / "catalog/bad_files.txt").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == [
        "cup/broken.jpg", "cup/empty\\tfile.png", "_unknown/broken.jpg", "_unknown/cup.jpg",
    ]  # fmt: skip
    same = "has the same pixels as cup/a, b.jpg, which is labelled cup"
    assert lines[-1].endswith(f"\t{same}")
    found = [f for f in rows_of(out / "catalog/findings.csv") if f["label_name"] == "_unknown"]
    assert [(f["kind"], f["filepath"]) for f in found] == [
        ("bad file", "_unknown/broken.jpg"), ("bad file", "_unknown/cup.jpg"),
    ]  # fmt: skip
    assert metrics["n_bad_files"] == DATASET_MANIFEST.read(out / "catalog")["n_bad_files"] == 4
    assert metrics["n_conflicts"] == 0


def test_the_report_tells_of_them(scanned):
    page = (scanned[2] / "report.html").read_text()
    assert "2 photos belong to no class" in page
    assert "4 unusable" in page


def test_none_that_can_be_used_ends_the_scan(tmp_path):
    data = make(write_photos(tmp_path), **{"_unknown/1.jpg": b"", "_unknown/2.jpg": photo(3)})
    sentence = (
        "none of the 2 photos of no class can be used; the first is _unknown/1.jpg: the file is "
        "empty. Replace them, or take them away."
    )
    with pytest.raises(DatasetError, match=sentence):
        scan(data, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [data.name]


def test_a_manifest_of_the_same_unknown_photo_counts_it_once(tmp_path):
    data = make(write_photos(tmp_path), **{"_unknown/1.jpg": photo(11)})
    manifest = tmp_path / "more.csv"
    manifest.write_text(f"path,label,data_dir\n_unknown/1.jpg,dog,{data}\n")
    assert scan(data, tmp_path, unknown_uri=str(manifest))["n_unknown"] == 1
    assert "_unknown/1.jpg\tis listed twice" in (tmp_path / "catalog/bad_files.txt").read_text()
