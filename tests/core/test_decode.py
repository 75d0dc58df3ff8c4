import io
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, PngImagePlugin

from edgedistill.core.decode import UnreadablePhotoError, decode_photo, decode_picture
from tests.core.photo_files import encoded, png_chunk, png_chunks, png_file, png_with, tiff_file

ORIENTATION = ExifTags.Base.Orientation
NEW_SUBFILE_TYPE, DNG_VERSION = 254, 50706
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def random_rgb(height: int = 5, width: int = 7) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)


def smooth_rgb() -> Image.Image:
    """Ramps, which no lossy format changes much: red to the right, green downwards."""
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    red, green = np.meshgrid(ramp, ramp)
    return Image.fromarray(np.dstack([red, green, np.full_like(red, 100)]))


def exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def heif(image: Image.Image, orientation: int = 1, **options: Any) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    file = io.BytesIO()
    exif = exif_of(orientation).tobytes()
    pillow_heif.from_pillow(image).save(file, exif=exif, quality=95, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", {"compression": "packbits"}),
        ("TIFF", {"big_tiff": True}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_rgb_comes_back_as_it_went_in(kind, options):
    pixels = random_rgb()
    decoded = decode_photo(encoded(Image.fromarray(pixels), kind, **options))
    np.testing.assert_array_equal(decoded, pixels)


@pytest.mark.parametrize("kind", ["JPEG", "MPO", "WEBP", "AVIF", "HEIC"])
def test_a_lossy_photo_comes_back_nearly_as_it_went_in(kind):
    image = smooth_rgb()
    data = heif(image) if kind == "HEIC" else encoded(image, kind, quality=95)
    assert np.abs(decode_photo(data) - np.asarray(image, int)).mean() < 2


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "AVIF", "BMP"])
def test_grey_is_replicated(kind):
    decoded = decode_photo(encoded(Image.new("L", (16, 16), 90), kind))
    assert decoded.shape == (16, 16, 3)
    np.testing.assert_allclose(decoded, 90, atol=0 if kind in {"PNG", "GIF", "TIFF", "BMP"} else 1)


UPRIGHT = [
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
]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "JPEG", "AVIF", "HEIC"])
@pytest.mark.parametrize(("orientation", "upright"), UPRIGHT)
def test_the_orientation_is_applied_once(kind, orientation, upright):
    # Six tiles of 32 pixels with grey 30 to 180, so that JPEG, AVIF and HEIC keep them apart.
    tiles = 30 * np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    stored = Image.fromarray(tiles.repeat(32, axis=0).repeat(32, axis=1)).convert("RGB")
    if kind == "HEIC":
        data = heif(stored, orientation)
    else:
        data = encoded(stored, kind, exif=exif_of(orientation))
    middles = decode_photo(data)[16::32, 16::32, 0]
    assert np.rint(middles / 30).astype(int).tolist() == upright


@pytest.mark.parametrize("orientation", [0, 9, 65535])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_an_orientation_that_does_not_exist_turns_nothing(kind, orientation):
    stored = Image.new("RGB", (16, 8))
    assert decode_photo(encoded(stored, kind, exif=exif_of(orientation))).shape == (8, 16, 3)


def test_avif_and_heic_are_turned_by_their_container_not_by_exif():
    # Both standards say so: EXIF beside a container that turns nothing tells what was, not what
    # is. No encoder writes that, so another tag's number is changed in the file.
    exif = Image.Exif()
    exif[ExifTags.Base.Compression] = 6
    number, orientation = (tag.to_bytes(2, "big") for tag in (0x0103, 0x0112))
    pillow_heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    stored, file = Image.new("RGB", (64, 32)), io.BytesIO()
    pillow_heif.from_pillow(stored).save(file, exif=exif.tobytes())
    for data in (file.getvalue(), encoded(stored, "AVIF", exif=exif)):
        place = data.index(number + bytes([0, 3, 0, 0, 0, 1, 0, 6]))
        changed = data[:place] + orientation + data[place + 2 :]
        assert decode_photo(changed).shape == (32, 64, 3)


def test_an_orientation_after_the_pixels_is_applied_too():
    data = encoded(Image.fromarray(np.array([[1, 2]], np.uint8)), exif=exif_of(3))
    chunks = png_chunks(data)
    tag = next(c for c in chunks if c[4:8] == b"eXIf")
    others = [c for c in chunks if c != tag]
    moved = data[:8] + b"".join([*others[:-1], tag, others[-1]])
    assert decode_photo(moved)[0, :, 0].tolist() == [2, 1]


