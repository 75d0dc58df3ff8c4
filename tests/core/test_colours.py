import numpy as np
import pytest
from PIL import Image

from edgedistill.core.colours import pixels_of
from edgedistill.core.decode import UnreadablePhotoError, decode_photo
from tests.core.photo_files import encoded, png_file, tiff_file

WHITE_IS_ZERO, MIN_IS_BLACK, RGB, CIELAB = 0, 1, 2, 8  # TIFF's tag "photometric interpretation"
SAMPLE_FORMAT, SIGNED, FLOAT = 339, 2, 3
EXTRA_SAMPLES, ASSOCIATED_ALPHA = 338, 1


def first_pixel(data: bytes) -> list[int]:
    pixel: list[int] = decode_photo(data)[0, 0].tolist()
    return pixel


def solid(mode: str, *colour: int) -> Image.Image:
    return Image.new(mode, (16, 16), colour)


def without_adobe_marker(jpeg: bytes) -> bytes:
    place = jpeg.index(b"\xff\xee")
    length = int.from_bytes(jpeg[place + 2 : place + 4], "big")
    return jpeg[:place] + jpeg[place + 2 + length :]


@pytest.mark.parametrize("byte_order", ["<u2", ">u2"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_divided_by_257_and_rounded(kind, byte_order):
    # 128 / 257 = 0.498 -> 0; 129 / 257 = 0.502 -> 1; 0x8000 / 257 = 127.502 -> 128, where the
    # high byte alone gives 128 too; 0x7F80 / 257 = 127.004; 0x01FF / 257 = 1.988 -> 2, not 1.
    values = np.array([[0, 128, 129, 0x01FF, 0x7F80, 0x8000, 0xFFFF]], byte_order)
    decoded = decode_photo(encoded(Image.fromarray(values), kind))
    assert decoded.shape == (1, 7, 3)
    for channel in range(3):
        assert decoded[0, :, channel].tolist() == [0, 0, 1, 2, 127, 128, 255]


@pytest.mark.parametrize(
    ("photometric", "greys"),
    [(MIN_IS_BLACK, [0, 0, 128, 255]), (WHITE_IS_ZERO, [255, 255, 127, 0])],
)
def test_a_16_bit_tiff_states_whether_zero_is_black_or_white(photometric, greys):
    # 128 / 257 = 0.498 and 0x8000 / 257 = 127.502; from white: 255 - 0.498 = 254.502 -> 255 and
    # 255 - 127.502 = 127.498 -> 127.
    data = tiff_file(4, 1, [16], photometric, np.array([0, 128, 0x8000, 0xFFFF], "<u2").tobytes())
    decoded = decode_photo(data)
    for channel in range(3):
        assert decoded[0, :, channel].tolist() == greys


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_tiff_of_few_bits_whose_white_is_zero_is_inverted_once(bits):
    values = bytes([0x0F]) if bits < 8 else bytes([0, 255])
    n_values = 8 // bits if bits < 8 else 2
    data = tiff_file(n_values, 1, [bits], WHITE_IS_ZERO, values)
    greys = decode_photo(data)[0, :, 0].tolist()
    assert greys == [255] * (n_values // 2) + [0] * (n_values // 2)


def test_12_bit_grey_is_scaled_to_its_own_white():
    # Two values in three bytes: 0x000, 0xFFF, 0x800, 0x010.
    # 2048 * 255 / 4095 = 127.53 -> 128; 16 * 255 / 4095 = 0.996 -> 1.
    data = tiff_file(4, 1, [12], MIN_IS_BLACK, bytes.fromhex("000FFF800010"))
    assert decode_photo(data)[0, :, 0].tolist() == [0, 255, 128, 1]


def test_16_bit_colour_keeps_its_high_byte():
    values = bytes.fromhex("12FF80FF0000")
    assert first_pixel(png_file(1, 1, 16, 2, b"\0" + values)) == [0x12, 0x80, 0]
    little_endian = bytes.fromhex("FF12FF800000")
    assert first_pixel(tiff_file(1, 1, [16] * 3, RGB, little_endian)) == [0x12, 0x80, 0]


def test_16_bit_grey_with_alpha_keeps_its_high_byte_and_no_alpha():
    assert first_pixel(png_file(1, 1, 16, 4, bytes.fromhex("0034FF0000"))) == [0x34] * 3
    # 129, which is 1 without alpha: 129 / 257 = 0.502.
    assert first_pixel(png_file(1, 1, 16, 4, bytes.fromhex("000081FFFF"))) == [0] * 3


@pytest.mark.parametrize(
    "data",
    [
        tiff_file(1, 1, [32], MIN_IS_BLACK, np.float32(0.5).tobytes(), {SAMPLE_FORMAT: FLOAT}),
        tiff_file(1, 1, [32], MIN_IS_BLACK, bytes(4), {SAMPLE_FORMAT: SIGNED}),
        tiff_file(1, 1, [32], MIN_IS_BLACK, bytes(4)),
        tiff_file(1, 1, [16], MIN_IS_BLACK, bytes(2), {SAMPLE_FORMAT: SIGNED}),
    ],
    ids=["float", "signed 32 bits", "32 bits", "signed 16 bits"],
)
def test_values_without_a_stated_range_are_refused(data):
    with pytest.raises(UnreadablePhotoError, match=r"no stated range .* save it with 8 or 16 bits"):
        decode_photo(data)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF"])
def test_black_and_white_become_0_and_255(kind):
    image = Image.fromarray(np.array([[True, False]]))
    assert image.mode == "1"
    assert decode_photo(encoded(image, kind)).tolist() == [[[255] * 3, [0] * 3]]


@pytest.mark.parametrize(
    ("depth", "row", "greys"),
    [
        (1, "40", [0, 255]),
        (2, "60", [85, 170]),  # 1 and 2 of 3
        (4, "1E", [17, 238]),  # 1 and 14 of 15
    ],
)
def test_grey_of_few_bits_is_scaled_to_255(depth, row, greys):
    data = png_file(2, 1, depth, 0, b"\0" + bytes.fromhex(row))
    assert decode_photo(data)[0, :, 0].tolist() == greys


@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True, "exact": True})],
)
@pytest.mark.parametrize("alpha", [0, 128])
def test_alpha_is_discarded_not_blended(kind, options, alpha):
    pixels = np.random.default_rng(3).integers(0, 256, (5, 7, 3), np.uint8)
    with_alpha = np.dstack([pixels, np.full((5, 7), alpha, np.uint8)])
    decoded = decode_photo(encoded(Image.fromarray(with_alpha), kind, **options))
    np.testing.assert_array_equal(decoded, pixels)


