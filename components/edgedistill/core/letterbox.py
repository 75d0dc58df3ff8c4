"""The letterbox: a photo of any shape, made square with its aspect ratio kept.

Training and phone must do the same to a photo, so the rule is arithmetic in integers.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

RESIZE_RULE = (
    "On the upright 8-bit RGB photo of height h and width w. Colour profiles are not applied: red, "
    "green and blue are those stored in the file. With target the side of the input: "
    "longest = max(h, w); each side becomes max(1, (2 * side * target + longest) // "
    "(2 * longest)) in integer division (round half up). Resize with Pillow's BILINEAR on uint8: "
    "a triangle filter whose half-width is max(1, old side / new side), horizontal pass first, "
    "uint8 between the passes, weights normalised in double precision and rounded to 22-bit fixed "
    "point, each sum rounded by adding 2**21 before the shift by 22, clamped to 0..255. Pad with "
    "(0, 0, 0): top = (target - new_h) // 2, left = (target - new_w) // 2, the rest below and on "
    "the right. A bilinear filter that does not widen when it shrinks gives other pixels."
)
"""The rule in words, for those who write it again for the phone (`resize_rule`)."""


def scaled_size(height: int, width: int, target: int) -> tuple[int, int]:
    """Height and width after the longer side was brought to `target`, rounded half up.

    Args:
        height: pixels, at least 1.
        width: pixels, at least 1.
        target: pixels, at least 1.

    Returns:
        (height, width) in pixels; the longer one is `target`, none is below 1.

    Raises:
        ValueError: a length is below 1.
    """
    if min(height, width, target) < 1:
        raise ValueError(f"lengths must be at least 1; got {height} x {width} to {target}")
    longest = max(height, width)
    return (
        max(1, (2 * height * target + longest) // (2 * longest)),
        max(1, (2 * width * target + longest) // (2 * longest)),
    )


def letterbox(image: NDArray[np.uint8] | Image.Image, size_px: int) -> NDArray[np.uint8]:
    """The whole image, centred in a black square.

    Args:
        image: shape (height, width, 3), RGB; or a picture of Pillow's of mode RGB, which spares
            a copy.
        size_px: side of the square, at least 1.

    Returns:
        Shape (size_px, size_px, 3); see `RESIZE_RULE`.

    Raises:
        ValueError: the image is not RGB of 8 bits, or a length is below 1.
    """
    picture = image if isinstance(image, Image.Image) else _picture(image)
    if picture.mode != "RGB":
        raise ValueError(f"image must be of mode RGB; got {picture.mode}")
    height, width = scaled_size(picture.height, picture.width, size_px)
    square = np.zeros((size_px, size_px, 3), np.uint8)
    top, left = corner(height, width, size_px)
    square[top : top + height, left : left + width] = _resize(picture, height, width)
    return square


def letterboxed_content(
    letterboxed: NDArray[np.uint8], height_px: int, width_px: int
) -> NDArray[np.uint8]:
    """The photo in a letterboxed image, without the padding.

    Args:
        letterboxed: shape (side, side, 3), what `letterbox` made of the photo.
        height_px: of the original.
        width_px: of the original.

    Returns:
        Shape (height, width, 3), those of `scaled_size`; contiguous.

    Raises:
        ValueError: not a square RGB image of uint8, or a length is below 1.
    """
    if letterboxed.dtype != np.uint8 or letterboxed.shape != (*[len(letterboxed)] * 2, 3):
        raise ValueError(
            f"letterboxed must be uint8 (n, n, 3); got {letterboxed.dtype} {letterboxed.shape}"
        )
    side = len(letterboxed)
    height, width = scaled_size(height_px, width_px, side)
    top, left = corner(height, width, side)
    return np.ascontiguousarray(letterboxed[top : top + height, left : left + width])


def corner(height: int, width: int, side: int) -> tuple[int, int]:
    """Where a photo of that height and width begins in its square: top and left, in pixels."""
    return (side - height) // 2, (side - width) // 2


def _picture(image: NDArray[np.uint8]) -> Image.Image:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image must be uint8 (h, w, 3); got {image.dtype} {image.shape}")
    return Image.fromarray(image)


def _resize(picture: Image.Image, height: int, width: int) -> NDArray[np.uint8]:
    """Pillow's triangle filter, across and then down.

    Two calls: given both sizes at once, Pillow 11 begins across, but Pillow 13 was seen to begin
    down for photos higher than wide, and the pixels then differ by a level.
    """
    across = picture.resize((width, picture.height), Image.Resampling.BILINEAR)
    return np.asarray(across.resize((width, height), Image.Resampling.BILINEAR))
