"""A photo file of any common kind, as upright 8-bit RGB."""

import contextlib
import importlib
import io
import math
import re
import threading
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import (
    Image,
    ImageFile,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401 - to register it; Pillow would import all its plug-ins instead
)

from edgedistill.core.colours import pixels_of, to_rgb
from edgedistill.core.photo_kinds import PHOTO_KINDS, photo_kind
from edgedistill.core.png_chunks import keep_pixel_chunks

try:
    from PIL import AvifImagePlugin

    _READS_AVIF = AvifImagePlugin.SUPPORTED
except ImportError:  # Pillow below 11.3
    _READS_AVIF = False

MAX_MEGAPIXELS = 178.0
"""Pillow's own limit against decompression bombs, from which on it refuses."""

_EXIF_ORIENTATION = 0x0112
# What turns a photo upright, by the value of its EXIF tag (TIFF 6.0, "Orientation").
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_NEW_SUBFILE_TYPE, _DNG_VERSION = 254, 50706  # tags of TIFF 6.0 and of DNG
_CANON_RAW = b"CR"  # at byte 8 of a CR2 file
_RAW = "a camera's raw file, whose first page is a preview: export it as JPEG"
_NO_MEMORY = "there is not enough memory to decode it"
_LONGEST_REASON = 200
_pillow_is_set = threading.Lock()


class UnreadablePhotoError(ValueError):
    """A file cannot be decoded; the message is one line and says why."""


def decode_photo(data: bytes, *, max_megapixels: float = MAX_MEGAPIXELS) -> NDArray[np.uint8]:
    """The pixels of `decode_picture`, shape (height, width, 3); they may be read-only.

    Raises:
        UnreadablePhotoError: as `decode_picture`.
    """
    picture = decode_picture(data, max_megapixels=max_megapixels)
    try:
        return pixels_of(picture)
    except MemoryError:
        raise UnreadablePhotoError(_NO_MEMORY) from None


def decode_picture(data: bytes, *, max_megapixels: float = MAX_MEGAPIXELS) -> Image.Image:
    """The photo in a file, upright, as 8-bit RGB; opened once and decoded once.

    - The kind of file is told by its content: JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF, and HEIC
      where pillow-heif is installed. Of other kinds that Pillow knows none is opened.
    - Of several pictures the first: frame of an animation, page of a TIFF, picture of a
      multi-picture JPEG, base of an ultra-HDR JPEG; of HEIC the primary one. An animated PNG
      gives its default image. Where a first frame does not cover its canvas, the rest is black
      in WebP, and in GIF the transparent colour of the palette or, without one, its first. A GIF
      grows to hold its first frame.
    - Orientation is applied once: of EXIF, or where it has none of XMP; of a TIFF its own tag;
      of AVIF and HEIC the container's. Where it cannot be read, the picture stays as it is.
    - Colours: see `edgedistill.core.colours.to_rgb`.
    - Damage to what is not pixels (profiles, texts, EXIF) is passed over.

    Memory at its peak, with the array of `decode_photo`: 9 bytes a pixel, 11 of AVIF, 17 of WebP
    (seen at 25 megapixels). Pillow's limits are globals: calls from several threads wait for each
    other, and leave the globals as they were.

    Args:
        data: the whole file.
        max_megapixels: larger pictures are refused from their header, before memory is used.

    Returns:
        Mode RGB, loaded.

    Raises:
        UnreadablePhotoError: the file is no photo, damaged, cut off or too large; or decoding it
            raised anything at all, such as for want of memory.
    """
    kind = _readable_kind(data)
    try:
        with _pillow_set(max_megapixels), _opened(data, kind) as image:
            return _upright_rgb(image, max_megapixels)
    except UnidentifiedImageError:
        raise UnreadablePhotoError(f"damaged: its {kind} header cannot be read") from None
    except Image.DecompressionBombError as error:
        n_pixels = re.search(r"\((\d+) pixels", str(error))
        size = float(n_pixels[1]) if n_pixels else math.inf
        raise UnreadablePhotoError(_too_large(size, max_megapixels)) from None
    except MemoryError:
        raise UnreadablePhotoError(_NO_MEMORY) from None
    # The one place for a bare Exception: for hostile files Pillow's decoders were seen to raise
    # OSError, SyntaxError, ValueError, KeyError, struct.error, SystemError and its own kinds.
    except Exception as error:  # noqa: BLE001
        raise UnreadablePhotoError(_reason(error)) from None