def test_xmp_tells_the_orientation_where_exif_is_missing():
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    assert decode_photo(encoded(Image.new("RGB", (16, 8)), "JPEG", xmp=xmp)).shape == (16, 8, 3)
    text = png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    assert decode_photo(png_with(encoded(Image.new("RGB", (3, 2))), text)).shape == (3, 2, 3)


RUBBISH: list[bytes] = [
    b"Exif\0\0",
    b"Exif\0\0rubbish that is no TIFF header",
    b"Exif\0\0II*\0\xff\xff\xff\xff",  # the directory lies behind the end
    b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x02\0\xff\xff\xff\x7f" * 40,
    b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x05\0\0\0\x01\0\0\0\x08\0\0\0\0",  # a fraction
    b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x04six\0\0\0\0\0",  # a word
]


@pytest.mark.parametrize("rubbish", RUBBISH)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_rubbish_in_exif_and_profile_costs_no_photo(kind, rubbish):
    image = Image.fromarray(random_rgb(16, 24))
    expected = decode_photo(encoded(image, kind))
    decoded = decode_photo(encoded(image, kind, exif=rubbish, icc_profile=b"rubbish"))
    np.testing.assert_array_equal(decoded, expected)


def test_absurd_tags_cost_no_tiff():
    # Tags of EXIF and GPS directories that lie behind the end of the file.
    pixels = bytes(range(18))
    data = tiff_file(3, 2, [8] * 3, 2, pixels, {34665: 65_000, 34853: 65_000, 700: 60_000})
    assert decode_photo(data).tobytes() == pixels
    turned = tiff_file(3, 2, [8] * 3, 2, pixels, {34665: 65_000, int(ORIENTATION): 6})
    assert decode_photo(turned)[0, 0].tolist() == [9, 10, 11]  # row 1, column 0


@pytest.mark.parametrize(("kind", "exact"), [("PNG", 1), ("GIF", 1), ("WEBP", 1), ("AVIF", 0)])
def test_an_animation_gives_its_first_frame(kind, exact):
    first, second = Image.new("RGB", (16, 16), RED), Image.new("RGB", (16, 16), WHITE)
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(first, kind, save_all=True, append_images=[second], **options)
    assert Image.open(io.BytesIO(data)).n_frames == 2  # type: ignore[attr-defined]
    assert decode_photo(data)[8, 8].tolist() == pytest.approx(RED, abs=0 if exact else 2)


def test_a_tiff_of_several_pages_gives_its_first():
    pages = [Image.new("RGB", (2, 2), colour) for colour in (GREEN, RED)]
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert decode_photo(data)[0, 0].tolist() == list(GREEN)


def gif(screen_width: int, left: int, transparent: int | None = None) -> bytes:
    """A frame of two pixels, colours 1 and 2, at `left` of a screen one pixel high."""
    head = b"GIF89a" + struct.pack("<HHBBB", screen_width, 1, 0x81, 0, 0)
    palette = bytes([9, 9, 9, 10, 20, 30, 200, 100, 50, 1, 2, 3])
    control = b"" if transparent is None else bytes([0x21, 0xF9, 4, 1, 0, 0, transparent, 0])
    # LZW of 2-bit values, 3-bit codes: clear (4), 1, 2, end (5), from the lowest bit on.
    codes = (4 | 1 << 3 | 2 << 6 | 5 << 9).to_bytes(2, "little")
    frame = b"," + struct.pack("<HHHHB", left, 0, 2, 1, 0) + bytes([2, 2]) + codes + b"\0"
    return head + palette + control + frame + b";"


def test_a_gif_shows_its_first_or_transparent_colour_around_its_first_frame():
    one, two, first, third = [10, 20, 30], [200, 100, 50], [9, 9, 9], [1, 2, 3]
    assert decode_photo(gif(4, 2)).tolist() == [[first, first, one, two]]
    assert decode_photo(gif(4, 2, transparent=3)).tolist() == [[third, third, one, two]]


def test_a_gif_grows_to_hold_its_first_frame():
    assert decode_photo(gif(1, 0)).tolist() == [[[10, 20, 30], [200, 100, 50]]]