def test_alpha_beside_grey_is_discarded():
    image = Image.merge("LA", (Image.new("L", (2, 2), 90), Image.new("L", (2, 2), 10)))
    assert first_pixel(encoded(image)) == first_pixel(encoded(image, "TIFF")) == [90] * 3


def test_colours_stored_multiplied_by_alpha_are_divided_by_it():
    # 10, 20, 30 at alpha 51 / 255 = 1 / 5.
    data = tiff_file(1, 1, [8] * 4, RGB, bytes([10, 20, 30, 51]), {EXTRA_SAMPLES: ASSOCIATED_ALPHA})
    assert first_pixel(data) == [50, 100, 150]


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("transparency", [None, 1])
def test_a_palette_gives_its_colours_transparent_or_not(kind, transparency):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([1, 0])
    options = {} if transparency is None else {"transparency": transparency}
    decoded = decode_photo(encoded(image, kind, **options))
    assert decoded.tolist() == [[[200, 100, 50], [10, 20, 30]]]


def test_a_palette_with_an_alpha_of_each_colour_gives_its_colours():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([1, 0])
    decoded = decode_photo(encoded(image, transparency=bytes([0, 130])))
    assert decoded.tolist() == [[[200, 100, 50], [10, 20, 30]]]


def test_the_inks_of_cmyk_take_away_light():
    # (255 - ink) * (255 - black) / 255: 155 * 204 / 255 = 124, 255 * 0.8 = 204, 51 * 0.8 = 40.8.
    assert first_pixel(encoded(solid("CMYK", 100, 0, 204, 51), "TIFF")) == [124, 204, 41]


