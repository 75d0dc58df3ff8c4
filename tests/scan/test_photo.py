import io
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgedistill.core.letterbox import letterbox
from edgedistill.core.look import odd_kinds
from edgedistill.core.perceptual import perceptual_fingerprint
from edgedistill.scan.photo import ReadPhoto, read_photo


def wave(period: int, height: int = 512, width: int = 512) -> NDArray[np.uint8]:
    """A cosine across, of so many pixels a period."""
    levels = 128 + 100 * np.cos(2 * np.pi / period * np.arange(width))
    return np.tile(np.rint(levels).astype(np.uint8)[None, :, None], (height, 1, 3))


def read(image: NDArray[np.uint8], *sizes_px: int) -> ReadPhoto:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    found = read_photo((0, file.getvalue()), sizes_px=sizes_px, max_megapixels=10)
    assert isinstance(found, ReadPhoto)
    return found


def test_the_look_is_the_same_whichever_size_is_the_students():
    image = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    first, second = read(image, 96, 240).look, read(image, 240, 96).look
    assert first == second == read(image, 240).look


@pytest.mark.parametrize("sizes_px", [(96, 64), (64, 96), (32,), (128, 32), (240, 96), (96, 240)])
def test_a_blurred_photo_is_one_at_small_sizes_too(sizes_px):
    # Period 40 at 512 px is 10 at 128: tan(pi / 10)**2 = 0.106, below 0.15. At 96 px it would be
    # 7.5: tan(pi / 7.5)**2 = 0.198 (tests/core/test_look.py).
    look = read(wave(40), *sizes_px).look
    assert look.sharpness == pytest.approx(math.tan(math.pi / 10) ** 2, rel=0.03)
    assert odd_kinds(512, 512, look) == ("very blurred",)


def test_the_first_size_is_fingerprinted_and_all_are_kept_in_order():
    image = np.random.default_rng(1).integers(0, 256, (90, 120, 3), np.uint8)
    found = read(image, 48, 96)
    assert (found.height_px, found.width_px) == (90, 120)
    np.testing.assert_array_equal(found.images[0], letterbox(image, 48))
    np.testing.assert_array_equal(found.images[1], letterbox(image, 96))
    expected = perceptual_fingerprint(letterbox(image, 48), 90, 120)
    np.testing.assert_array_equal(found.fingerprint, expected)


def test_a_wide_photo_keeps_its_height_and_width_apart():
    # 200 high and 400 wide: at 128 px the padding is half; a plain grey has no contrast without it.
    look = read(np.full((200, 400, 3), 90, np.uint8), 64).look
    assert (look.brightness, look.contrast) == (90, 0)