def test_an_ultra_hdr_or_multi_picture_jpeg_gives_its_base_picture():
    # The gain map of an ultra-HDR photo is a second, smaller, grey JPEG in the same file.
    base, gain_map = Image.new("RGB", (32, 32), "white"), Image.new("L", (8, 8), 0)
    xmp = b'<rdf:Description xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"/>'
    data = encoded(base, "MPO", save_all=True, append_images=[gain_map], xmp=xmp)
    assert b"hdrgm" in data
    assert Image.open(io.BytesIO(data)).format == "MPO"
    decoded = decode_photo(data)
    assert decoded.shape == (32, 32, 3)
    assert decoded.min() == 255
    # The same after a messenger cut the second picture off.
    assert decode_photo(data[: data.index(b"\xff\xd9") + 2]).min() == 255


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"no picture at all", "^not a photo: JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF, HEIC are"),
        (encoded(Image.new("RGB", (4, 4)), "PPM"), "not a photo"),
        (encoded(Image.new("RGB", (4, 4)), "EPS"), "not a photo"),  # never Ghostscript
        (encoded(Image.new("RGB", (4, 4)), "PDF"), "not a photo"),
        (encoded(Image.new("RGB", (16, 16)), "ICO"), "not a photo"),
        (b"\xff\xd8\xff\xe0", "^damaged: its JPEG header cannot be read"),
        (b"BM" + bytes(60), "."),
        (tiff_file(1, 1, [8], 1, b"\0", {NEW_SUBFILE_TYPE: 1}), "raw file.*export it as JPEG"),
        (tiff_file(1, 1, [8], 1, b"\0", {DNG_VERSION: 1}), "raw file.*export it as JPEG"),
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(99), "raw file.*export it as JPEG"),
    ],
)
def test_what_cannot_be_decoded_is_refused_with_one_line(data, reason):
    with pytest.raises(UnreadablePhotoError, match=reason) as caught:
        decode_photo(data)
    assert "\n" not in str(caught.value)
    assert "0x" not in str(caught.value)  # no addresses: the list of bad files must not vary


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "HEIC"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_photo_that_is_cut_off_is_refused(kind, share):
    image = Image.fromarray(random_rgb(64, 64))
    data = heif(image) if kind == "HEIC" else encoded(image, kind)
    with pytest.raises(UnreadablePhotoError) as caught:
        decode_photo(data[: int(len(data) * share)])
    assert re.fullmatch(r"[ -~]{10,200}", str(caught.value))


def test_a_cut_photo_is_refused_also_where_pillow_was_told_to_read_it(monkeypatch):
    data = encoded(Image.fromarray(random_rgb(64, 64)), "JPEG")
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(UnreadablePhotoError, match="truncated"):
        decode_photo(data[:-400])
    assert ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "HEIC"])
def test_a_photo_above_the_limit_is_refused_and_one_at_it_is_read(kind):
    image = Image.new("RGB", (100, 70))
    data = heif(image) if kind == "HEIC" else encoded(image, kind)
    with pytest.raises(UnreadablePhotoError, match=r"more than the limit of 0\.006999"):
        decode_photo(data, max_megapixels=0.006999)
    # More than twice the limit, where Pillow raises by itself.
    with pytest.raises(UnreadablePhotoError, match=r"megapixels, more than the limit of 0\.001"):
        decode_photo(data, max_megapixels=0.001)
    assert decode_photo(data, max_megapixels=0.007).shape == (70, 100, 3)


def test_pillows_own_limit_does_not_matter_and_stays_as_it_is(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert decode_photo(encoded(Image.new("RGB", (100, 70)))).shape == (70, 100, 3)
    with pytest.raises(UnreadablePhotoError):
        decode_photo(b"\x89PNG\r\n\x1a\nrubbish")
    assert Image.MAX_IMAGE_PIXELS == 10


def bomb_png() -> bytes:
    return png_file(20_000, 20_000, 8, 0, b"")


def bomb_gif() -> bytes:
    # Pillow would fill the frame's extent when it opens the file: it is to be disposed of.
    control = bytes([0x21, 0xF9, 4, 2 << 2, 0, 0, 0, 0])
    frame = b"," + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0) + bytes([2, 1, 0, 0])
    return b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0) + control + frame + b";"


def bomb_webp() -> bytes:
    canvas = (16_383).to_bytes(3, "little") * 2
    chunk = b"VP8X" + (10).to_bytes(4, "little") + bytes([2, 0, 0, 0]) + canvas
    return b"RIFF" + (4 + len(chunk)).to_bytes(4, "little") + b"WEBP" + chunk


@pytest.mark.parametrize("bomb", [bomb_png, bomb_gif, bomb_webp])
def test_a_decompression_bomb_is_refused_from_its_header(bomb: Callable[[], bytes]):
    # 400, 3,600 and 268.4 megapixels; in the last, between once and twice Pillow's limit, the
    # file has no picture, which is only seen after the header.
    with pytest.raises(UnreadablePhotoError, match=r"limit of 178|could not create"):
        decode_photo(bomb())


