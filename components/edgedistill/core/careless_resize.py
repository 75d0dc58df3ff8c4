"""The letterbox as careless apps do it: with a resize that does not average when it shrinks.

The model learns from `letterbox`, whose filter widens. A phone that calls its platform's plain
resize sees other pixels; photos resized so show what that costs.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.letterbox import corner, scaled_size

BILINEAR = "bilinear"
"""What Android's createScaledBitmap(filter=true) and OpenCV's INTER_LINEAR do."""
NEAREST = "nearest"
"""What Android's createScaledBitmap(filter=false) does."""

_WEIGHT_BITS = 11  # as OpenCV has them; two weights and a pixel fit into 32 bits
_ONE = 1 << _WEIGHT_BITS
_HALF = 1 << (2 * _WEIGHT_BITS - 1)

_Pixels = NDArray[np.uint8]


def careless_letterbox(pixels: _Pixels, size_px: int, resize: str) -> _Pixels:
    """The whole image, centred in a black square of the same geometry as `letterbox`.

    Pixel centres lie at halves: output pixel i looks at (i + 0.5) * old / new - 0.5.

    - bilinear: the mean of the four pixels around that place, by their nearness, in 11-bit fixed
      point, rounded half up; beyond the border the pixels at it.
    - nearest: the pixel that the place lies in.

    Args:
        pixels: shape (height, width, 3), RGB.
        size_px: side of the square, at least 1.
        resize: one of `RESIZES`.

    Returns:
        Shape (size_px, size_px, 3).

    Raises:
        ValueError: the image is not RGB of 8 bits, a length is below 1, or there is no such resize.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"pixels must be uint8 (h, w, 3); got {pixels.dtype} {pixels.shape}")
    if resize not in RESIZES:
        raise ValueError(f"resize must be one of {', '.join(RESIZES)}; got {resize!r}")
    height, width = scaled_size(pixels.shape[0], pixels.shape[1], size_px)
    square = np.zeros((size_px, size_px, 3), np.uint8)
    top, left = corner(height, width, size_px)
    square[top : top + height, left : left + width] = RESIZES[resize](pixels, height, width)
    return square


def _bilinear(pixels: _Pixels, height: int, width: int) -> _Pixels:
    above, below, down = _neighbours(pixels.shape[0], height)
    before, after, across = _neighbours(pixels.shape[1], width)
    down, across = down[:, np.newaxis], np.repeat(across, 3)
    total = _mixed(pixels[above], before, after, across)
    total *= _ONE - down
    second = _mixed(pixels[below], before, after, across)
    second *= down
    total += second
    total += _HALF
    total >>= 2 * _WEIGHT_BITS
    mixed: _Pixels = total.astype(np.uint8).reshape(height, width, 3)
    return mixed


def _mixed(
    rows: _Pixels, before: NDArray[np.intp], after: NDArray[np.intp], weight: NDArray[np.int32]
) -> NDArray[np.int32]:
    """By row, the channels of the pixels before and after each place, mixed by their weights.

    Channels stand in one axis with the pixels: NumPy is several times slower on an axis of 3.
    """
    first, second = (
        rows.take(columns, axis=1).reshape(len(rows), -1).astype(np.int32)
        for columns in (before, after)
    )
    second -= first
    second *= weight
    first <<= _WEIGHT_BITS
    first += second
    return first


def _neighbours(old: int, new: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int32]]:
    """By output pixel: the pixels on both sides of its place, and the second one's weight."""
    place = np.clip((np.arange(new) + 0.5) * (old / new) - 0.5, 0, old - 1)
    first = np.floor(place).astype(np.intp)
    weight = np.floor((place - first) * _ONE + 0.5).astype(np.int32)
    return first, np.minimum(first + 1, old - 1), weight


def _nearest(pixels: _Pixels, height: int, width: int) -> _Pixels:
    rows, columns = (
        # (i + 0.5) * old / new in integers: exact where the place is a border.
        (2 * np.arange(new) + 1) * old // (2 * new)
        for old, new in zip(pixels.shape[:2], (height, width), strict=True)
    )
    chosen: _Pixels = pixels[rows].take(columns, axis=1)
    return chosen


RESIZES: dict[str, Callable[[_Pixels, int, int], _Pixels]] = {
    BILINEAR: _bilinear,
    NEAREST: _nearest,
}
"""The careless resizes, by name."""
