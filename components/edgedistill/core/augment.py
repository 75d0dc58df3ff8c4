"""Photos in the views that were drawn of them, on 8-bit pixels.

The order is that of the world: the camera is held somewhere (geometry), there is light (tone,
colour), the lens is not in focus or moves (blur), the sensor adds noise, a JPEG is written. What is
black stays black until the lens, as the letterbox's border is no part of the photo. Pillow does
most of it and lets other threads run meanwhile.
"""

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from edgedistill.core.views import Views

_RGB_LUMA: Final = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in the luma (ITU-R BT.601)."""
_NOISE_CELLS: Final = 160
"""Grains of noise along the side: as fine as a phone's noise is after it is cleaned and shrunk,
and the same grains at any size."""


def show_views(images: NDArray[np.uint8], views: Views) -> NDArray[np.uint8]:
    """The views of photos.

    Args:
        images: shape (n, size, size, 3), letterboxed; left as they are.
        views: one for each.

    Returns:
        The shape of `images`; black where a view reaches beyond its photo. `images` itself where
        no view changes anything. A view is the same at two sizes, but for the blocks of its JPEG,
        which are of 8 or 16 pixels at any size.

    Raises:
        ValueError: the images are not of uint8 and that shape, or not as many as the views.
    """
    n, size_px = len(views), images.shape[1] if images.ndim == 4 else 0
    if images.dtype != np.uint8 or images.shape != (n, size_px, size_px, 3):
        raise ValueError(
            f"images must be uint8 ({n}, size, size, 3); got {images.dtype} {images.shape}"
        )
    if views.unchanged:
        return images
    affines, tones = views.affines(size_px), tone_curves(views)
    shown = np.empty_like(images)
    for i, image in enumerate(images):
        picture = moved(Image.fromarray(image), affines[i])
        picture = saturated(toned(picture, tones[i]), float(views.saturation[i]))
        picture = blurred(picture, float(views.blur_frac[i]) * size_px)
        picture = smeared(picture, views.motion_frac[i] * size_px)
        picture = noisy(picture, float(views.noise[i]), int(views.noise_seed[i]))
        picture = compressed(picture, int(views.jpeg_quality[i]))
        shown[i] = np.asarray(erased(picture, views.erased_frac[i]))
    return shown


def moved(picture: Image.Image, affine: NDArray[np.float64]) -> Image.Image:
    """The picture under one row of `Views.affines`; between pixels linear, rounded down."""
    if np.array_equal(affine, (1, 0, 0, 0, 1, 0)):
        return picture
    return picture.transform(
        picture.size, Image.Transform.AFFINE, affine.tolist(), Image.Resampling.BILINEAR
    )


def tone_curves(views: Views) -> NDArray[np.uint8]:
    """What each level becomes: gain, clipped at white, then gamma, then contrast.

    With v in [0, 1] the contrast c makes v + 2 (c - 1) v (1 - v) (2 v - 1): its slope is c at
    middle grey, and black and white stay what they are.

    Returns:
        Shape (n, 3, 256).
    """
    gamma, contrast = views.gamma[:, None, None], views.contrast[:, None, None]
    v = np.minimum(views.gain[:, :, None] * np.linspace(0, 1, 256), 1.0) ** gamma
    v = v + 2 * (contrast - 1) * v * (1 - v) * (2 * v - 1)
    return np.floor(255 * v + 0.5).astype(np.uint8)


def toned(picture: Image.Image, curves: NDArray[np.uint8]) -> Image.Image:
    """The picture with a curve of shape (256,) applied to each channel."""
    return picture.point(curves.ravel().tolist())


def saturated(picture: Image.Image, saturation: float) -> Image.Image:
    """The picture with colours moved away from the grey of their luma, or towards it."""
    if saturation == 1:
        return picture
    matrix = np.zeros((3, 4))
    matrix[:, :3] = (1 - saturation) * _RGB_LUMA + saturation * np.eye(3)
    return picture.convert("RGB", tuple(matrix.ravel().tolist()))


def blurred(picture: Image.Image, sigma_px: float) -> Image.Image:
    """The picture out of focus: a Gaussian, as three boxes make it."""
    return picture.filter(ImageFilter.GaussianBlur(sigma_px)) if sigma_px > 0 else picture


def smeared(picture: Image.Image, lengths_px: NDArray[np.float64]) -> Image.Image:
    """The picture of a camera that moved by so much, down and across, while it looked."""
    down, across = (float(length) / 2 for length in lengths_px)
    return picture.filter(ImageFilter.BoxBlur((across, down))) if down or across else picture


def noisy(picture: Image.Image, deviation: float, seed: int) -> Image.Image:
    """The picture with grey noise of so many levels, but where it is black."""
    if deviation == 0:
        return picture
    cells = np.random.default_rng(seed).standard_normal((_NOISE_CELLS,) * 2, np.float32)
    levels = np.clip(np.rint(128 + deviation * cells), 0, 255).astype(np.uint8)
    grain = Image.fromarray(levels).resize(picture.size, Image.Resampling.BILINEAR)
    # Three equal channels, as NumPy is slow where it would have to spread one over three.
    offsets = np.asarray(Image.merge("RGB", [grain] * 3)).astype(np.int16) - 128
    pixels = np.asarray(picture)
    return Image.fromarray(np.clip(pixels + offsets * (pixels > 0), 0, 255).astype(np.uint8))


def compressed(picture: Image.Image, quality: int) -> Image.Image:
    """The picture after a JPEG of that quality, its colours at half the size, as phones do."""
    if quality == 0:
        return picture
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return Image.open(file).convert("RGB")


def erased(picture: Image.Image, rectangle_frac: NDArray[np.float64]) -> Image.Image:
    """The picture with a rectangle, as in `Views.erased_frac`, in its mean colour."""
    top, left, height, width = rectangle_frac * picture.width
    if height == 0:
        return picture
    mean = np.asarray(picture.resize((1, 1), Image.Resampling.BOX))[0, 0]
    covered = picture.copy()
    covered.paste(
        tuple(mean.tolist()), (round(left), round(top), round(left + width), round(top + height))
    )
    return covered
