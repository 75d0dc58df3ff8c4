import io
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgedistill.core.decode import UnreadablePhotoError, decode_photo

ODD_IMAGES = Path(__file__).parents[3] / "shared" / "data" / "odd-images"


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def random_rgb(height: int = 5, width: int = 7) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)


def test_rgb_comes_back_as_it_went_in():
    pixels = random_rgb()
    np.testing.assert_array_equal(decode_photo(encoded(Image.fromarray(pixels))), pixels)


def test_grey_is_replicated():
    grey = random_rgb()[:, :, 0]
    decoded = decode_photo(encoded(Image.fromarray(grey)))
    np.testing.assert_array_equal(decoded, np.stack([grey] * 3, axis=2))


@pytest.mark.parametrize("alpha", [0, 128])
def test_alpha_is_discarded_not_blended(alpha):
    pixels = random_rgb()
    with_alpha = np.dstack([pixels, np.full(pixels.shape[:2], alpha, np.uint8)])
    np.testing.assert_array_equal(decode_photo(encoded(Image.fromarray(with_alpha))), pixels)


def test_alpha_beside_grey_is_discarded():
    grey = random_rgb()[:, :, 0]
    image = Image.merge("LA", (Image.fromarray(grey), Image.new("L", (7, 5), 10)))
    np.testing.assert_array_equal(decode_photo(encoded(image)), np.stack([grey] * 3, axis=2))


@pytest.mark.parametrize("transparency", [None, 1, bytes([0, 255])])
def test_a_palette_gives_its_colours_transparent_or_not(transparency):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([1, 0])
    options = {} if transparency is None else {"transparency": transparency}
    assert decode_photo(encoded(image, **options)).tolist() == [[[200, 100, 50], [10, 20, 30]]]


def test_black_and_white_become_0_and_255():
    image = Image.fromarray(np.array([[True, False]]))
    assert image.mode == "1"
    assert decode_photo(encoded(image)).tolist() == [[[255] * 3, [0] * 3]]


def test_16_bit_grey_is_divided_by_257_and_rounded():
    # 128 / 257 = 0.498 -> 0; 129 / 257 = 0.502 -> 1; 0x8000 / 257 = 127.502 -> 128, where the
    # high byte alone gives 128 too; 0x7F80 / 257 = 127.004; 0x01FF / 257 = 1.988 -> 2, not 1.
    values = np.array([[0, 128, 129, 0x01FF, 0x7F80, 0x8000, 0xFFFF]], np.uint16)
    decoded = decode_photo(encoded(Image.fromarray(values)))
    assert decoded[0, :, 0].tolist() == [0, 0, 1, 2, 127, 128, 255]
    assert decoded.shape == (1, 7, 3)


