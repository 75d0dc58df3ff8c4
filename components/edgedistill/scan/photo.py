"""What a worker process does with one photo: read, decode, fingerprint, letterbox."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.decode import UnreadablePhotoError, decode_photo
from edgedistill.core.fingerprint import pixel_digest
from edgedistill.core.letterbox import letterbox


@dataclass(frozen=True)
class ReadPhoto:
    """A readable photo: size and digest of the upright original, and it letterboxed."""

    height_px: int
    width_px: int
    digest: str
    images: tuple[NDArray[np.uint8], ...]


@dataclass(frozen=True)
class BadFile:
    """A photo that is left out, and why, in one line."""

    reason: str


def read_photo(place: str, *, folder: Path, sizes_px: Sequence[int]) -> ReadPhoto | BadFile:
    """Reads and decodes a photo once, and letterboxes it at each size.

    Args:
        place: relative to `folder`.
        folder: the data folder.
        sizes_px: sides of the squares, in the order of the result's images.
    """
    try:
        place.encode("utf-8")
        image = decode_photo((folder / place).read_bytes())
    except UnicodeEncodeError:
        return BadFile("its name is not UTF-8")
    except OSError as error:
        return BadFile(f"cannot be read: {error.strerror}")
    except UnreadablePhotoError as error:
        return BadFile(str(error))
    height, width, _ = image.shape
    images = tuple(letterbox(image, size) for size in sizes_px)
    return ReadPhoto(height, width, pixel_digest(image), images)