def test_adobes_cmyk_jpeg_is_stored_inverted_and_read_so():
    data = encoded(solid("CMYK", 100, 0, 204, 51), "JPEG", quality=100)
    assert b"Adobe" in data
    assert first_pixel(data) == pytest.approx([124, 204, 41], abs=2)


def test_a_cmyk_jpeg_without_adobes_marker_is_stored_as_it_is():
    # Pillow stores 255 - ink: 200, 100, 50, 0. Those are the inks, where no marker inverts them:
    # 255 - 200, 255 - 100, 255 - 50, no black.
    data = without_adobe_marker(encoded(solid("CMYK", 55, 155, 205, 255), "JPEG", quality=100))
    assert b"Adobe" not in data
    assert first_pixel(data) == pytest.approx([55, 155, 205], abs=2)


def test_ycck_is_ycc_of_the_inks_in_adobes_jpeg():
    # Stored planes Y 100, Cb 128, Cr 178, K 255. Y + 1.402 * 50 = 170, Y - 0.714 * 50 = 64,
    # Y = 100; these are inks (Adobe stores 255 - ink, and YCCK is the YCC of 255 minus that);
    # stored black of 255 is none. 255 - ink is 85, 191, 155.
    data = bytearray(encoded(solid("CMYK", 155, 127, 77, 0), "JPEG", quality=100))
    transform = data.index(b"Adobe") + 11
    assert data[transform] == 0
    data[transform] = 2
    assert first_pixel(bytes(data)) == pytest.approx([85, 191, 155], abs=2)


def test_ycbcr_in_a_tiff_is_bt601_of_full_range():
    # R = 76 + 1.402 * 127 = 254; G = 76 + 0.344 * 43 - 0.714 * 127 = 0; B = 76 - 1.772 * 43 = 0.
    data = encoded(solid("YCbCr", 76, 85, 255), "TIFF")
    assert first_pixel(data) == pytest.approx([254, 0, 0], abs=1)


@pytest.mark.parametrize(
    ("lab", "rgb"),
    [
        # L 53.7: Y = ((53.7 + 16) / 116)**3 = 0.217; 1.055 * Y**(1 / 2.4) - 0.055 = 0.503 -> 128.
        ((137, 0, 0), (128, 128, 128)),
        # sRGB's primaries in CIELAB of D50 (Lindbloom): L 54.29, a 80.81, b 69.89; L 29.57,
        # a 68.30, b -112.03.
        ((138, 81, 70), (255, 0, 0)),
        ((75, 68, 256 - 112), (0, 0, 255)),
    ],
)
def test_cielab_becomes_srgb(lab, rgb):
    assert first_pixel(tiff_file(1, 1, [8] * 3, CIELAB, bytes(lab))) == pytest.approx(rgb, abs=3)


def test_a_large_picture_comes_in_stripes_with_every_pixel_in_place():
    # More than 4 Mi pixels: two stripes of 1,398 and 102 rows.
    pixels = np.random.default_rng(5).integers(0, 256, (1_500, 3_000, 3), np.uint8)
    np.testing.assert_array_equal(pixels_of(Image.fromarray(pixels)), pixels)


def test_one_row_wider_than_a_stripe_is_whole():
    pixels = np.arange((1 << 22) + 10, dtype=np.uint32).astype(np.uint8)
    image = Image.fromarray(pixels[np.newaxis]).convert("RGB")
    np.testing.assert_array_equal(pixels_of(image)[0, :, 1], pixels)
