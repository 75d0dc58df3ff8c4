import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import map_coordinates

from edgedistill.core import careless_resize
from edgedistill.core.letterbox import letterbox, scaled_size


def careless_letterbox(pixels: np.ndarray, size_px: int, resize: str) -> np.ndarray:
    return careless_resize.careless_letterbox(Image.fromarray(pixels), size_px, resize)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


def content(square: np.ndarray, height: int, width: int) -> np.ndarray:
    top, left = (len(square) - height) // 2, (len(square) - width) // 2
    return square[top : top + height, left : left + width]


@pytest.mark.parametrize(("height", "width"), [(533, 400), (30, 50), (1, 7), (100, 1), (48, 48)])
def test_bilinear_is_scipys_interpolation_between_pixel_centres(height, width):
    pixels = noise(height, width)
    new = scaled_size(height, width, 48)
    places = [
        (np.arange(n) + 0.5) * old / n - 0.5 for n, old in zip(new, (height, width), strict=True)
    ]
    grid = np.meshgrid(*places, indexing="ij")
    expected = np.stack(
        [
            map_coordinates(pixels[..., c].astype(float), grid, order=1, mode="nearest")
            for c in range(3)
        ],
        axis=2,
    )
    found = content(careless_letterbox(pixels, 48, "bilinear"), *new)
    lost = expected - found  # by rounding down, up to what doubles are off
    assert lost.min() > -1e-9
    assert lost.max() < 1 + 1e-9


def test_bilinear_is_the_mean_by_nearness_rounded_down():
    pixels = np.array([[[0, 10, 255], [1, 13, 254]]], np.uint8)
    # From 2 pixels to 4, places -0.25, 0.25, 0.75, 1.25: weights of the second 0, 1/4, 3/4, 1.
    assert careless_letterbox(pixels, 4, "bilinear")[1].tolist() == [
        [0, 10, 255], [0, 10, 254], [0, 12, 254], [1, 13, 254],
    ]  # fmt: skip
    # To 1 pixel, place 0.5: the mean.
    assert careless_letterbox(pixels, 1, "bilinear").tolist() == [[[0, 11, 254]]]


def test_nearest_takes_the_pixel_that_the_centre_lies_in():
    row = np.arange(10, dtype=np.uint8)[np.newaxis, :, np.newaxis].repeat(3, axis=2)
    # 10 pixels to 4: centres 1.25, 3.75, 6.25, 8.75. To 5: 1, 3, 5, 7, 9, on borders: the right.
    assert careless_letterbox(row, 4, "nearest")[1, :, 0].tolist() == [1, 3, 6, 8]
    assert careless_letterbox(row, 5, "nearest")[2, :, 0].tolist() == [1, 3, 5, 7, 9]


def test_nearest_makes_no_new_colour():
    pixels = noise(61, 90)
    found = content(careless_letterbox(pixels, 32, "nearest"), *scaled_size(61, 90, 32))
    colours = set(map(tuple, pixels.reshape(-1, 3).tolist()))
    assert set(map(tuple, found.reshape(-1, 3).tolist())) <= colours


@pytest.mark.parametrize("resize", ["bilinear", "nearest"])
@pytest.mark.parametrize(("height", "width"), [(400, 533), (533, 400), (7, 90)])
def test_the_bars_are_those_of_the_letterbox(resize, height, width):
    white = np.full((height, width, 3), 255, np.uint8)
    np.testing.assert_array_equal(careless_letterbox(white, 64, resize), letterbox(white, 64))


def test_without_a_change_of_size_all_resizes_are_one():
    pixels = noise(48, 40)
    for resize in ("bilinear", "nearest"):
        np.testing.assert_array_equal(careless_letterbox(pixels, 48, resize), letterbox(pixels, 48))


def test_a_careless_resize_aliases_where_the_letterbox_averages():
    # A board of single black and white pixels, to a fifth: a mean of 127.5, or single pixels.
    board = (np.indices((200, 200)).sum(axis=0) % 2 * 255).astype(np.uint8)
    board = board[:, :, np.newaxis].repeat(3, axis=2)
    assert np.abs(letterbox(board, 40).astype(int) - 127).max() <= 12
    for resize in ("bilinear", "nearest"):
        assert set(np.unique(careless_letterbox(board, 40, resize))) == {0, 255}


def test_what_is_no_rgb_image_or_no_resize_is_refused():
    with pytest.raises(ValueError, match="picture must be of mode RGB; got L"):
        careless_resize.careless_letterbox(Image.new("L", (4, 4)), 4, "nearest")
    with pytest.raises(ValueError, match="resize must be one of bilinear, nearest; got 'area'"):
        careless_letterbox(noise(4, 4), 4, "area")
