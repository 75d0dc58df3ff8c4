import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgedistill.core.letterbox import RESIZE_RULE, letterbox, letterboxed_content, scaled_size

FIXED_POINT_BITS = 22


def triangle_weights(old: int, new: int) -> tuple[list[int], list[NDArray[np.int64]]]:
    """First source place and integer weights for each of `new` places, written from the rule."""
    scale = old / new
    half_width = max(1.0, scale)
    starts, weights = [], []
    for place in range(new):
        centre = (place + 0.5) * scale
        start = max(0, int(centre - half_width + 0.5))
        stop = min(old, int(centre + half_width + 0.5))
        distance = (np.arange(start, stop) - centre + 0.5) / half_width
        triangle = np.maximum(0.0, 1.0 - np.abs(distance))
        share = triangle / triangle.sum()
        starts.append(start)
        weights.append(np.floor(share * 2**FIXED_POINT_BITS + 0.5).astype(np.int64))
    return starts, weights


def resize_rows(image: NDArray[np.uint8], new: int) -> NDArray[np.uint8]:
    starts, weights = triangle_weights(len(image), new)
    rows = []
    for start, weight in zip(starts, weights, strict=True):
        span = image[start : start + len(weight)].astype(np.int64)
        total = np.tensordot(weight, span, axes=1) + 2 ** (FIXED_POINT_BITS - 1)
        rows.append(np.clip(total >> FIXED_POINT_BITS, 0, 255).astype(np.uint8))
    return np.stack(rows)


def integer_letterbox(image: NDArray[np.uint8], target: int) -> NDArray[np.uint8]:
    height, width, _ = image.shape
    longest = max(height, width)
    new_h = max(1, (2 * height * target + longest) // (2 * longest))
    new_w = max(1, (2 * width * target + longest) // (2 * longest))
    across = resize_rows(image.transpose(1, 0, 2), new_w).transpose(1, 0, 2)
    resized = resize_rows(across, new_h)
    top, left = (target - new_h) // 2, (target - new_w) // 2
    below, right = target - new_h - top, target - new_w - left
    return np.pad(resized, ((top, below), (left, right), (0, 0)))


@pytest.mark.parametrize(
    ("height", "width", "target", "expected"),
    [
        (400, 533, 240, (180, 240)),  # 400 * 240 / 533 = 180.11
        (533, 400, 240, (240, 180)),
        (3, 4, 6, (5, 6)),  # 3 * 6 / 4 = 4.5 rounds up
        (1, 4, 6, (2, 6)),  # 1 * 6 / 4 = 1.5 rounds up, where Python's round gives 2 as well
        (5, 4, 2, (2, 2)),  # 4 * 2 / 5 = 1.6
        (5, 20, 10, (3, 10)),  # 5 * 10 / 20 = 2.5 rounds up, where Python's round gives 2
        (1, 10_000, 240, (1, 240)),  # 0.024 is raised to 1
        (7, 7, 240, (240, 240)),
    ],
)
def test_the_longer_side_becomes_the_target_and_halves_round_up(height, width, target, expected):
    assert scaled_size(height, width, target) == expected


def test_padding_is_black_and_the_odd_pixel_goes_below_and_right():
    # 1 x 4 to 4: the photo is 1 high, 3 rows are padding; top = 3 // 2 = 1, below = 2.
    wide = letterbox(np.full((1, 4, 3), 9, np.uint8), 4)
    assert [int(row.max()) for row in wide] == [0, 9, 0, 0]
    tall = letterbox(np.full((4, 1, 3), 9, np.uint8), 4)
    assert [int(column.max()) for column in tall.transpose(1, 0, 2)] == [0, 9, 0, 0]


def test_a_photo_of_the_target_size_stays_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    np.testing.assert_array_equal(letterbox(image, 24), image)


def test_halving_weighs_four_neighbours_1_3_3_1():
    # Half-width 2 around the middle of two pixels: distances 0.75, 0.25, 0.25, 0.75 of it give
    # weights 1/8, 3/8, 3/8, 1/8. Columns 1 and 2 of 4 are 80: (1*0 + 3*80 + 3*80 + 1*0) / 8 = 60.
    row = np.repeat(np.array([0, 0, 0, 80, 80, 0, 0, 0], np.uint8)[:, np.newaxis], 3, axis=1)
    image = np.broadcast_to(row, (8, 8, 3)).copy()
    # Output column 1 is centred at 4 - 1 = 3: pixels 1..4 are 0, 0, 80, 80 -> 3*80/8 + 80/8 = 40.
    assert letterbox(image, 4)[2, 1].tolist() == [40, 40, 40]


def test_pixels_equal_an_integer_triangle_filter_bit_for_bit():
    random = np.random.default_rng(7)
    for _ in range(60):
        height, width = random.integers(1, 200, 2)
        target = int(random.integers(1, 90))
        image = random.integers(0, 256, (height, width, 3), np.uint8)
        expected = integer_letterbox(image, target)
        np.testing.assert_array_equal(letterbox(image, target), expected, f"{image.shape} {target}")
        np.testing.assert_array_equal(letterbox(Image.fromarray(image), target), expected)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        Image.new("RGBA", (4, 4)),
        Image.new("L", (4, 4)),
    ],
)
def test_anything_but_rgb_bytes_is_refused(image):
    with pytest.raises(ValueError, match="must be"):
        letterbox(image, 8)


@pytest.mark.parametrize(("height", "width"), [(1, 4), (4, 1), (3, 4), (5, 2), (7, 7), (1, 90)])
@pytest.mark.parametrize("side", [4, 5, 32])
def test_the_content_of_a_letterbox_is_all_but_its_padding(height, width, side):
    # No pixel of the photo is black, so what is not black is the photo.
    image = np.random.default_rng(3).integers(1, 256, (height, width, 3), np.uint8)
    square = letterbox(image, side)
    rows, columns = np.nonzero(square.any(axis=2))
    expected = square[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    content = letterboxed_content(square, height, width)
    np.testing.assert_array_equal(content, expected)
    assert content.flags.c_contiguous


@pytest.mark.parametrize(
    "square",
    [np.zeros((8, 9, 3), np.uint8), np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32)],
)
def test_only_square_colour_images_have_a_content(square):
    with pytest.raises(ValueError, match=r"letterboxed must be uint8 \(n, n, 3\)"):
        letterboxed_content(square, 8, 9)


def test_the_rule_says_what_becomes_of_colour_profiles():
    assert "Colour profiles are not applied" in RESIZE_RULE
