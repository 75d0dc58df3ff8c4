"""Images of our own making that tell apart what an app can do wrong with a photo.

All show one scene, a mosaic, made by arithmetic:

- the colours of neighbours and corners differ, and red differs from blue everywhere, so that
  turned, mirrored, moved and squeezed pictures and swapped channels show;
- its stripes and checks are as fine as pixels, so that a filter that aliases shows;
- its tiles are flat or repeat every 8 pixels and lie on the blocks of JPEG, so that the files
  stay small, and other decoders of JPEG give nearly the same pixels.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgedistill.core.display_p3 import display_p3_profile
from edgedistill.core.png_encoder import encode_palette_png, encode_png

_COLOURS = np.array(
    [
        (225, 45, 30), (245, 190, 40), (35, 70, 205), (60, 165, 110),
        (190, 85, 140), (95, 150, 235), (150, 95, 20),
    ],
    np.uint8,
)  # fmt: skip
_TILE_PX, _PERIOD_PX = 16, 2
_EXIF_ORIENTATION = 0x0112
# How a camera holds the upright scene under each value of the tag: the inverse of what turns it
# upright (TIFF 6.0, "Orientation").
_HELD = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@dataclass(frozen=True)
class ParityImage:
    """An image file.

    Attributes:
        name: letters, digits and underscores; no two images share it.
        file_name: the name with the extension of its kind.
        data: the file.
        checks: what it checks, in words.
        orientation: the EXIF tag's value; 1 is upright.
    """

    name: str
    file_name: str
    data: bytes
    checks: str
    orientation: int = 1


def parity_images() -> list[ParityImage]:
    """All images, the same bytes each time: every orientation, shape, colour kind and odd size.

    Their bytes depend on nothing but the versions of Pillow, libjpeg and zlib, and the processor
    that libjpeg has instructions for.
    """
    return list(_images())


@cache
def _images() -> tuple[ParityImage, ...]:
    return (*_turned(), *_kinds(), *_odd_sizes(), _large())


def scene(
    height: int, width: int, *, tile_px: int = _TILE_PX, period_px: int = _PERIOD_PX
) -> NDArray[np.uint8]:
    """The mosaic.

    Args:
        height: pixels.
        width: pixels.
        tile_px: side of a tile.
        period_px: a light and a dark stripe of the finest tiles; others have 2 and 4 times that.

    Returns:
        Shape (height, width, 3), RGB.
    """
    y, x = np.arange(height, dtype=np.int32)[:, None], np.arange(width, dtype=np.int32)
    row, column = y // tile_px, x // tile_px
    period = period_px * 2 ** ((row + 2 * column) % 3)
    # Flat; lying, standing and slanting stripes; checks.
    along = np.choose((2 * row + 3 * column) % 5, [0, y, x, x + y, x // 2 + y // 2])
    dark = (along % period) * 2 >= period
    colour = (3 * row + 2 * column + row * column) % len(_COLOURS)
    both = np.concatenate([_COLOURS, _COLOURS // 4])
    pixels: NDArray[np.uint8] = both[colour + len(_COLOURS) * dark]
    return pixels


def _turned() -> Iterator[ParityImage]:
    upright = Image.fromarray(scene(400, 288))
    for value, held in _HELD.items():
        exif = Image.Exif()
        exif[_EXIF_ORIENTATION] = value
        picture = upright if held is None else upright.transpose(held)
        yield ParityImage(
            f"exif_{value}",
            f"exif_{value}.jpg",
            _jpeg(picture, exif=exif),
            f"EXIF orientation {value}; upright it is a portrait of 288 x 400 pixels",
            value,
        )


def _kinds() -> Iterator[ParityImage]:
    """What decoders treat unlike an ordinary colour photo.

    Their sizes are such that, at every common size of a model's input, the shorter side of some
    must be rounded up and of others down.
    """
    grey = Image.fromarray(scene(254, 389)).convert("L")
    yield ParityImage(
        "grey", "grey.jpg", _jpeg(grey), "a grey JPEG, 389 x 254: its value goes into R, G and B"
    )
    yield ParityImage(
        "alpha",
        "alpha.png",
        encode_png(np.dstack([scene(347, 267), _alpha(347, 267)])),
        "an RGBA PNG, 267 x 347: alpha is discarded, colours under transparent pixels count",
    )
    yield ParityImage(
        "profile",
        "profile.jpg",
        _jpeg(Image.fromarray(scene(301, 410)), icc_profile=display_p3_profile()),
        "a JPEG with the colour profile Display P3, as phones write it, 410 x 301: colours are not "
        "converted",
    )
    cmyk = Image.fromarray(scene(323, 490)).convert("CMYK")
    yield ParityImage(
        "cmyk",
        "cmyk.jpg",
        _jpeg(cmyk),
        "a CMYK JPEG, 490 x 323: R = (255 - cyan) * (255 - black) / 255, G and B alike, and no "
        "colour profile; cameras make none",
    )
    yield ParityImage(
        "palette",
        "palette.png",
        _palette_png(311, 426),
        "a palette PNG with transparent entries, 426 x 311: their colours count",
    )


def _odd_sizes() -> Iterator[ParityImage]:
    sizes = {"high": (4000, 1), "wide": (1, 4000), "nearly_square": (241, 239), "tiny": (5, 7)}
    why = {
        "high": "a column of pixels: no side may become 0",
        "wide": "a row of pixels: no side may become 0",
        "nearly_square": "sides that differ by little: rounding of sizes and padding",
        "square": "a square: nothing to pad",
        "tiny": "a photo smaller than the model's input: it is made larger",
    }
    for name, (height, width) in {**sizes, "square": (240, 240)}.items():
        tile_px = 1 if name == "tiny" else _TILE_PX
        pixels = scene(height, width, tile_px=tile_px)
        checks = f"{why[name]} (PNG, {width} x {height})"
        yield ParityImage(name, f"{name}.png", encode_png(pixels), checks)


def _large() -> ParityImage:
    picture = Image.fromarray(scene(2000, 3000, tile_px=256, period_px=8))
    return ParityImage(
        "large",
        "large.jpg",
        _jpeg(picture, subsampling="4:2:0"),
        "a landscape of a camera's size, 3000 x 2000, with halved colour resolution: the filter "
        "must widen when it shrinks",
    )


def _alpha(height: int, width: int) -> NDArray[np.uint8]:
    """Opaque, half and wholly transparent tiles."""
    y, x = np.mgrid[:height, :width] // _TILE_PX
    alpha: NDArray[np.uint8] = np.array([255, 128, 0], np.uint8)[(2 * y + x) % 3]
    return alpha


def _palette_png(height: int, width: int) -> bytes:
    pixels = scene(height, width)
    colours, indices = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
    alpha = np.array([255, 0, 128], np.uint8)[np.arange(len(colours)) % 3]
    return encode_palette_png(
        indices.reshape(height, width).astype(np.uint8), np.column_stack([colours, alpha])
    )


def _jpeg(picture: Image.Image, **options: Any) -> bytes:
    """Colours at full resolution, unless told otherwise: decoders differ in how they spread it."""
    file = io.BytesIO()
    options = {"quality": 80, "optimize": True, "subsampling": "4:4:4", **options}
    picture.save(file, "JPEG", **options)
    return file.getvalue()
