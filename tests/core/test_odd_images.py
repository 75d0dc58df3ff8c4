"""Real odd files: what each must come to, from what its makers say of it.

PngSuite documents its file names (http://www.schaik.com/pngsuite): three letters of the feature, i
or n for interlaced or not, colour type 0g grey, 2c colour, 3p palette, 4a grey and alpha, 6a
colour and alpha, then the bits; a first x is a corrupted file. Pillow's test images say in their
names, and in the tests that use them, what they are.
"""

import io
import json
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgedistill.core.decode import UnreadablePhotoError, decode_photo

ODD_IMAGES = Path(__file__).parents[3] / "shared" / "data" / "odd-images"
PILLOW, PNG_SUITE = ODD_IMAGES / "pillow", ODD_IMAGES / "pngsuite" / "png"
EXIF = ODD_IMAGES / "exif-orientation"

pytestmark = pytest.mark.skipif(
    not ODD_IMAGES.is_dir(), reason="the odd images are not on this machine"
)

NOT_PHOTOS = {
    ".tga", ".psd", ".eps", ".ico", ".ppm", ".pgm", ".j2k", ".jp2", ".msp", ".spider", ".gpl",
    ".dds", ".qoi", ".sgi",
}  # fmt: skip
# What Pillow's tests expect to fail, by the words of the reason; all else must decode.
REFUSED = {
    # test_file_png: broken, and truncated unless LOAD_TRUNCATED_IMAGES is set.
    "broken.png": "truncated",
    "broken_data_stream.png": "damaged",
    "truncated_end_chunk.png": "truncated",
    "truncated_image.png": "truncated",
    "truncated_jpeg.jpg": "truncated",
    # test_file_mpo opens it for its header alone: the file ends behind its start of scan.
    "ultrahdr.jpg": "truncated",
    # test_decompression_bomb; its other GIF has the bomb in the second frame.
    "decompression_bomb.gif": "megapixels, more than the limit of 178",
    "zero_width.gif": "damaged: its GIF header",
    # 57 bytes that claim 3,158,064 x 48 pixels of a bit or more: 19 MB at least.
    "l2rgb_read.bmp": "truncated",
    # Of the BMP suite's questionable files, those that Pillow lists as unsupported.
    "rgba16-4444.bmp": "Unsupported BMP",
    "rgba32abf.bmp": "Unsupported BMP",
    # Signed 16 bits ("s"), and a PGM's values written with 32 bits.
    "16bit.s.tif": "no stated range",
    "16_bit_binary_pgm.tiff": "no stated range",
}


def decoded(path: Path) -> NDArray[np.int64]:
    return decode_photo(path.read_bytes()).astype(np.int64)


def pillow_files() -> list[str]:
    return sorted(p.name for p in PILLOW.iterdir()) if PILLOW.is_dir() else []


def png_suite(pattern: str) -> list[str]:
    names = (p.stem for p in PNG_SUITE.iterdir()) if PNG_SUITE.is_dir() else ()
    return sorted(name for name in names if re.fullmatch(pattern, name))


def difference(one: Path, other: Path) -> float:
    return float(np.abs(decoded(one) - decoded(other)).mean())


def size_in_header(data: bytes) -> tuple[int, int]:
    if data.startswith(b"\x89PNG"):  # Pillow opens none with a bomb among its texts
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    with Image.open(io.BytesIO(data)) as image:
        return image.size


def test_all_files_of_the_three_sources_are_there():
    assert set(REFUSED) <= set(pillow_files())
    assert len(png_suite(".*")) == 175
    assert len(list(EXIF.iterdir())) == 2 * 9


@pytest.mark.parametrize("name", pillow_files())
def test_pillows_own_files_come_to_what_their_tests_say(name):
    data = (PILLOW / name).read_bytes()
    suffix = Path(name).suffix
    reason = "^not a photo: JPEG, PNG" if suffix in NOT_PHOTOS else REFUSED.get(name)
    if reason is None:
        width, height = size_in_header(data)
        assert decode_photo(data).shape in {(height, width, 3), (width, height, 3)}
    else:
        with pytest.raises(UnreadablePhotoError, match=reason) as caught:
            decode_photo(data)
        assert re.fullmatch(r"[ -~]{10,200}", str(caught.value))


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("hopper.bmp", 0),
        ("hopper.tif", 0),
        # Lossy: quality 75 and palettes of 256 colours were seen to cost 2 to 5 levels elsewhere.
        ("hopper.jpg", 5),
        ("hopper.webp", 5),
        ("hopper.gif", 6),
        ("hopper_zero_comment_subblocks.gif", 6),
    ],
)
def test_the_same_portrait_in_every_format_is_nearly_the_same(name, most):
    assert difference(PILLOW / name, PILLOW / "hopper.png") <= most


