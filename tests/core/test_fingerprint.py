import hashlib

import numpy as np
import pytest

from edgedistill.core.fingerprint import dataset_digest, pixel_digest


def test_a_digest_is_sha256_of_shape_and_pixels():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert pixel_digest(image) == hashlib.sha256(b"2x2x3\n" + bytes(range(12))).hexdigest()


def test_the_same_bytes_in_another_shape_have_another_digest():
    image = np.zeros((2, 6, 3), np.uint8)
    assert pixel_digest(image) != pixel_digest(image.reshape(6, 2, 3))


def test_a_view_has_the_digest_of_its_copy():
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)[:, ::2]
    assert pixel_digest(image) == pixel_digest(image.copy())


def test_only_bytes_have_a_digest():
    with pytest.raises(ValueError, match="uint8"):
        pixel_digest(np.zeros((1, 1, 3), np.float32))


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