def _readable_kind(data: bytes) -> str:
    if not data:
        raise UnreadablePhotoError("the file is empty")
    kind = photo_kind(data)
    if kind is None:
        raise UnreadablePhotoError(f"not a photo: {PHOTO_KINDS} are read")
    if kind == "AVIF" and not _READS_AVIF:
        raise UnreadablePhotoError("AVIF needs Pillow 11.3 or later: pip install -U pillow")
    if kind == "TIFF" and data[8:10] == _CANON_RAW:
        raise UnreadablePhotoError(_RAW)
    return kind


@contextlib.contextmanager
def _pillow_set(max_megapixels: float) -> Iterator[None]:
    """Pillow's globals as decoding needs them, and its warnings of what it then reads well."""
    with _pillow_is_set, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        # Pillow raises from twice its limit on, before it allocates anything; between once and
        # twice `_upright_rgb` refuses.
        Image.MAX_IMAGE_PIXELS = max(1, int(max_megapixels * 1e6))
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before


def _opened(data: bytes, kind: str) -> Image.Image:
    if kind == "HEIC":
        return _opened_heic(data)
    if kind == "PNG":
        data = keep_pixel_chunks(data)
    return Image.open(io.BytesIO(data), formats=(kind,))


def _opened_heic(data: bytes) -> Image.Image:
    try:
        # A plug-in of Pillow's that not everyone has, nor needs.
        pillow_heif = importlib.import_module("pillow_heif")
    except ImportError:
        raise UnreadablePhotoError(
            "HEIC needs one more package: pip install 'edgedistill[heic]'"
        ) from None
    image = pillow_heif.HeifImageFile(io.BytesIO(data))
    if not isinstance(image, Image.Image):
        raise TypeError("pillow-heif gave no picture")
    return image


def _upright_rgb(image: Image.Image, max_megapixels: float) -> Image.Image:
    if image.width * image.height > max_megapixels * 1e6:
        raise UnreadablePhotoError(_too_large(image.width * image.height, max_megapixels))
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        _prepare_tiff(image)
    if isinstance(image, ImageFile.ImageFile):
        # Pillow reads a row in pieces of this size, each time copying those before it: a photo
        # of 8 million x 12 pixels took a minute. 8 bytes is a pixel's most: four values of 16 bits.
        image.decodermaxblock = max(image.decodermaxblock, 8 * image.width)
    image.load()
    # Pillow turns a TIFF while it loads it. Not ImageOps.exif_transpose for the others: it writes
    # their other tags back and fails at damaged ones.
    transpose = None if image.format == "TIFF" else _UPRIGHT.get(_orientation(image))
    rgb = to_rgb(image)
    return rgb if transpose is None else rgb.transpose(transpose)


def _prepare_tiff(image: TiffImagePlugin.TiffImageFile) -> None:
    """Refuses a preview, and reads the tags, which loading would do and then fail at rubbish."""
    subfile_type = image.tag_v2.get(_NEW_SUBFILE_TYPE, 0)
    if _DNG_VERSION in image.tag_v2 or (isinstance(subfile_type, int) and subfile_type & 1):
        raise UnreadablePhotoError(_RAW)
    with contextlib.suppress(Exception):
        image.getexif()


def _orientation(image: Image.Image) -> int:
    """The value of the tag; 1, which is upright, where there is none or it cannot be read."""
    try:
        value = image.getexif().get(_EXIF_ORIENTATION)
    except Exception:  # noqa: BLE001 - damaged EXIF raises as many kinds as damaged pixels
        return 1
    return value if isinstance(value, int) else 1


def _too_large(n_pixels: float, max_megapixels: float) -> str:
    size = f"{n_pixels / 1e6:,.1f}"
    return f"it has {size} megapixels, more than the limit of {max_megapixels:g}"


def _reason(error: Exception) -> str:
    """One line of visible characters without addresses, which would differ from run to run."""
    text = re.sub(r" at 0x[0-9a-f]+", "", " ".join(str(error).split()))
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return shown[:_LONGEST_REASON] or type(error).__name__
