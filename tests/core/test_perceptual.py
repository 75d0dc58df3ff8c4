import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.fft import dctn

from edgedistill.core.letterbox import letterbox
from edgedistill.core.perceptual import (
    LEAST_CONTRAST,
    LEAST_SIDE_PX,
    N_BYTES,
    coefficients,
    comparable,
    likeness,
    mirrored,
    perceptual_fingerprint,
)

SIDE = 32  # of the picture that is analysed: photos of this size are not resized
INDEX = {
    (u, s - u): n for n, (s, u) in enumerate((s, u) for s in range(1, 24) for u in range(s + 1))
}


def grey(levels: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.repeat(np.clip(np.rint(levels), 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def scene(seed: int, height: int = 160, width: int = 160) -> NDArray[np.uint8]:
    """Forty soft spots on a slope: structure at many sizes, as photos have it."""
    chance = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    levels = 128 + 30 * (x / width - 0.5) + np.zeros((height, width))
    for _ in range(40):
        cy, cx = chance.uniform(0, height), chance.uniform(0, width)
        radius = chance.uniform(4, 20)
        near = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / radius**2)
        levels += chance.uniform(-70, 70) * near
    return grey(levels)


def fingerprint(image: NDArray[np.uint8], size_px: int = 240) -> NDArray[np.uint8]:
    return perceptual_fingerprint(letterbox(image, size_px), *image.shape[:2])


def difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> int:
    apart = coefficients(first[None]).astype(int) - coefficients(second[None]).astype(int)
    return int(np.abs(apart).max())


def test_a_cosine_is_one_coefficient():
    # One wave across is all of the energy: 48 * frequency 2 * share 1 = 96.
    wave = 100 * np.cos(np.pi * 2 * (2 * np.arange(SIDE) + 1) / (2 * SIDE))
    for levels, place in (
        (128 + np.tile(wave, (SIDE, 1)), (0, 2)),
        (128 + np.tile(wave[:, None], (1, SIDE)), (2, 0)),
    ):
        values = coefficients(perceptual_fingerprint(grey(levels), SIDE, SIDE)[None])[0]
        assert values[INDEX[place]] == 96
        # Levels are rounded by up to half of one, a thousandth of the wave's energy.
        assert np.abs(np.delete(values, INDEX[place])).max() <= 4


def test_coefficients_are_those_of_scipys_transform():
    image = scene(1, SIDE, SIDE)
    values = coefficients(perceptual_fingerprint(image, SIDE, SIDE)[None])[0]
    spectrum = dctn(image[:, :, 0].astype(float), norm="ortho")
    kept = np.array([spectrum[place] for place in INDEX])
    frequency = np.array([u + v for u, v in INDEX])
    expected = np.clip(48 * frequency * kept / np.sqrt((kept**2).sum()), -127, 127)
    assert len(INDEX) == N_BYTES == 299
    assert np.abs(values - expected).max() < 1.5


def test_brightness_and_contrast_are_not_seen():
    levels = scene(2)[:, :, 0].astype(float)
    assert difference(fingerprint(grey(levels)), fingerprint(grey(levels * 0.5 + 100))) <= 6


def test_another_mean_is_the_very_same_fingerprint():
    levels = 20 + (scene(2, SIDE, SIDE)[:, :, 0].astype(float) - 20) / 12
    dark = perceptual_fingerprint(grey(levels), SIDE, SIDE)
    assert comparable(dark[None]).all()
    bright = perceptual_fingerprint(grey(np.rint(levels) + 200), SIDE, SIDE)
    np.testing.assert_array_equal(dark, bright)


def test_size_is_hardly_seen():
    image = scene(3, 320, 240)
    half = image.reshape(160, 2, 120, 2, 3).mean((1, 3)).astype(np.uint8)
    first, second = fingerprint(image)[None], fingerprint(half)[None]
    assert likeness(first, second)[0] > 0.99


def test_padding_is_not_seen():
    image = scene(4, 120, 200)
    square = letterbox(image, 240)
    white = square.copy()
    height = 120 * 240 // 200  # 144
    white[: (240 - height) // 2] = 255
    white[(240 - height) // 2 + height :] = 255
    first = perceptual_fingerprint(square, 120, 200)
    assert comparable(first[None]).all()
    np.testing.assert_array_equal(first, perceptual_fingerprint(white, 120, 200))


def test_the_mirror_image_of_a_fingerprint_is_that_of_the_mirror_image():
    image = scene(5, SIDE, SIDE)
    turned = mirrored(perceptual_fingerprint(image, SIDE, SIDE)[None])
    flipped = perceptual_fingerprint(np.ascontiguousarray(image[:, ::-1]), SIDE, SIDE)
    assert difference(turned[0], flipped) <= 1
    assert difference(turned[0], perceptual_fingerprint(image, SIDE, SIDE)) > 20


@pytest.mark.parametrize(
    ("amplitude", "is_compared"),
    # A wave's standard deviation is its amplitude / sqrt(2): 1.4, 1.77, 2.26, 2.8 around 2.
    [(0, False), (2, False), (2.5, False), (3.2, True), (4, True)],
)
def test_flat_photos_are_not_compared(amplitude: float, is_compared: bool):
    assert LEAST_CONTRAST == 2
    wave = np.cos(np.pi * 2 * (2 * np.arange(240) + 1) / 480)
    image = grey(128 + amplitude * np.tile(wave, (240, 1)))
    assert comparable(fingerprint(image)[None])[0] == is_compared


@pytest.mark.parametrize(
    ("height", "width", "is_compared"),
    [
        (31, 200, False),  # the original's shorter side
        (32, 200, True),  # 32 * 240 / 200 = 38 px of content
        (200, 31, False),
        (60, 1000, False),  # 60 * 240 / 1000 = 14 px of content
        (70, 1000, True),  # 16.8
    ],
)
def test_small_and_thin_photos_are_not_compared(height: int, width: int, is_compared: bool):
    assert LEAST_SIDE_PX == 32
    assert comparable(fingerprint(scene(6, height, width))[None])[0] == is_compared


def test_likeness_is_one_for_one_picture_and_small_for_two():
    one, other = fingerprint(scene(7))[None], fingerprint(scene(8))[None]
    assert likeness(one, one)[0] == pytest.approx(1, abs=1e-3)
    assert likeness(one, other)[0] < 0.5


@pytest.mark.parametrize(
    "cut", [np.s_[:, 8:], np.s_[:, :-8], np.s_[8:], np.s_[:-8], np.s_[4:-4, 4:-4]]
)
def test_a_crop_of_five_percent_is_laid_over_the_whole(cut):
    image = scene(9)
    whole, part = fingerprint(image)[None], fingerprint(np.ascontiguousarray(image[cut]))[None]
    assert likeness(whole, part)[0] > 0.9
    assert likeness(part, whole)[0] > 0.9


def test_likeness_goes_row_by_row_whatever_the_number_of_rows():
    rows = np.stack([fingerprint(scene(seed, 64, 64)) for seed in range(3)])
    first, second = rows[np.arange(120) % 3], rows[np.arange(120) % 2]
    alone = [likeness(first[i : i + 1], second[i : i + 1])[0] for i in range(120)]
    np.testing.assert_array_equal(likeness(first, second), alone)
    assert likeness(first[:0], second[:0]).shape == (0,)


@pytest.mark.parametrize("shape", [(8, 8), (8, 9, 3), (8, 8, 4)])
def test_only_square_colour_images_have_a_fingerprint(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match="letterboxed must be uint8"):
        perceptual_fingerprint(np.zeros(shape, np.uint8), 8, 8)
