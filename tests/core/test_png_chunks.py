import zlib

import pytest
from PIL import Image

from edgedistill.core.decode import UnreadablePhotoError, decode_photo
from edgedistill.core.png_chunks import keep_pixel_chunks
from tests.core.photo_files import encoded, png_chunk, png_chunks, png_with

PLAIN = encoded(Image.new("RGB", (3, 2), (1, 2, 3)))
# The directory with one tag, orientation 6, as EXIF writes it.
EXIF = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
RAW_PROFILE = b"Raw profile type exif\0"
HEX = b"\nexif\n      32\n" + (b"Exif\0\0" + EXIF).hex().encode("ascii") + b"\n"


def kinds(data: bytes) -> list[bytes]:
    return [chunk[4:8] for chunk in png_chunks(data)]


def broken(chunk: bytes) -> bytes:
    return chunk[:-1] + bytes([chunk[-1] ^ 1])


def test_a_png_of_pixels_alone_stays_as_it_is():
    assert keep_pixel_chunks(PLAIN) == PLAIN


@pytest.mark.parametrize(
    "chunk",
    [
        png_chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(80 << 20), 9)),
        png_chunk(b"iCCP", b"name\0\x09rubbish"),
        png_chunk(b"iCCP", b""),
        png_chunk(b"sRGB", b""),
        png_chunk(b"gAMA", b"\0"),
        png_chunk(b"tRNS", b""),
        png_chunk(b"pHYs", b"\0"),
        png_chunk(b"acTL", b"\0"),
        png_chunk(b"fcTL", b"\0"),
        png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2 << 20))),
        png_chunk(b"zTXt", b"Comment\0\x07rubbish"),
        png_chunk(b"tEXt", b"Comment\0" + bytes(70 << 20)),
        png_chunk(b"prVt", b"a private chunk"),
        broken(png_chunk(b"tEXt", b"Comment\0hello")),
    ],
    ids=range(14),
)
@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
def test_what_is_not_pixels_goes_however_damaged(chunk, before):
    data = png_with(PLAIN, chunk, before=before)
    assert keep_pixel_chunks(data) == PLAIN
    assert decode_photo(data)[0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
@pytest.mark.parametrize(
    "chunk",
    [
        png_chunk(b"eXIf", EXIF),
        png_chunk(b"tEXt", RAW_PROFILE + HEX),
        png_chunk(b"zTXt", RAW_PROFILE + b"\0" + zlib.compress(HEX)),
        png_chunk(b"iTXt", RAW_PROFILE + b"\0\0\0\0" + HEX),
        png_chunk(b"iTXt", RAW_PROFILE + b"\1\0\0\0" + zlib.compress(HEX)),
    ],
    ids=["eXIf", "tEXt", "zTXt", "iTXt", "iTXt compressed"],
)
def test_what_tells_the_orientation_stays(chunk, before):
    data = png_with(PLAIN, chunk, before=before)
    assert keep_pixel_chunks(data) == data
    assert decode_photo(data).shape == (3, 2, 3)


@pytest.mark.parametrize(
    "chunk",
    [
        broken(png_chunk(b"eXIf", EXIF)),
        png_chunk(b"zTXt", RAW_PROFILE + b"\0" + zlib.compress(bytes(2 << 20))),
        png_chunk(b"zTXt", RAW_PROFILE + b"\x01" + zlib.compress(HEX)),
        png_chunk(b"zTXt", RAW_PROFILE + b"\0rubbish"),
        png_chunk(b"iTXt", RAW_PROFILE + b"\1\0\0\0" + zlib.compress(bytes(2 << 20))),
        png_chunk(b"tEXt", RAW_PROFILE + bytes(2 << 20)),
    ],
    ids=["checksum", "zTXt bomb", "method", "rubbish", "iTXt bomb", "long"],
)
def test_a_damaged_or_bloated_orientation_goes(chunk):
    assert keep_pixel_chunks(png_with(PLAIN, chunk)) == PLAIN


def test_texts_that_pillow_would_add_up_to_a_bomb_do_not_add_up():
    text = png_chunk(b"zTXt", RAW_PROFILE + b"\0" + zlib.compress(bytes(400_000)))
    data = png_with(PLAIN, *[text] * 200)
    assert kinds(keep_pixel_chunks(data)).count(b"zTXt") == 1
    assert decode_photo(data).shape == (2, 3, 3)


def test_an_animation_keeps_its_default_image():
    frames = [Image.new("RGB", (3, 2), (9, 9, 9))]
    data = encoded(Image.new("RGB", (3, 2), (1, 2, 3)), save_all=True, append_images=frames)
    assert b"fdAT" in data
    assert kinds(keep_pixel_chunks(data)) == [b"IHDR", b"IDAT", b"IEND"]


def test_what_follows_the_end_goes():
    assert keep_pixel_chunks(PLAIN + b"rubbish") == PLAIN


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (PLAIN[:-1], "truncated"),
        (PLAIN[:-12], "truncated"),
        (PLAIN[:40], "truncated"),
        (PLAIN[:8], "truncated"),
        (png_with(PLAIN, png_chunk(b"CgBI", b"\0")), "critical chunk of unknown kind"),
        (png_with(PLAIN, broken(png_chunk(b"PLTE", bytes(3)))), "chunk PLTE has a wrong"),
        (PLAIN.replace(b"IHDR\0\0\0\3", b"IHDR\0\0\0\4"), "chunk IHDR has a wrong"),
    ],
)
def test_damage_to_pixels_is_refused(data, reason):
    with pytest.raises(ValueError, match=reason):
        keep_pixel_chunks(data)


def test_a_wrong_checksum_of_pixels_is_refused_though_pillow_reads_on():
    chunks = png_chunks(PLAIN)
    data = PLAIN[:8] + b"".join(broken(c) if c[4:8] == b"IDAT" else c for c in chunks)
    with pytest.raises(UnreadablePhotoError, match="damaged: its chunk IDAT has a wrong checksum"):
        decode_photo(data)
