"""Photos damaged as phones damage them, to see what a model makes of such photos.

Each damage is done to the packed photo without the letterbox's black bars, which are no part of it,
and the result is letterboxed again. What chance decides is drawn from a seed and the photo alone:
neither the other photos nor their order, neither the damage nor its strength, have a part in it.
Lengths are shares of the photo's longer side, so that they mean the same at every size.

Source: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common
Corruptions and Perturbations", for measuring accuracy under each damage and their plain mean; kinds
and strengths here are those of a phone in a hand.
"""

import hashlib
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from edgedistill.core.letterbox import letterbox, letterboxed_content

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Chances:
    """What chance decides about one photo: the same for every damage and strength."""

    motion_rad: float
    """Direction in which the camera moved, in [0, pi)."""
    tilt_sign: float
    """1: the camera was tilted one way; -1: the other."""
    crop_x: float
    """Which part of the width that is cut off goes on the left, in [0, 1)."""
    crop_y: float
    """Which part of the height that is cut off goes at the top, in [0, 1)."""
    noise_seed: int

    @classmethod
    def draw(cls, seed: int, photo: str) -> Self:
        """Draws them from the run's seed and what names the photo, such as its digest."""
        key = hashlib.sha256(f"{seed} {photo}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(key, "little"))
        motion, tilt, crop_x, crop_y = rng.random(4).tolist()
        return cls(
            math.pi * motion,
            1.0 if tilt < 0.5 else -1.0,
            crop_x,
            crop_y,
            int(rng.integers(2**63)),
        )


@dataclass(frozen=True)
class Damage:
    """One way in which a phone spoils a photo.

    `strength` is 1 or 2; `setting` says in words what is done. `change` takes a photo without
    bars, shape (height, width, 3), and its chances; it gives one that may be smaller.
    """

    name: str
    strength: int
    setting: str
    change: Callable[[Pixels, Chances], Pixels]


def damage_photo(
    letterboxed: Pixels, height_px: int, width_px: int, damage: Damage, chances: Chances
) -> Pixels:
    """The photo with the damage done to it, letterboxed again.

    Args:
        letterboxed: shape (side, side, 3), what `letterbox` made of the photo.
        height_px: of the original.
        width_px: of the original.
        damage: one of `DAMAGES`.
        chances: of this photo.

    Returns:
        Shape (side, side, 3).

    Raises:
        ValueError: not a square RGB image of uint8, or a length is below 1.
    """
    content = letterboxed_content(letterboxed, height_px, width_px)
    return letterbox(np.ascontiguousarray(damage.change(content, chances)), len(letterboxed))


def _blur(content: Pixels, _chances: Chances, *, share: float) -> Pixels:
    """Out of focus: Pillow's Gaussian; beyond the edge the last pixels go on."""
    deviation_px = share * max(content.shape)
    return np.asarray(Image.fromarray(content).filter(ImageFilter.GaussianBlur(deviation_px)))


def _motion(content: Pixels, chances: Chances, *, share: float) -> Pixels:
    """The mean of copies moved along a straight line, a pixel apart; the edge pixels go on."""
    length_px = share * max(content.shape)
    along = np.linspace(-length_px / 2, length_px / 2, math.ceil(length_px) + 1)
    down = np.rint(along * math.sin(chances.motion_rad)).astype(np.int64)
    right = np.rint(along * math.cos(chances.motion_rad)).astype(np.int64)
    reach = int(max(np.abs(down).max(), np.abs(right).max()))
    padded = np.pad(content, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    height, width = content.shape[:2]
    total = np.zeros(content.shape, np.uint32)
    for top, left in zip((reach + down).tolist(), (reach + right).tolist(), strict=True):
        total += padded[top : top + height, left : left + width]
    return ((total + len(along) // 2) // len(along)).astype(np.uint8)


def _expose(content: Pixels, _chances: Chances, *, stops: float) -> Pixels:
    """More or less light by powers of two, as sRGB's curve stores it; what is too bright is white.

    Source: IEC 61966-2-1 (sRGB).
    """
    value = np.arange(256) / 255
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    light = np.minimum(light * 2.0**stops, 1.0)
    stored = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    table = np.rint(stored * 255).astype(np.uint8)
    return np.take(table, content)


def _noise(content: Pixels, chances: Chances, *, levels: float) -> Pixels:
    """Gaussian noise of this deviation, each channel by itself."""
    drawn = np.random.default_rng(chances.noise_seed).standard_normal(content.shape, np.float32)
    return np.clip(np.rint(content + levels * drawn), 0, 255).astype(np.uint8)


def _jpeg(content: Pixels, _chances: Chances, *, quality: int) -> Pixels:
    """Through a JPEG of this quality, with Pillow's usual halving of the colours."""
    file = io.BytesIO()
    Image.fromarray(content).save(file, "JPEG", quality=quality)
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB"))


def _tilt(content: Pixels, chances: Chances, *, degrees: float) -> Pixels:
    """Turned about its middle; what comes in at the corners is the photo mirrored at its edges.

    A camera would see more of the scene there; black would be a thing that no phone shows.
    """
    height, width = content.shape[:2]
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    down = max(0, math.ceil((width * sine + height * cosine - height) / 2)) + 1
    right = max(0, math.ceil((width * cosine + height * sine - width) / 2)) + 1
    padded = np.pad(content, ((down, down), (right, right), (0, 0)), mode="symmetric")
    turned = Image.fromarray(padded).rotate(chances.tilt_sign * degrees, Image.Resampling.BILINEAR)
    return np.asarray(turned)[down : down + height, right : right + width]


def _crop(content: Pixels, chances: Chances, *, share: float) -> Pixels:
    """A window with this share of each side cut off, anywhere in the photo."""
    height, width = content.shape[:2]
    kept_height = max(1, round(height * (1 - share)))
    kept_width = max(1, round(width * (1 - share)))
    top = int(chances.crop_y * (height - kept_height + 1))
    left = int(chances.crop_x * (width - kept_width + 1))
    return content[top : top + kept_height, left : left + kept_width]


DAMAGES: tuple[Damage, ...] = (
    Damage("blur", 1, "out of focus by 1/160 of the side", partial(_blur, share=1 / 160)),
    Damage("blur", 2, "out of focus by 1/80 of the side", partial(_blur, share=1 / 80)),
    Damage("motion", 1, "smeared over 1/24 of the side", partial(_motion, share=1 / 24)),
    Damage("motion", 2, "smeared over 1/12 of the side", partial(_motion, share=1 / 12)),
    Damage("dark", 1, "1.5 stops less light", partial(_expose, stops=-1.5)),
    Damage("dark", 2, "3 stops less light", partial(_expose, stops=-3.0)),
    Damage("bright", 1, "0.75 stops more light", partial(_expose, stops=0.75)),
    Damage("bright", 2, "1.5 stops more light", partial(_expose, stops=1.5)),
    Damage("noise", 1, "deviation of 12 levels", partial(_noise, levels=12.0)),
    Damage("noise", 2, "deviation of 25 levels", partial(_noise, levels=25.0)),
    Damage("JPEG", 1, "quality 30", partial(_jpeg, quality=30)),
    Damage("JPEG", 2, "quality 15", partial(_jpeg, quality=15)),
    Damage("tilt", 1, "10 degrees", partial(_tilt, degrees=10.0)),
    Damage("tilt", 2, "20 degrees", partial(_tilt, degrees=20.0)),
    Damage("crop", 1, "10 % of each side cut off", partial(_crop, share=0.1)),
    Damage("crop", 2, "20 % of each side cut off", partial(_crop, share=0.2)),
)
"""Every damage at both strengths, the weaker one first. "The side" is the photo's longer side."""
