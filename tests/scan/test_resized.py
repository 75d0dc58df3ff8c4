import numpy as np
import pytest
from PIL import Image

from edgedistill.core.careless_resize import careless_letterbox
from edgedistill.core.decode import decode_photo
from edgedistill.core.fingerprint import dataset_digest, pixel_digest
from edgedistill.datasets import PackedDataset
from edgedistill.scan import resized
from edgedistill.scan.resized import sample_share
from tests.scan.test_step import encoded, scan, six_a_class, smooth

RESIZES = ("bilinear", "nearest")


def check(data, out) -> list[list[str]]:
    """Rows and pixels agree in each data set; gives the places of both."""
    places = []
    for resize in RESIZES:
        view = PackedDataset.open(out / "catalog/resized" / resize)
        assert (view.label_names, view.student_px, view.teacher_sizes_px) == (
            ["cup", "plate"], 32, (),
        )  # fmt: skip
        for row, listed in enumerate(view.photos):
            pixels = decode_photo((data / listed.filepath).read_bytes())
            np.testing.assert_array_equal(
                view.student_pixels.row(row),
                careless_letterbox(Image.fromarray(pixels), 32, resize),
            )
        assert view.digest == dataset_digest(
            (p.filepath, p.label_name, p.digest) for p in view.photos
        )
        places.append([p.filepath for p in view.photos])
    return places


def test_all_photos_of_a_small_collection_are_resized_carelessly_too(tmp_path):
    data = six_a_class(tmp_path, **{"cup/again.png": encoded(smooth(0))})
    scan(data, tmp_path)
    catalog = PackedDataset.open(tmp_path / "catalog")
    for resize in RESIZES:
        assert PackedDataset.open(tmp_path / "catalog/resized" / resize).photos == catalog.photos
    assert check(data, tmp_path) == [[p.filepath for p in catalog.photos]] * 2


def test_of_a_large_one_a_sample_by_content_without_what_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(resized, "MOST_PHOTOS", 12)
    more = {f"plate/{n}x.png": encoded(smooth(n)) for n in range(4)}  # the pixels of four cups
    data = six_a_class(tmp_path, **more)
    scan(data, tmp_path, n_workers=1)
    catalog = PackedDataset.open(tmp_path / "catalog")

    def is_sampled(digest: str) -> bool:
        """12 of 16 files: the digests below 3 / 4 of their range."""
        return int(digest, 16) < 3 * 16**64 // 4

    left_out = [pixel_digest(smooth(n)) for n in range(4)]
    assert any(map(is_sampled, left_out))
    expected = [p.filepath for p in catalog.photos if is_sampled(p.digest)]
    assert 0 < len(expected) < len(catalog) == 8
    assert check(data, tmp_path) == [expected] * 2


@pytest.mark.parametrize(("n_files", "share"), [(1, 1.0), (5_000, 1.0), (20_000, 0.25)])
def test_about_five_thousand_photos_are_in_the_sample(n_files, share):
    assert sample_share(n_files) == share
