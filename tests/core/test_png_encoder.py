import io
import zlib

import numpy as np
import pytest
from PIL import Image

from edgedistill.core.png_encoder import encode_palette_png, encode_png

NOISE = np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8)
Y, X = np.mgrid[:64, :48]
PICTURES = {
    "noise, without filter": NOISE,
    "columns, filtered from above": np.dstack([Y * 5 + X**2, Y * 5 + 7 * X**2, Y * 5 - X**2]),
    "slope, filtered from the left": np.dstack([X * 5 + Y * Y, X * 5 + 7 * Y * Y, X * 5 - Y * Y]),
    "transparency": np.random.default_rng(1).integers(0, 256, (3, 9, 4)),
    "one pixel": np.array([[[1, 2, 3]]]),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pillow_reads_the_same_pixels(name: str) -> None:
    pixels = PICTURES[name].astype(np.uint8)
    with Image.open(io.BytesIO(encode_png(pixels))) as image:
        image.verify()
    with Image.open(io.BytesIO(encode_png(pixels))) as image:
        assert image.mode == {3: "RGB", 4: "RGBA"}[pixels.shape[2]]
        np.testing.assert_array_equal(np.asarray(image), pixels)


def test_each_of_the_three_filters_is_taken_where_it_helps() -> None:
    taken: list[int] = []
    for pixels in list(PICTURES.values())[:3]:
        data = encode_png(pixels.astype(np.uint8))
        at = data.index(b"IDAT")
        rows = zlib.decompress(data[at + 4 : at + 4 + int.from_bytes(data[at - 4 : at], "big")])
        filters = set(rows[:: 1 + pixels[0].size])
        assert len(filters) == 1
        taken += filters
    assert taken == [0, 2, 1]


def test_a_palette_gives_its_colours_and_their_alpha() -> None:
    colours = np.array([[200, 10, 20, 255], [3, 4, 5, 0], [60, 70, 80, 128]], np.uint8)
    indices = np.array([[0, 1, 2], [2, 2, 0]], np.uint8)
    with Image.open(io.BytesIO(encode_palette_png(indices, colours))) as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image.convert("RGBA")), colours[indices])


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 2)])
def test_what_is_not_rgb_or_rgba_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must be uint8 \(h, w, 3 or 4\)"):
        encode_png(np.zeros(shape, np.uint8))


def test_an_index_without_a_colour_is_refused() -> None:
    with pytest.raises(ValueError, match="below 1"):
        encode_palette_png(np.array([[1]], np.uint8), np.zeros((1, 4), np.uint8))
