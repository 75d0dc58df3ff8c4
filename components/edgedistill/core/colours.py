"""A decoded picture of any colour mode, as 8-bit RGB."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageCms

_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262  # tags of TIFF 6.0
_WHITE_IS_ZERO = 0
_STRIPE_PIXELS = 1 << 22


def to_rgb(image: Image.Image) -> Image.Image:
    """The picture as 8-bit RGB, without colour management.

    - Grey (1 bit to 8 bits) is replicated; a palette gives its colours.
    - Alpha is discarded, not blended; colours that are stored multiplied by it are divided first.
    - Grey of more than 8 bits: v becomes v * 255 / (2**bits - 1), rounded half up; for 16 bits
      that is v / 257. A TIFF whose white is zero is inverted.
    - Colour of 16 bits, and grey of 16 bits with alpha: the high byte, as Pillow's decoders give
      it; grey of 129 is 0 with alpha and 1 without.
    - CMYK: (255 - ink) * (255 - black) / 255. The inks of a JPEG are stored inverted where it has
      Adobe's marker, and as they are where it has none.
    - CIELAB: through littleCMS, from D50 to sRGB. YCbCr: ITU-R BT.601 of full range.
    - Integers of 32 bits or with a sign, and floating point, are refused: no range is stated
      that could become 0..255.

    Args:
        image: loaded, of any mode.

    Raises:
        ValueError: the values have no stated range.
    """
    if image.mode == "RGB":
        return image
    if image.mode == "F" or (image.mode == "I" and image.format != "PNG"):
        raise ValueError(
            "its values have no stated range (floating point, signed or 32-bit integers): "
            "save it with 8 or 16 bits"
        )
    if image.mode.startswith("I"):
        return _deep_grey_to_rgb(image)
    if image.mode == "LAB":
        return _lab_to_rgb(image)
    if image.mode == "CMYK" and image.format in {"JPEG", "MPO"} and "adobe" not in image.info:
        image = ImageChops.invert(image)  # Pillow takes every CMYK JPEG for Adobe's
    return image.convert("RGB")


def pixels_of(picture: Image.Image) -> NDArray[np.uint8]:
    """The pixels of an RGB picture, shape (height, width, 3); they may be read-only.

    In stripes where it is large: Pillow hands pixels over in pieces and joins them, which would
    take the room of the picture twice more.
    """
    if picture.width * picture.height <= _STRIPE_PIXELS:
        return np.asarray(picture)
    pixels = np.empty((picture.height, picture.width, 3), np.uint8)
    for top, stripe in stripes_of(picture, _STRIPE_PIXELS):
        pixels[top : top + stripe.height] = np.asarray(stripe)
    return pixels


def stripes_of(picture: Image.Image, n_pixels: int) -> Iterator[tuple[int, Image.Image]]:
    """The picture from top to bottom in copies of some of its rows.

    Args:
        picture: of any mode.
        n_pixels: most pixels of a stripe, which has a row at least.

    Yields:
        The row that a stripe begins with, and the stripe, as wide as the picture.
    """
    n_rows = max(1, n_pixels // picture.width)
    for top in range(0, picture.height, n_rows):
        bottom = min(top + n_rows, picture.height)
        yield top, picture.crop((0, top, picture.width, bottom))


def _deep_grey_to_rgb(image: Image.Image) -> Image.Image:
    tags = getattr(image, "tag_v2", {})
    # 16 bits, but for the packed 12 of some TIFF files.
    full = (1 << (12 if tags.get(_BITS_PER_SAMPLE) == (12,) else 16)) - 1
    values = np.arange(1 << 16, dtype=np.uint32)
    table = np.minimum((values * 510 + full) // (2 * full), 255).astype(np.uint8)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:  # Pillow inverts those of up to 8 bits only
        table = 255 - table
    return Image.fromarray(table[np.asarray(image)]).convert("RGB")


def _lab_to_rgb(image: Image.Image) -> Image.Image:
    lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    # Not optimised: the table that it would interpolate in is 20 levels off at blue.
    converted = ImageCms.profileToProfile(
        image, lab, rgb, outputMode="RGB", flags=ImageCms.Flags.NOOPTIMIZE
    )
    if converted is None:
        raise ValueError("its CIELAB colours cannot be converted")
    return converted
