"""Names for content: of one decoded photo, and of a set of labelled photos."""

import hashlib
from collections.abc import Iterable

from PIL import Image

from edgedistill.core.colours import stripes_of

_STRIPE_PIXELS = 1 << 16
_SAMPLE_DIGITS = 13  # 52 bits: as many as a double tells apart
_SAMPLE_RANGE: int = 16**_SAMPLE_DIGITS


def pixel_digest(picture: Image.Image) -> str:
    """SHA-256 of a picture's shape and pixels, in hexadecimal.

    Two files that decode to the same picture have the same digest, whatever their names, formats
    and tags: that of "height x width x 3", a line feed, and the pixels row by row.

    In stripes that stay in the processor's cache: all pixels at once would take 36 MB of memory for
    a phone's photo, and more time to get that memory than to read it.

    Args:
        picture: of mode RGB.

    Raises:
        ValueError: it has another mode.
    """
    if picture.mode != "RGB":
        raise ValueError(f"picture must be of mode RGB; got {picture.mode}")
    digest = hashlib.sha256(f"{picture.height}x{picture.width}x3\n".encode("ascii"))
    for _, stripe in stripes_of(picture, _STRIPE_PIXELS):
        digest.update(stripe.tobytes())
    return digest.hexdigest()


def is_sampled(digest: str, share: float) -> bool:
    """Whether a photo is in the sample of that share: by its content, whatever its order and name.

    A larger share holds every smaller one.

    Args:
        digest: of its pixels, in hexadecimal, at least 13 digits.
        share: in [0, 1]; 0: none, 1: all.
    """
    return int(digest[:_SAMPLE_DIGITS], 16) < share * _SAMPLE_RANGE


def dataset_digest(photos: Iterable[tuple[str, str, str]]) -> str:
    """A digest over the photos' places, labels and pixels, in hexadecimal.

    The sum of each photo's own SHA-256, modulo 2**256: it depends on no order, so that photos can
    be told one by one, and a photo that is told twice counts twice.

    Args:
        photos: (filepath, label name, pixel digest) of each, in any order.
    """
    total = sum(int.from_bytes(_photo_digest(photo), "big") for photo in photos)
    return f"{total % 2**256:064x}"


def _photo_digest(photo: tuple[str, str, str]) -> bytes:
    digest = hashlib.sha256()
    for field in photo:
        content = field.encode("utf-8")
        # The length before each field keeps ("ab", "c") and ("a", "bc") apart.
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.digest()