def test_the_reason_of_a_bomb_tells_its_size():
    with pytest.raises(UnreadablePhotoError) as caught:
        decode_photo(bomb_png())
    assert str(caught.value) == "it has 400.0 megapixels, more than the limit of 178"


_WORDS = r"'?two(\\n| )lines(\\\\)?\\x1b\[31m( at 0x7f00dead)?'?"


@pytest.mark.parametrize(
    "error", [RecursionError, MemoryError, struct.error, SystemError, KeyError]
)
def test_whatever_pillow_raises_becomes_a_reason(monkeypatch, error):
    def fail(*_: object, **__: object) -> None:
        raise error("two\nlines\x1b[31m at 0x7f00dead")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", fail)
    with pytest.raises(UnreadablePhotoError) as caught:
        decode_photo(encoded(Image.new("RGB", (2, 2))))
    words = r"there is not enough memory to decode it" if error is MemoryError else _WORDS
    assert re.fullmatch(words, str(caught.value))


def test_pixels_for_which_there_is_no_memory_become_a_reason():
    # 5,000 x 5,000 pixels take 100 MB in Pillow and then 75 MB more as an array.
    code = """if True:
        import io, resource
        from PIL import Image
        from edgedistill.core.decode import UnreadablePhotoError, decode_photo
        file = io.BytesIO()
        Image.new("1", (5000, 5000)).save(file, "PNG")
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + {room} * 10**6, -1))
        try:
            print(decode_photo(file.getvalue()).shape)
        except UnreadablePhotoError as error:
            print(error)
    """
    seen = [
        subprocess.run(
            [sys.executable, "-c", code.replace("{room}", str(room))],
            capture_output=True, text=True, check=True, timeout=60,
        ).stdout.strip()
        for room in (150, 600)
    ]  # fmt: skip
    assert seen == ["there is not enough memory to decode it", "(5000, 5000, 3)"]


def test_an_interruption_is_not_taken_for_a_bad_photo(monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", interrupt)
    with pytest.raises(KeyboardInterrupt):
        decode_photo(encoded(Image.new("RGB", (2, 2))))


def test_heic_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    data = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    with pytest.raises(UnreadablePhotoError, match=r"pip install 'edgedistill\[heic\]'"):
        decode_photo(data)


def test_a_wide_row_is_read_at_once_not_in_pieces_that_are_copied_again_and_again(monkeypatch):
    n_calls = 0

    class Counting:
        def __init__(self, decoder: Any) -> None:
            self.decoder = decoder

        def __getattr__(self, name: str) -> Any:
            return getattr(self.decoder, name)

        def decode(self, *args: Any) -> Any:
            nonlocal n_calls
            n_calls += 1
            return self.decoder.decode(*args)

    really = Image._getdecoder
    data = encoded(Image.new("RGB", (400_000, 1)), "BMP")  # a row of 1.2 MB; Pillow reads 64 KB
    monkeypatch.setattr(Image, "_getdecoder", lambda *args: Counting(really(*args)))
    assert decode_photo(data).shape == (1, 400_000, 3)
    assert n_calls == 1


def test_no_other_plug_in_of_pillows_is_tried():
    # Bytes that Pillow takes for a Photo CD, which its plug-in knows at byte 2,048 alone.
    data = b"II*\0" + bytes(2_044) + b"PCD_" + bytes(3_000)
    assert Image.open(io.BytesIO(data)).format == "PCD"
    with pytest.raises(UnreadablePhotoError, match="damaged: its TIFF header"):
        decode_photo(data)


def test_a_photo_is_opened_once_and_decoded_once(monkeypatch):
    counts = {"open": 0, "decoder": 0}
    really_open, really_decoder = Image.open, Image._getdecoder

    def counting_open(*args: Any, **options: Any) -> Image.Image:
        counts["open"] += 1
        return really_open(*args, **options)

    def counting_decoder(*args: Any, **options: Any) -> Any:
        counts["decoder"] += 1
        return really_decoder(*args, **options)

    data = encoded(Image.fromarray(random_rgb(16, 24)), "JPEG", exif=exif_of(6))
    monkeypatch.setattr(Image, "open", counting_open)
    monkeypatch.setattr(Image, "_getdecoder", counting_decoder)
    assert decode_photo(data).shape == (24, 16, 3)
    # Pillow hands pixels over with an encoder, never with a decoder.
    assert counts == {"open": 1, "decoder": 1}


def test_a_picture_is_rgb_and_the_same_as_the_pixels():
    data = encoded(Image.fromarray(random_rgb()).quantize(8), "GIF")
    picture = decode_picture(data)
    assert picture.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(picture), decode_photo(data))