def test_adobe_cmyk_is_not_inverted():
    # No ink is white, in a file whose four channels Adobe's marker says are stored inverted.
    white = Image.new("CMYK", (16, 16), (0, 0, 0, 0))
    data = encoded(white, "JPEG")
    assert b"Adobe" in data
    assert decode_photo(data).min() >= 254


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        # The photo stored with each tag, written out from the TIFF 6.0 specification: where row 0
        # and column 0 of the stored picture belong.
        (1, [[1, 2, 3], [4, 5, 6]]),
        (2, [[3, 2, 1], [6, 5, 4]]),  # row 0 top, column 0 right
        (3, [[6, 5, 4], [3, 2, 1]]),  # bottom, right
        (4, [[4, 5, 6], [1, 2, 3]]),  # bottom, left
        (5, [[1, 4], [2, 5], [3, 6]]),  # left, top
        (6, [[4, 1], [5, 2], [6, 3]]),  # right, top
        (7, [[6, 3], [5, 2], [4, 1]]),  # right, bottom
        (8, [[3, 6], [2, 5], [1, 4]]),  # left, bottom
        (0, [[1, 2, 3], [4, 5, 6]]),
        (9, [[1, 2, 3], [4, 5, 6]]),
    ],
)
def test_the_exif_orientation_is_applied(orientation, upright):
    stored = Image.fromarray(np.array([[1, 2, 3], [4, 5, 6]], np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert decode_photo(encoded(stored, exif=exif))[:, :, 0].tolist() == upright


def test_an_orientation_after_the_pixels_is_applied_too():
    exif = Image.Exif()
    exif[0x0112] = 3
    data = encoded(Image.fromarray(np.array([[1, 2]], np.uint8)), exif=exif)
    chunks = png_chunks(data)
    tag = next(c for c in chunks if c[4:8] == b"eXIf")
    others = [c for c in chunks if c != tag]
    moved = data[:8] + b"".join([*others[:-1], tag, others[-1]])
    assert decode_photo(moved)[0, :, 0].tolist() == [2, 1]


def png_chunks(data: bytes) -> list[bytes]:
    chunks, place = [], 8
    while place < len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        chunks.append(data[place:end])
        place = end
    return chunks


def test_an_animation_gives_its_first_frame():
    first, second = Image.new("RGB", (2, 2), (9, 9, 9)), Image.new("RGB", (2, 2), (80, 80, 80))
    data = encoded(first, save_all=True, append_images=[second])
    assert b"acTL" in data
    assert decode_photo(data).tolist() == [[[9, 9, 9]] * 2] * 2


def test_a_multi_picture_jpeg_of_a_phone_gives_its_first_picture():
    first, second = Image.new("RGB", (16, 16), "white"), Image.new("RGB", (8, 8), "black")
    decoded = decode_photo(encoded(first, "MPO", save_all=True, append_images=[second]))
    assert decoded.shape == (16, 16, 3)
    assert decoded.min() == 255


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"no picture at all", "not a photo"),
        (encoded(Image.new("RGB", (4, 4)), "PPM"), "not a photo"),
        (encoded(Image.fromarray(random_rgb(64, 64)), "JPEG")[:-400], "truncated"),
        (encoded(Image.fromarray(random_rgb(64, 64)))[:-400], "runcated"),
    ],
)
def test_what_cannot_be_decoded_is_refused_with_one_line(data, reason):
    with pytest.raises(UnreadablePhotoError, match=reason) as caught:
        decode_photo(data)
    assert "\n" not in str(caught.value)
    assert "0x" not in str(caught.value)  # no addresses: the list of bad files must not vary


def test_a_decompression_bomb_is_refused_from_its_header():
    # A PNG header that claims 20,000 x 20,000 pixels, above Pillow's limit of 179 million.
    header = bytearray(encoded(Image.new("L", (1, 1))))
    header[16:24] = (20_000).to_bytes(4, "big") * 2
    header[29:33] = zlib.crc32(header[12:29]).to_bytes(4, "big")
    with pytest.raises(UnreadablePhotoError, match="has 400.0 megapixels, more than the limit of 178"):
        decode_photo(bytes(header))


def odd_images() -> list[Path]:
    return sorted(p for p in ODD_IMAGES.rglob("*") if p.is_file())


@pytest.mark.skipif(not ODD_IMAGES.is_dir(), reason="the odd images are not on this machine")
def test_every_odd_image_is_decoded_or_refused_and_nothing_is_printed(capfd):
    n_decoded, reasons = 0, []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for path in odd_images():
            try:
                pixels = decode_photo(path.read_bytes())
            except UnreadablePhotoError as error:
                reasons.append(str(error))
                continue
            n_decoded += 1
            assert pixels.dtype == np.uint8, path
            assert pixels.ndim == 3, path
            assert pixels.shape[2] == 3, path
    assert n_decoded > 150
    assert all(0 < len(reason) <= 200 for reason in reasons)
    assert caught == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not ODD_IMAGES.is_dir(), reason="the odd images are not on this machine")
@pytest.mark.parametrize("name", ["Landscape", "Portrait"])
def test_the_same_photo_in_every_orientation_decodes_to_nearly_the_same(name):
    folder = ODD_IMAGES / "exif-orientation"
    reference = decode_photo((folder / f"{name}_1.jpg").read_bytes()).astype(int)
    for orientation in range(2, 9):
        other = decode_photo((folder / f"{name}_{orientation}.jpg").read_bytes())
        assert other.shape == reference.shape
        assert np.abs(other - reference).mean() < 12, orientation
