"""Views shown: each operation against arithmetic of its own, and all of them together."""

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from scipy.stats import norm

from edgedistill.core.augment import show_views, tone_curves
from edgedistill.core.letterbox import letterbox
from edgedistill.core.views import LEVELS, Views, draw_views, unchanged_views

VARYING = [level for level in LEVELS if level != "none"]
WHITE = 255


def photo(size_px: int, seed: int = 0) -> np.ndarray:
    """Smooth colours with a sharp square in them, letterboxed: black above and below."""
    cells = np.random.default_rng(seed).integers(30, 226, (5, 8, 3)).astype(np.uint8)
    smooth = Image.fromarray(cells).resize((320, 200), Image.Resampling.BICUBIC)
    smooth.paste((220, 40, 90), (90, 60, 150, 120))
    return letterbox(smooth, size_px)


def photos(n: int, size_px: int = 64) -> np.ndarray:
    return np.stack([photo(size_px, seed) for seed in range(n)])


def noise_image(size_px: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (size_px, size_px, 3)).astype(np.uint8)


def grey(levels: np.ndarray) -> np.ndarray:
    """An image whose three channels are these levels, shape (size, size)."""
    return np.repeat(levels.astype(np.uint8)[:, :, None], 3, axis=2)


def views_of(n: int, **values: Any) -> Views:
    """n times the unchanged view, but for these."""
    return replace(unchanged_views(n), **{k: np.array([v] * n) for k, v in values.items()})


def shown(image: np.ndarray, **values: Any) -> np.ndarray:
    """The image in one view, as numbers that can be subtracted."""
    view: np.ndarray = show_views(image[None], views_of(1, **values))[0]
    return view.astype(int)


def only(views: Views, rows: list[int]) -> Views:
    return Views(**{field.name: getattr(views, field.name)[rows] for field in fields(views)})


# What holds for all of them.


def test_without_augmentation_the_images_are_handed_through() -> None:
    images = photos(3)
    assert show_views(images, draw_views(1, 2, [4, 5, 6], level="none")) is images


@pytest.mark.parametrize("level", VARYING)
def test_views_are_new_8_bit_images_and_their_photos_stay_as_they_are(level: str) -> None:
    images = photos(12)
    before = images.copy()
    images.setflags(write=False)
    views = show_views(images, draw_views(1, 2, range(12), level=level))
    assert views.dtype == np.uint8
    assert views.shape == (12, 64, 64, 3)
    assert views.flags.c_contiguous
    np.testing.assert_array_equal(images, before)
    assert all(not np.array_equal(view, image) for view, image in zip(views, images, strict=True))


@pytest.mark.parametrize("level", VARYING)
def test_a_view_is_the_same_in_any_batch_and_in_any_order(level: str) -> None:
    images, order = photos(16), [11, 3, 15, 0]
    views = draw_views(1, 2, range(16), level=level)
    together = show_views(images, views)
    np.testing.assert_array_equal(show_views(images[order], only(views, order)), together[order])


def test_a_view_is_the_same_in_any_thread() -> None:
    images, views = photos(48), draw_views(1, 2, range(48), level="phone")
    parts = [list(range(first, first + 4)) for first in range(0, 48, 4)]
    with ThreadPoolExecutor(max_workers=4) as workers:
        done = list(workers.map(lambda rows: show_views(images[rows], only(views, rows)), parts))
    np.testing.assert_array_equal(np.concatenate(done), show_views(images, views))


