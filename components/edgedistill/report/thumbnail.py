"""Small pictures, as many as a page needs."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgedistill.core.letterbox import letterbox


def thumbnail(image: NDArray[np.uint8], side_px: int, quality: int = 75) -> bytes:
    """A WebP file of the image, at most `side_px` wide and high.

    WebP, because a JPEG of this size is mostly tables.

    Args:
        image: shape (size, size, 3).
        side_px: most pixels on a side; a smaller image is not enlarged.
        quality: of WebP, 0 to 100.
    """
    file = io.BytesIO()
    small = letterbox(image, min(side_px, len(image)))
    Image.fromarray(small).save(file, "WEBP", quality=quality, method=4)
    return file.getvalue()
