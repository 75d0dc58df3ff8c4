import hashlib

import numpy as np
import pytest
from PIL import Image

from edgedistill.core.fingerprint import dataset_digest, is_sampled, pixel_digest


def test_a_digest_is_sha256_of_shape_and_pixels():
    picture = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(2, 2, 3))
    assert pixel_digest(picture) == hashlib.sha256(b"2x2x3\n" + bytes(range(12))).hexdigest()


@pytest.mark.parametrize(("height", "width"), [(1, 90_000), (90_000, 1), (300, 437), (656, 100)])
def test_a_picture_that_is_read_in_stripes_has_the_digest_of_all_its_pixels(height, width):
    pixels = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    whole = f"{height}x{width}x3\n".encode() + pixels.tobytes()
    assert pixel_digest(Image.fromarray(pixels)) == hashlib.sha256(whole).hexdigest()


def test_the_same_bytes_in_another_shape_have_another_digest():
    assert pixel_digest(Image.new("RGB", (2, 6))) != pixel_digest(Image.new("RGB", (6, 2)))


def test_only_rgb_has_a_digest():
    with pytest.raises(ValueError, match="picture must be of mode RGB; got L"):
        pixel_digest(Image.new("L", (1, 1)))


def test_a_data_set_is_named_whatever_its_order():
    photos = [("b/1.jpg", "b", "22"), ("a/1.jpg", "a", "11")]
    assert dataset_digest(photos) == dataset_digest(reversed(photos))


def test_the_digest_of_a_data_set_is_the_sum_of_its_photos_digests():
    def of_one(*fields: bytes) -> int:
        framed = b"".join(len(field).to_bytes(8, "big") + field for field in fields)
        return int(hashlib.sha256(framed).hexdigest(), 16)

    total = of_one(b"a/1.jpg", b"a", b"11") + of_one(b"b/1.jpg", b"b", b"22")
    photos = [("a/1.jpg", "a", "11"), ("b/1.jpg", "b", "22")]
    assert int(dataset_digest(photos), 16) == total % 2**256
    assert len(dataset_digest(photos)) == 64


@pytest.mark.parametrize(
    "other",
    [
        [("a/1.jpg", "a", "11")],
        [("a/1.jpg", "a", "11"), ("b/1.jpg", "b", "22"), ("b/1.jpg", "b", "22")],
        [("a/1.jpg", "a", "11"), ("b/1.jpg", "b", "23")],
        [("a/1.jpg", "a", "11"), ("b/1.jpg", "c", "22")],
        [("a/1.jpg", "a", "11"), ("b/2.jpg", "b", "22")],
        [("a/1.jpg", "a", "11"), ("b/1.jpgb", "", "22")],
    ],
)
def test_another_place_label_pixel_or_cut_between_them_is_another_data_set(other):
    assert dataset_digest(other) != dataset_digest([("a/1.jpg", "a", "11"), ("b/1.jpg", "b", "22")])


def test_a_sample_has_its_share_of_the_digests_and_grows_with_it():
    digests = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(4000)]
    small, large = ({d for d in digests if is_sampled(d, share)} for share in (0.1, 0.3))
    # Four standard deviations: sqrt(4000 * 0.1 * 0.9) = 19, sqrt(4000 * 0.3 * 0.7) = 29.
    assert len(small) == pytest.approx(400, abs=76)
    assert len(large) == pytest.approx(1200, abs=116)
    assert small < large


def test_a_share_of_all_holds_every_digest_and_of_none_not_one():
    for digest in ("0" * 64, "f" * 64, "8" * 64):
        assert is_sampled(digest, 1.0)
        assert not is_sampled(digest, 0.0)
