"""A JPEG or PNG file, as upright 8-bit RGB."""

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

FORMATS = ("JPEG", "PNG")
"""JPEG covers the multi-picture files (MPO) of phones; their first picture is taken."""

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
_LONGEST_REASON = 200


class UnreadablePhotoError(ValueError):
    """A file cannot be decoded; the message is one line and says why."""


def decode_photo(data: bytes) -> NDArray[np.uint8]:
    """The first frame of a JPEG or PNG file, upright, as 8-bit RGB.

    EXIF orientation is applied; alpha is discarded, not blended; grey is replicated; palette and
    CMYK become RGB as Pillow converts them, without colour profiles; 16-bit grey v becomes v / 257
    rounded half up, 16-bit colour the high byte of each value, as Pillow's decoder gives it.

    Args:
        data: the whole file.

    Returns:
        Shape (height, width, 3).

    Raises:
        UnreadablePhotoError: the file is neither JPEG nor PNG, is damaged or cut off, or has more
            pixels than Pillow's limit against decompression bombs (about 179 million).
    """
    if not data:
        raise UnreadablePhotoError("the file is empty")
    try:
        # Pillow warns of much that it then reads well; what it cannot read, it raises.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decode(data)
    except UnidentifiedImageError:
        raise UnreadablePhotoError("not a JPEG or PNG file") from None
    # The one place for a bare Exception: for hostile files Pillow's decoders were seen to raise
    # OSError, SyntaxError, ValueError, KeyError, struct.error, MemoryError and its own kinds.
    except Exception as error:  # noqa: BLE001
        raise UnreadablePhotoError(_reason(error)) from None


def _decode(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        orientation = image.getexif().get(_EXIF_ORIENTATION)
        rgb = _to_rgb(image)
    # Not ImageOps.exif_transpose: it writes the other tags back and fails at damaged ones.
    transpose = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return np.array(rgb if transpose is None else rgb.transpose(transpose))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())[:_LONGEST_REASON]
    return text or type(error).__name__
