"""The letterbox as careless apps do it: with a resize that does not average when it shrinks.

The model learns from `letterbox`, whose filter widens. A phone that calls its platform's plain
resize sees other pixels; photos resized so show what that costs.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgedistill.core.letterbox import corner, scaled_size

BILINEAR = "bilinear"
"""What Android's createScaledBitmap(filter=true) and OpenCV's INTER_LINEAR do."""
NEAREST = "nearest"
"""What Android's createScaledBitmap(filter=false) does."""

# Pillow's transform looks at single places, other than its resize, whose filters widen.
RESIZES = {BILINEAR: Image.Resampling.BILINEAR, NEAREST: Image.Resampling.NEAREST}
"""The careless resizes: their names, and how Pillow calls what they do at a place."""


def careless_letterbox(picture: Image.Image, size_px: int, resize: str) -> NDArray[np.uint8]:
    """The whole image, centred in a black square of the same geometry as `letterbox`.

    Pixel centres lie at halves: output pixel i looks at (i + 0.5) * old / new - 0.5.

    - bilinear: the mean of the four pixels around that place, by their nearness, rounded down as
      Pillow does; beyond the border the pixels at it.
    - nearest: the pixel that the place lies in.

    Args:
        picture: of mode RGB.
        size_px: side of the square, at least 1.
        resize: one of `RESIZES`.

    Returns:
        Shape (size_px, size_px, 3).

    Raises:
        ValueError: the picture is not RGB, a length is below 1, or there is no such resize.
    """
    if picture.mode != "RGB":
        raise ValueError(f"picture must be of mode RGB; got {picture.mode}")
    if resize not in RESIZES:
        raise ValueError(f"resize must be one of {', '.join(RESIZES)}; got {resize!r}")
    height, width = scaled_size(picture.height, picture.width, size_px)
    scales = (picture.width / width, 0, 0, 0, picture.height / height, 0)
    resized = picture.transform(
        (width, height), Image.Transform.AFFINE, scales, resample=RESIZES[resize]
    )
    square = np.zeros((size_px, size_px, 3), np.uint8)
    top, left = corner(height, width, size_px)
    square[top : top + height, left : left + width] = np.asarray(resized)
    return square
