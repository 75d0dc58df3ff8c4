"""What a worker process does with one photo: read, decode, name, look at, letterbox."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgedistill.core.careless_resize import RESIZES, careless_letterbox
from edgedistill.core.decode import UnreadablePhotoError, decode_picture
from edgedistill.core.fingerprint import is_sampled, pixel_digest
from edgedistill.core.letterbox import letterbox
from edgedistill.core.look import SHARPNESS_SIDE_PX, Look, photo_look
from edgedistill.core.perceptual import perceptual_fingerprint
from edgedistill.storage.files import Content
from edgedistill.storage.reading import UnreadableFileError, read

Fetched = Content | bytes | UnreadableFileError
"""A file to decode: where it lies, or what came of it over the network."""


@dataclass(frozen=True)
class ReadPhoto:
    """A readable photo: size, digest and look of the upright original, and it letterboxed.

    `resized`: it letterboxed as careless apps do, by each of `core.careless_resize.RESIZES`; empty
    where it is not one of the sample.
    """

    height_px: int
    width_px: int
    digest: str
    look: Look
    fingerprint: NDArray[np.uint8]
    images: tuple[NDArray[np.uint8], ...]
    resized: tuple[NDArray[np.uint8], ...] = ()


@dataclass(frozen=True)
class BadFile:
    """A photo that is left out, and why, in one line."""

    reason: str


def read_photo(
    task: tuple[int, Fetched],
    *,
    sizes_px: Sequence[int],
    max_megapixels: float,
    resized_share: float = 0.0,
) -> ReadPhoto | BadFile:
    """Reads and decodes a photo once, and letterboxes it at each size.

    Args:
        task: the file's number, which the caller needs, and the file.
        sizes_px: sides of the squares, in the order of the result's images; the first is the one
            that is fingerprinted.
        max_megapixels: larger photos are left out.
        resized_share: share of photos, in [0, 1], that are resized carelessly too.
    """
    fetched = task[1]
    try:
        if isinstance(fetched, UnreadableFileError):
            raise fetched
        data = fetched if isinstance(fetched, bytes) else read(fetched)
        picture = decode_picture(data, max_megapixels=max_megapixels)
        digest = pixel_digest(picture)
    except (UnreadableFileError, UnreadablePhotoError) as error:
        return BadFile(str(error))
    width, height = picture.size
    images = tuple(letterbox(picture, size) for size in sizes_px)
    resizes = RESIZES if is_sampled(digest, resized_share) else ()
    return ReadPhoto(
        height, width, digest,
        _look(picture, images),
        perceptual_fingerprint(images[0], height, width),
        images,
        tuple(careless_letterbox(picture, sizes_px[0], resize) for resize in resizes),
    )  # fmt: skip


def _look(picture: Image.Image, images: Sequence[NDArray[np.uint8]]) -> Look:
    """The look of the largest of the squares, or of one large enough where all are too small.

    So what is found odd does not depend on which of the sizes is the student's.
    """
    largest = max(images, key=len)
    if len(largest) < SHARPNESS_SIDE_PX:
        largest = letterbox(picture, SHARPNESS_SIDE_PX)
    return photo_look(largest, picture.height, picture.width)