def test_a_view_is_the_same_at_two_sizes() -> None:
    # Of smooth photos, as both sizes can hold all of it; noise and JPEG have tests of their own.
    cells = np.random.default_rng(1).integers(60, 196, (20, 4, 4, 3)).astype(np.uint8)
    large = np.zeros((20, 240, 240, 3), np.uint8)
    for row, colours in enumerate(cells):
        smooth = Image.fromarray(colours).resize((240, 240), Image.Resampling.BICUBIC)
        large[row] = np.asarray(smooth)
    small = large.reshape(20, 120, 2, 120, 2, 3).mean(axis=(2, 4)).round().astype(np.uint8)
    views = draw_views(1, 2, range(20), level="phone")
    views = replace(views, noise=np.zeros(20), jpeg_quality=np.zeros(20, np.int64))
    at_240 = show_views(large, views).reshape(20, 120, 2, 120, 2, 3).mean(axis=(2, 4))
    difference = np.abs(at_240 - show_views(small, views)).max(axis=3)
    # But for the pixels on the edge of the photo and of the erased rectangle.
    assert np.quantile(difference, 0.9) <= 1.5
    assert (difference > 4).mean() < 0.03


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 8, 8, 3), np.uint8),
        np.zeros((1, 8, 9, 3), np.uint8),
        np.zeros((1, 8, 8, 4), np.uint8),
        np.zeros((1, 8, 8, 3), np.float32),
        np.zeros((8, 8, 3), np.uint8),
    ],
)
def test_other_images_are_refused(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"images must be uint8 \(1, size, size, 3\); got "):
        show_views(images, unchanged_views(1))


# Geometry.


def test_a_flip_mirrors_exactly() -> None:
    image = noise_image(31)
    np.testing.assert_array_equal(shown(image, flip=True), image[:, ::-1])


def test_a_flip_mirrors_what_was_moved() -> None:
    held = {"zoom": 0.8, "shift_frac": [0.05, -0.03], "rotation_deg": 8.0}
    image = photo(64)
    difference = shown(image, flip=True, **held) - shown(image, **held)[:, ::-1]
    # Sums in another order may round otherwise.
    assert np.abs(difference).max() <= 1


def test_a_pixel_moves_against_the_shift() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    image[5, 2] = (10, 200, 30)
    # The middle goes 2 px down and 1 px left over the photo: what it sees goes 2 up and 1 right.
    view = shown(image, shift_frac=[2 / 8, -1 / 8])
    assert view[3, 3].tolist() == [10, 200, 30]
    assert view.sum() == 240


def test_a_quarter_turn_is_numpys_quarter_turn() -> None:
    image = noise_image(16)
    assert np.abs(shown(image, rotation_deg=90.0) - np.rot90(image)).max() <= 1


def test_a_turned_and_zoomed_ramp_is_the_ramp_at_the_turned_points() -> None:
    middles = np.arange(64) + 0.5
    ramp = 20 + np.arange(64)[None, :] + 2 * np.arange(64)[:, None]
    view = shown(grey(ramp), zoom=0.7, rotation_deg=10.0, shift_frac=[2 / 64, -1 / 64])
    x, y = np.meshgrid(middles - 32, middles - 32)
    cos, sin = 0.7 * np.cos(np.deg2rad(10)), 0.7 * np.sin(np.deg2rad(10))
    across, down = 32 - 1 + cos * x - sin * y, 32 + 2 + sin * x + cos * y
    # At (x, y) the ramp is 20 + (x - 1/2) + 2 (y - 1/2). Pillow rounds down.
    off = view[:, :, 0] - (18.5 + across + 2 * down)
    assert -1 < off.min() <= off.max() < 1e-9


def test_beyond_the_photo_it_is_black() -> None:
    # Twice as much is seen: of 10 px the photo takes the middle 5, from 2.5 to 7.5; at a zoom of 2
    # the middles of the view's pixels 3 to 6 lie well inside, those of 0, 1, 8 and 9 outside.
    view = shown(np.full((10, 10, 3), WHITE, np.uint8), zoom=2.0)
    assert (view[3:7, 3:7] == WHITE).all()
    view[2:8, 2:8] = 0
    assert not view.any()


# Light and colour.


def test_gain_is_a_factor_on_each_channel() -> None:
    image = noise_image(32)
    expected = np.clip(image * np.array([0.8, 1.0, 1.25]), 0, 255)
    assert np.abs(shown(image, gain=[0.8, 1.0, 1.25]) - expected).max() <= 0.51