@pytest.mark.parametrize(
    ("one", "other", "most"),
    [
        # Sixteen bits against the target that Pillow holds beside them.
        *[
            (f"{name}_RGB{a}.tiff", f"tiff_16bit_RGB{a}_target.png", 0)
            for name in ("tiff_16bit", "tiff_strip_planar_16bit", "tiff_tiled_planar_16bit")
            for a in ("", "a")
        ],
        ("16bit.cropped.tif", "16bit.MM.cropped.tif", 0),  # the two byte orders
        ("16bit.cropped.tif", "16bit.deflate.tif", 0),
        ("16bit.cropped.tif", "16bit.MM.deflate.tif", 0),
        # Inks against light, and the same inks in a TIFF.
        ("pil_sample_cmyk.jpg", "pil_sample_rgb.jpg", 6),
        ("tiff_strip_cmyk_jpeg.tif", "pil_sample_cmyk.jpg", 1),
        ("tiff_tiled_cmyk_jpeg.tif", "pil_sample_cmyk.jpg", 1),
        ("tiff_strip_cmyk_16l_jpeg.tif", "pil_sample_cmyk.jpg", 1),
        ("truncated_app14.jpg", "pil_sample_rgb.jpg", 0),  # Adobe's marker is what is cut
        # Damage to EXIF, resolution and Photoshop blocks of one photo.
        *[
            (f"{name}.jpg", "exif-200dpcm.jpg", 0)
            for name in (
                "invalid-exif", "no-dpi-in-exif", "photoshop-200dpi-broken", "exif-ifd-offset",
                "exif-dpi-zerodivision",
            )
        ],
        ("exif_text.png", "exif.png", 0),
        ("exif_imagemagick.png", "exif.png", 0),
        ("exif.avif", "exif.png", 4),
        # First frames of one animation.
        ("iss634.gif", "iss634.apng", 2),
        ("iss634.webp", "iss634.apng", 2),
    ],
)  # fmt: skip
def test_two_files_of_one_picture_give_one_picture(one, other, most):
    assert difference(PILLOW / one, PILLOW / other) <= most


def test_imagemagicks_way_to_store_the_orientation_is_understood():
    # test_image: the same photo as exif.png with orientation 3, in a "Raw profile" text.
    turned = decoded(PILLOW / "exif_imagemagick_orientation.png")
    np.testing.assert_array_equal(turned, decoded(PILLOW / "exif.png")[::-1, ::-1])


@pytest.mark.parametrize("name", png_suite("x.*"))
def test_png_suites_corrupted_files_are_refused(name):
    with pytest.raises(UnreadablePhotoError):
        decode_photo((PNG_SUITE / f"{name}.png").read_bytes())


# "s05n3p02" is 5 x 5; "cdf", "cdh" and "cds" are 8 x 32, 32 x 8 and 8 x 8 pixels.
SIZES = {"cdf": (32, 8), "cdh": (8, 32), "cds": (8, 8)}


@pytest.mark.parametrize("name", png_suite("[^x].*"))
def test_png_suites_other_files_have_their_size_and_colours(name):
    feature, colour_type = name[:3], name[4:6]
    side = int(feature[1:]) if re.fullmatch(r"s\d\d", feature) else 32
    pixels = decoded(PNG_SUITE / f"{name}.png")
    assert pixels.shape == (*SIZES.get(feature, (side, side)), 3)
    is_grey = bool((pixels == pixels[:, :, :1]).all())
    if colour_type in {"0g", "4a"}:
        assert is_grey
        bits = int(name[6:8])
        levels = 255 // (2 ** min(bits, 8) - 1)  # 1 bit: 0 and 255, 2 bits: 0, 85, 170, 255
        assert (pixels % levels == 0).all()


def twins() -> list[tuple[str, str]]:
    interlaced = [(name, name[:3] + "n" + name[4:]) for name in png_suite(r"s\d\di.*")]
    interlaced += [(name, "basn" + name[4:]) for name in png_suite("basi.*")]
    chunked = [(name, "oi1" + name[3:]) for name in png_suite("oi[249].*")]
    return interlaced + chunked + [(name, "z00n2c08") for name in png_suite("z0[369].*")]


@pytest.mark.parametrize(("one", "other"), twins())
def test_interlace_chunks_and_compression_change_no_pixel(one, other):
    assert difference(PNG_SUITE / f"{one}.png", PNG_SUITE / f"{other}.png") == 0


@pytest.mark.parametrize("name", ["Landscape", "Portrait"])
@pytest.mark.parametrize("orientation", range(9))
def test_the_same_photo_in_every_orientation_decodes_to_nearly_the_same(name, orientation):
    # Saved as JPEG anew for each orientation: a photo turned wrongly is 60 levels off or more.
    reference, other = (decoded(EXIF / f"{name}_{i}.jpg") for i in (1, orientation))
    assert other.shape == reference.shape
    assert np.abs(other - reference).mean() < 6
    assert np.abs(other[:, ::-1] - reference).mean() > 40


def test_every_file_is_decided_soon_in_little_memory_and_nothing_is_printed():
    # In a fresh process, whose peak of memory is then this test's own.
    code = """if True:
        import json, resource, sys, time, pathlib
        from edgedistill.core.decode import UnreadablePhotoError, decode_photo
        paths = [p for p in pathlib.Path(sys.argv[1]).rglob("*") if p.is_file()]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        slowest = 0.0
        for path in paths:
            started = time.monotonic()
            try:
                decode_photo(path.read_bytes())
            except UnreadablePhotoError:
                pass
            slowest = max(slowest, time.monotonic() - started)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(json.dumps({"slowest_s": slowest, "mib": peak / 1024}))
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(ODD_IMAGES)],
        capture_output=True, text=True, check=True, timeout=100,
    )  # fmt: skip
    seen = json.loads(done.stdout)
    assert done.stderr == ""
    assert seen["slowest_s"] < 5
    assert seen["mib"] < 300


def test_no_warning_reaches_the_caller():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        decode_photo((PILLOW / "truncated_exif_dpi.jpg").read_bytes())
    assert caught == []
