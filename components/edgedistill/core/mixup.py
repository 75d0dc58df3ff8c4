"""Mixup: each photo blended with another one, drawn at random.

Source: Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_STREAM: Final = 2
"""Apart from what else is drawn from (seed, epoch, photo), as its view."""


@dataclass(frozen=True)
class Partners:
    """What each photo is blended with.

    Attributes:
        indices: shape (n,), int64, row number in the split of the other photo, or the same one.
        share: shape (n,), weight of the photo itself in [0.5, 1]; the other one has the rest.
    """

    indices: NDArray[np.int64]
    share: NDArray[np.float64]


def draw_partners(
    seed: int,
    epoch: int,
    photo_indices: Sequence[int] | NDArray[np.int64],
    *,
    alpha: float,
    n_photos: int,
) -> Partners:
    """Draws a partner and a share for each photo, from (seed, epoch, photo) and nothing else.

    Args:
        seed: the run's seed, at least 0.
        epoch: number of the pass, at least 0.
        photo_indices: row numbers of the photos in their split, shape (n,).
        alpha: the share is Beta(alpha, alpha), or 1 minus it where that is larger: which of the
            two is the photo and which the partner makes no difference to the training.
        n_photos: number of photos in the split; every one is as likely a partner.

    Raises:
        ValueError: alpha is not above 0, or n_photos is below 1, or a number is below 0.
    """
    if not alpha > 0 or n_photos < 1:
        raise ValueError(
            f"alpha must be above 0 and n_photos at least 1; got {alpha} and {n_photos}"
        )
    indices = np.zeros(len(photo_indices), np.int64)
    share = np.zeros(len(photo_indices))
    for row, index in enumerate(photo_indices):
        rng = np.random.default_rng((seed, epoch, int(index), _STREAM))
        indices[row] = rng.integers(n_photos)
        share[row] = rng.beta(alpha, alpha)
    return Partners(indices, np.maximum(share, 1 - share))


def blend(
    images: NDArray[np.uint8], partner_images: NDArray[np.uint8], share: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """share * image + (1 - share) * partner, rounded half up.

    Args:
        images: shape (n, size, size, 3).
        partner_images: the same shape.
        share: shape (n,), in [0, 1].

    Raises:
        ValueError: the images are not of uint8, or shapes differ.
    """
    shapes = images.shape, partner_images.shape
    if images.dtype != np.uint8 or partner_images.dtype != np.uint8:
        raise ValueError(f"images must be uint8; got {images.dtype} and {partner_images.dtype}")
    if shapes[0] != shapes[1] or share.shape != shapes[0][:1]:
        raise ValueError(f"shapes must agree; got {shapes[0]}, {shapes[1]} and {share.shape}")
    blended = np.empty_like(images)
    for i, (image, partner, weight) in enumerate(zip(images, partner_images, share, strict=True)):
        # One image at a time: the batch is never in memory as floats.
        mixed = np.float32(weight) * image + np.float32(1 - weight) * partner
        blended[i] = mixed + np.float32(0.5)
    return blended
