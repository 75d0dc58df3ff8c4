import math

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgedistill.core.letterbox import letterbox
from edgedistill.core.look import Look, odd_kinds, photo_look

ORDINARY = Look(brightness=120, contrast=50, sharpness=0.5)


def grey(levels: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.repeat(np.rint(levels).astype(np.uint8)[:, :, None], 3, axis=2)


def checkerboard(side: int, field: int, dark: int, light: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:side, 0:side] // field
    return grey(np.where((x + y) % 2, light, dark).astype(float))


def look(image: NDArray[np.uint8], size_px: int = 240) -> Look:
    return photo_look(letterbox(image, size_px), *image.shape[:2])


def test_a_checkerboard_lies_half_its_step_from_its_mean():
    found = look(checkerboard(240, 30, 100, 140))
    assert found.brightness == 120
    assert found.contrast == 20


def test_luma_weighs_green_most():
    # BT.601: 0.299, 0.587 and 0.114 of 200, rounded.
    for channel, expected in enumerate((60, 117, 23)):
        image = np.zeros((64, 64, 3), np.uint8)
        image[:, :, channel] = 200
        assert look(image).brightness == expected


def test_padding_is_not_part_of_the_look():
    found = look(np.full((60, 240, 3), 200, np.uint8))
    assert (found.brightness, found.contrast, found.sharpness) == (200, 0, 0)


@pytest.mark.parametrize("period", [8, 16])
@pytest.mark.parametrize("is_upright", [True, False])
def test_sharpness_of_a_wave_is_the_square_of_half_its_angles_tangent(period, is_upright):
    # With w = 2 pi / period, the difference of neighbours two apart is 2 sin(w) times the wave a
    # quarter on, and the Laplacian is 2 - 2 cos(w) times it: ((1 - cos w) / sin w)**2.
    angle = 2 * math.pi / period
    wave = np.tile(128 + 100 * np.cos(angle * np.arange(128)), (128, 1))
    found = look(grey(wave if is_upright else wave.T), 128)
    assert found.sharpness == pytest.approx(math.tan(angle / 2) ** 2, rel=0.03)


def test_sharpness_does_not_see_contrast():
    strong, weak = (look(checkerboard(240, 15, 128 - d, 128 + d)).sharpness for d in (100, 20))
    assert strong == pytest.approx(weak, rel=0.02)


def test_a_photo_enlarged_from_40_px_is_blurred_and_a_plain_sharp_object_is_not():
    plain = np.full((400, 400, 3), 230, np.uint8)
    plain[120:280, 120:280] = 60
    assert odd_kinds(400, 400, look(plain)) == ()
    small = Image.fromarray(plain).resize((40, 40), Image.Resampling.BICUBIC)
    enlarged = np.asarray(small.resize((400, 400), Image.Resampling.BICUBIC))
    assert odd_kinds(400, 400, look(enlarged)) == ("very blurred",)


def test_a_small_photo_is_measured_at_its_own_size():
    # A wave of 8 px in a photo of 64: at 128 px it would be one of 16, with a quarter of this.
    wave = np.tile(128 + 100 * np.cos(math.pi / 4 * np.arange(64)), (64, 1))
    assert look(grey(wave)).sharpness == pytest.approx(math.tan(math.pi / 8) ** 2, rel=0.1)


@pytest.mark.parametrize(
    ("height", "width", "found", "expected"),
    [
        (400, 300, ORDINARY, ()),
        (64, 100, ORDINARY, ()),
        (63, 100, ORDINARY, ("tiny",)),
        (100, 63, ORDINARY, ("tiny",)),
        (400, 100, ORDINARY, ()),
        (401, 100, ORDINARY, ("extreme aspect",)),
        (100, 401, ORDINARY, ("extreme aspect",)),
        (400, 300, ORDINARY._replace(contrast=4.0), ()),
        (400, 300, ORDINARY._replace(contrast=3.9), ("one colour",)),
        (400, 300, Look(120, 0, 0), ("one colour",)),
        (400, 300, ORDINARY._replace(brightness=25.0), ()),
        (400, 300, ORDINARY._replace(brightness=24.9), ("very dark",)),
        (400, 300, ORDINARY._replace(brightness=235.0), ()),
        (400, 300, ORDINARY._replace(brightness=235.1), ("very bright",)),
        (400, 300, ORDINARY._replace(sharpness=0.15), ()),
        (400, 300, ORDINARY._replace(sharpness=0.149), ("very blurred",)),
        (10, 50, Look(3, 10, 0.1), ("tiny", "extreme aspect", "very dark", "very blurred")),
    ],
)
def test_odd_kinds_are_told_by_their_thresholds(height, width, found, expected):
    assert odd_kinds(height, width, found) == expected


def test_thin_photos_have_no_sharpness():
    assert look(np.zeros((1, 300, 3), np.uint8)).sharpness == 0


def test_only_square_colour_images_have_a_look():
    with pytest.raises(ValueError, match="letterboxed must be uint8"):
        photo_look(np.zeros((8, 9, 3), np.uint8), 8, 9)