def test_gamma_is_an_exponent() -> None:
    image = grey(np.arange(256).reshape(16, 16))
    assert np.abs(shown(image, gamma=0.8) - 255 * (image / 255) ** 0.8).max() <= 0.51


def test_contrast_is_the_slope_in_the_middle_and_leaves_black_white_and_middle() -> None:
    image = grey(np.arange(256).reshape(16, 16))
    view = shown(image, contrast=1.3)[:, :, 0].ravel()
    # At v = 1/4: 0.25 + 2 * 0.3 * 0.25 * 0.75 * (-0.5) = 0.19375; at 3/4 as far above it.
    assert np.interp(63.75, range(256), view) == pytest.approx(0.19375 * 255, abs=0.6)
    assert np.interp(191.25, range(256), view) == pytest.approx(0.80625 * 255, abs=0.6)
    assert (view[0], view[255]) == (0, 255)
    assert np.interp(127.5, range(256), view) == pytest.approx(127.5, abs=0.6)
    # Over 20 levels around the middle the cubic's slope is less than 1 % below 1.3.
    assert view[137] - view[117] == pytest.approx(1.3 * 20, abs=1.3)


def test_light_is_gain_then_gamma_then_contrast() -> None:
    image = noise_image(32)
    view = shown(image, gain=[0.7, 1.1, 1.3], gamma=1.2, contrast=0.75)
    v = np.minimum(image / 255 * [0.7, 1.1, 1.3], 1) ** 1.2
    assert np.abs(view - 255 * (v - 0.5 * v * (1 - v) * (2 * v - 1))).max() <= 0.51


@pytest.mark.parametrize("level", VARYING)
def test_lighter_stays_lighter_and_black_stays_black(level: str) -> None:
    curves = tone_curves(draw_views(0, 0, range(500), level=level)).astype(int)
    assert (np.diff(curves, axis=2) >= 0).all()
    assert not curves[:, :, 0].any()


@pytest.mark.parametrize("saturation", [0.0, 0.6, 1.4])
def test_saturation_is_the_distance_from_the_grey_of_the_luma(saturation: float) -> None:
    image = noise_image(48)
    luma = (image * [0.299, 0.587, 0.114]).sum(axis=2, keepdims=True)
    expected = np.clip(luma + saturation * (image - luma), 0, 255)
    assert np.abs(shown(image, saturation=saturation) - expected).max() <= 0.51


def test_the_letterbox_stays_black_whatever_the_light() -> None:
    images = np.full((200, 32, 32, 3), 90, np.uint8)
    images[:, :8] = images[:, 24:] = 0
    plain = unchanged_views(200)
    light = ("gain", "gamma", "contrast", "saturation", "noise", "noise_seed")
    drawn = draw_views(0, 0, range(200), level="phone")
    views = show_views(images, replace(plain, **{name: getattr(drawn, name) for name in light}))
    assert not views[:, :8].any()
    assert not views[:, 24:].any()
    assert views[:, 8:24].any(axis=(1, 2, 3)).all()


# Lens, sensor, file.


def test_blur_is_a_gaussian_of_that_share_of_the_side() -> None:
    # The edge between black and white becomes the normal distribution: 0.04 * 100 px = 4 px.
    image = grey(np.where(np.arange(100) < 50, 0, WHITE)[None, :].repeat(100, 0))
    view = shown(image, blur_frac=0.04)
    expected = 255 * norm.cdf((np.arange(100) + 0.5 - 50) / 4)
    # Three boxes stand for the Gaussian: at most 1 % from it.
    assert np.abs(view - expected[None, :, None]).max() <= 3


@pytest.mark.parametrize(("motion_frac", "axis"), [([0.04, 0.0], 0), ([0.0, 0.04], 1)])
def test_a_moving_camera_smears_along_its_way_alone(motion_frac: list[float], axis: int) -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    image[50, 50] = WHITE
    # By 4 px: seen at 5 places, 255 / 5 each.
    expected = np.zeros((100, 100))
    expected[(slice(48, 53), 50) if axis == 0 else (50, slice(48, 53))] = 51
    view = shown(image, motion_frac=motion_frac)
    assert np.abs(view - expected[:, :, None]).max() <= 1


