import io

import numpy as np
from PIL import Image

from edgedistill.evaluate.mistakes import lossless_webp, worst_mistakes, write_mistakes
from tests.evaluate.photo_folders import photo, write_packed


def test_the_surest_mistakes_come_first_and_twelve_are_enough():
    labels = np.zeros(20, np.int64)
    predicted = np.ones(20, np.int64)
    predicted[[3, 7]] = 0  # right, however sure
    confidence = np.linspace(0.5, 0.9, 20)
    wanted = [n for n in range(19, -1, -1) if n not in (3, 7)][:12]
    assert worst_mistakes(predicted, confidence, labels).tolist() == wanted


def test_equally_sure_mistakes_keep_their_order():
    got = worst_mistakes(np.array([1, 1, 1]), np.array([0.6, 0.9, 0.9]), np.zeros(3, np.int64))
    assert got.tolist() == [1, 2, 0]


def test_a_picture_holds_exactly_the_pixels():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    image[:8] = 0
    with Image.open(io.BytesIO(lossless_webp(image))) as picture:
        assert picture.format == "WEBP"
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), image)


def test_each_mistake_is_told_with_the_pixels_that_the_model_saw(tmp_path):
    images = list(np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8))
    photos = write_packed(tmp_path / "test", images, [photo(n, 0) for n in range(3)])
    told = write_mistakes(tmp_path, photos, np.array([2, 0, 1]), np.array([0.6, 0.9, 0.75]))
    assert told == [
        {"filepath": "red/2.jpg", "label_name": "red", "predicted_name": "green",
         "confidence": 0.75, "image": "mistakes/0001.webp"},
        {"filepath": "red/0.jpg", "label_name": "red", "predicted_name": "blue",
         "confidence": 0.6, "image": "mistakes/0002.webp"},
    ]  # fmt: skip
    for mistake, image in zip(told, (images[2], images[0]), strict=True):
        with Image.open(tmp_path / str(mistake["image"])) as picture:
            np.testing.assert_array_equal(np.asarray(picture), image)


def test_without_a_mistake_there_is_no_folder(tmp_path):
    images = [np.zeros((16, 16, 3), np.uint8)]
    photos = write_packed(tmp_path / "test", images, [photo(0, 0)])
    assert write_mistakes(tmp_path, photos, np.array([0]), np.array([1.0])) == []
    assert not (tmp_path / "mistakes").exists()