def test_noise_is_grey_of_that_deviation_and_spares_black() -> None:
    image = np.full((160, 160, 3), 100, np.uint8)
    image[:40] = 0
    view = shown(image, noise=8.0, noise_seed=5)
    assert not view[:40].any()
    offsets = view[40:] - 100
    assert (offsets == offsets[:, :, :1]).all()
    # 19,200 draws at the size at which grains are pixels: standard errors 0.06 and 0.04.
    assert abs(offsets.mean()) < 0.3
    assert offsets.std() == pytest.approx(8.0, abs=0.2)


def test_noise_is_clipped_and_does_not_wrap_around() -> None:
    image = np.full((160, 160, 3), 254, np.uint8)
    image[:80] = 1
    view = shown(image, noise=9.0, noise_seed=5)
    assert view[:80].max() < 60
    assert view[80:].min() > 190


def test_noise_has_the_same_grains_at_two_sizes_and_others_with_another_seed() -> None:
    small, large = (np.full((side, side, 3), 100, np.uint8) for side in (160, 320))
    once, other = (shown(small, noise=8.0, noise_seed=seed)[:, :, 0] for seed in (5, 6))
    fine = shown(large, noise=8.0, noise_seed=5)[:, :, 0]
    shrunk = fine.reshape(160, 2, 160, 2).mean(axis=(1, 3))
    assert np.corrcoef(once.ravel(), shrunk.ravel())[0, 1] > 0.9
    assert abs(np.corrcoef(once.ravel(), other.ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("quality", [30, 75, 95])
def test_jpeg_is_a_file_of_that_quality_and_back(quality: int) -> None:
    image = photo(72)
    # IJG's rule for the first step of the luminance, 16 at quality 50 (libjpeg's jcparam.c).
    scale = 5000 / quality if quality < 50 else 200 - 2 * quality
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=2)
    file.seek(0)
    reread = JpegImageFile(file)
    assert reread.quantization[0][0] == (16 * int(scale) + 50) // 100
    np.testing.assert_array_equal(shown(image, jpeg_quality=quality), np.asarray(reread))


def test_a_rectangle_is_erased_with_the_mean_colour() -> None:
    image = noise_image(50)
    view = shown(image, erased_frac=[0.1, 0.5, 0.2, 0.3])
    # Rows 5 to 14, columns 25 to 39.
    assert np.abs(view[5:15, 25:40] - image.mean(axis=(0, 1))).max() <= 1
    view[5:15, 25:40] = image[5:15, 25:40]
    np.testing.assert_array_equal(view, image)


def test_of_a_rectangle_beyond_the_image_the_part_inside_is_erased() -> None:
    image = noise_image(50)
    view = shown(image, erased_frac=[-0.1, 0.9, 0.2, 0.3])
    np.testing.assert_array_equal(view[5:], image[5:])
    np.testing.assert_array_equal(view[:, :45], image[:, :45])
    assert np.ptp(view[:5, 45:].reshape(-1, 3), axis=0).tolist() == [0, 0, 0]


def test_operations_follow_the_order_of_the_world() -> None:
    image = photo(64)
    values: dict[str, Any] = {
        "geometry": {"zoom": 0.8, "rotation_deg": 5.0},
        "light": {"gain": [1.3, 1.2, 1.1], "contrast": 1.2},
        "colour": {"saturation": 0.6},
        "lens": {"blur_frac": 0.02},
        "way": {"motion_frac": [0.03, 0.0]},
        "sensor": {"noise": 9.0, "noise_seed": 3},
        "file": {"jpeg_quality": 40},
        "in front": {"erased_frac": [0.3, 0.3, 0.25, 0.25]},
    }
    at_once = {name: value for part in values.values() for name, value in part.items()}
    step_by_step = image
    for part in values.values():
        step_by_step = shown(step_by_step, **part).astype(np.uint8)
    np.testing.assert_array_equal(shown(image, **at_once), step_by_step)
