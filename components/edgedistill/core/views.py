"""Random views of photos: what is drawn for each, apart from how pixels are then changed.

A view is drawn from (seed, epoch, photo) and nothing else, so it does not depend on batches, on
workers or on what was drawn before; and it is free of any image size, so that teacher and student
see the same view, each at its own size.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.view_ranges import (
    BLUR_RANGE,
    ERASED_AREA_RANGE,
    ERASED_ASPECT_RANGE,
    JPEG_QUALITY_RANGE,
    MOTION_RANGE,
    NOISE_RANGE,
    RANGES,
    Range,
    ViewRanges,
)

Float64s = NDArray[np.float64]

LEVELS: Final = tuple(RANGES)

_STREAM: Final = 1
"""Apart from what else is drawn from (seed, epoch, photo). Not 0: that would be no number more."""

# Every view takes all of them, whatever its level uses: so levels differ in their limits alone.
_NUMBERS: Final = (
    *("flip", "zoom", "shift_down", "shift_right", "rotation"),
    *("gain", "red", "green", "blue", "gamma", "contrast", "saturation"),
    *("blur_kind", "blur", "motion_direction", "has_noise", "noise", "noise_seed"),
    *("has_jpeg", "jpeg_quality"),
    *("has_erased", "erased_area", "erased_aspect", "erased_top", "erased_left"),
)


@dataclass(frozen=True)
class Views:
    """One view a photo. Lengths are shares of the image's side.

    Attributes:
        flip: shape (n,), whether left and right are exchanged.
        zoom: shape (n,), share of the side that is shown.
        shift_frac: shape (n, 2), how far the middle moves down and right over the photo.
        rotation_deg: shape (n,), how far the photo is turned, anticlockwise.
        gain: shape (n, 3), factor on red, green and blue.
        gamma: shape (n,), exponent of the tone curve.
        contrast: shape (n,), slope of the tone curve in its middle.
        saturation: shape (n,), factor on the distance from grey.
        blur_frac: shape (n,), standard deviation of a Gaussian; 0: sharp.
        motion_frac: shape (n, 2), length of a smear down and across, one of them 0.
        noise: shape (n,), standard deviation in levels of 255.
        noise_seed: shape (n,), int64, start of the noise.
        jpeg_quality: shape (n,), int64, 1 to 95; 0: no JPEG.
        erased_frac: shape (n, 4), top, left, height and width of a rectangle, which may reach
            beyond the image; height 0: none.
    """

    flip: NDArray[np.bool_]
    zoom: Float64s
    shift_frac: Float64s
    rotation_deg: Float64s
    gain: Float64s
    gamma: Float64s
    contrast: Float64s
    saturation: Float64s
    blur_frac: Float64s
    motion_frac: Float64s
    noise: Float64s
    noise_seed: NDArray[np.int64]
    jpeg_quality: NDArray[np.int64]
    erased_frac: Float64s

    def __len__(self) -> int:
        return len(self.flip)

    @property
    def unchanged(self) -> bool:
        """Whether each of them shows its photo as it is."""
        plain = unchanged_views(len(self))
        names = (field.name for field in fields(self))
        return all(np.array_equal(getattr(self, name), getattr(plain, name)) for name in names)

    def affines(self, size_px: int) -> Float64s:
        """Where each view's points lie in its photo, for images of one size.

        Returns:
            Shape (n, 6), rows (a, b, c, d, e, f): the view's point (x, y) shows the photo's
            (a x + b y + c, d x + e y + f), in pixels from the image's upper left corner; the
            middle of its first pixel is (0.5, 0.5). This is Pillow's `AFFINE`.
        """
        turn = np.deg2rad(self.rotation_deg)
        along, aside = self.zoom * np.cos(turn), self.zoom * np.sin(turn)
        mirror = np.where(self.flip, -1.0, 1.0)
        a, b, d, e = along * mirror, -aside, aside * mirror, along
        # The view's middle shows the photo's middle, shifted.
        middle = size_px / 2
        down, right = (self.shift_frac * size_px).T
        c = middle + right - (a + b) * middle
        f = middle + down - (d + e) * middle
        return np.stack([a, b, c, d, e, f], axis=1)


def unchanged_views(n: int) -> Views:
    """The views of n photos that show each as it is."""
    return Views(
        flip=np.zeros(n, np.bool_),
        zoom=np.ones(n),
        shift_frac=np.zeros((n, 2)),
        rotation_deg=np.zeros(n),
        gain=np.ones((n, 3)),
        gamma=np.ones(n),
        contrast=np.ones(n),
        saturation=np.ones(n),
        blur_frac=np.zeros(n),
        motion_frac=np.zeros((n, 2)),
        noise=np.zeros(n),
        noise_seed=np.zeros(n, np.int64),
        jpeg_quality=np.zeros(n, np.int64),
        erased_frac=np.zeros((n, 4)),
    )


def draw_views(
    seed: int,
    epoch: int,
    photo_indices: Sequence[int] | NDArray[np.int64],
    *,
    level: str,
    flip: bool = True,
) -> Views:
    """Draws one view for each photo.

    Args:
        seed: the run's seed, at least 0.
        epoch: number of the pass, at least 0.
        photo_indices: row numbers of the photos in their split, shape (n,).
        level: one of `LEVELS`: how far views differ from their photos.
        flip: whether half of the views are mirrored; all else is drawn alike either way.

    Raises:
        ValueError: the level is none of them, or a number is below 0.
    """
    if level not in RANGES:
        raise ValueError(f"level must be one of {', '.join(LEVELS)}; got {level}")
    if level == "none":
        return unchanged_views(len(photo_indices))
    rows = [_numbers(seed, epoch, int(index)) for index in photo_indices]
    table = np.array(rows).reshape(-1, len(_NUMBERS))
    return _views(dict(zip(_NUMBERS, table.T, strict=True)), RANGES[level], flip=flip)


def _numbers(seed: int, epoch: int, index: int) -> Float64s:
    return np.random.default_rng((seed, epoch, index, _STREAM)).random(len(_NUMBERS))


def _views(drawn: dict[str, Float64s], ranges: ViewRanges, *, flip: bool) -> Views:
    """The views that numbers in [0, 1) stand for, each of shape (n,)."""
    shift, rotation = ranges.max_shift_frac, ranges.max_rotation_deg
    shifts = np.stack([drawn["shift_down"], drawn["shift_right"]], axis=1)
    channels = np.stack([drawn["red"], drawn["green"], drawn["blue"]], axis=1)
    gain = _within(ranges.gain, drawn["gain"])[:, None]
    blurred = drawn["blur_kind"] < ranges.blurred_frac
    noisy = drawn["has_noise"] < ranges.noisy_frac
    return Views(
        flip=(drawn["flip"] < 0.5) & flip,
        zoom=_within(ranges.zoom, drawn["zoom"]),
        shift_frac=_within((-shift, shift), shifts),
        rotation_deg=_within((-rotation, rotation), drawn["rotation"]),
        gain=gain * _within(ranges.channel_gain, channels),
        gamma=_within(ranges.gamma, drawn["gamma"]),
        contrast=_within(ranges.contrast, drawn["contrast"]),
        saturation=_within(ranges.saturation, drawn["saturation"]),
        blur_frac=blurred * _within(BLUR_RANGE, drawn["blur"]),
        motion_frac=_motion(drawn, ranges),
        noise=noisy * _within(NOISE_RANGE, drawn["noise"]),
        noise_seed=(drawn["noise_seed"] * 2**53).astype(np.int64),
        jpeg_quality=_jpeg_quality(drawn, ranges),
        erased_frac=_erased(drawn, ranges),
    )


def _motion(drawn: dict[str, Float64s], ranges: ViewRanges) -> Float64s:
    """Of the views that are not out of focus; half of them down, half across."""
    kind = drawn["blur_kind"] - ranges.blurred_frac
    length = ((kind >= 0) & (kind < ranges.shaken_frac)) * _within(MOTION_RANGE, drawn["blur"])
    down = drawn["motion_direction"] < 0.5
    return np.stack([length * down, length * ~down], axis=1)


def _jpeg_quality(drawn: dict[str, Float64s], ranges: ViewRanges) -> NDArray[np.int64]:
    lowest, highest = JPEG_QUALITY_RANGE
    quality = np.floor(_within((lowest, highest + 1), drawn["jpeg_quality"])).astype(np.int64)
    return (drawn["has_jpeg"] < ranges.compressed_frac) * quality


def _erased(drawn: dict[str, Float64s], ranges: ViewRanges) -> Float64s:
    """A rectangle whose middle lies anywhere in the image."""
    # Even in the logarithm: twice as wide as high is as likely as twice as high as wide.
    lowest, highest = np.log(ERASED_ASPECT_RANGE)
    aspect = np.exp(_within((lowest, highest), drawn["erased_aspect"]))
    area = _within(ERASED_AREA_RANGE, drawn["erased_area"])
    height, width = np.sqrt(area / aspect), np.sqrt(area * aspect)
    top, left = drawn["erased_top"] - height / 2, drawn["erased_left"] - width / 2
    erased = drawn["has_erased"] < ranges.erased_frac
    return np.stack([top, left, height, width], axis=1) * erased[:, None]


def _within(bounds: Range, draws: Float64s) -> Float64s:
    low, high = bounds
    return low + (high - low) * draws
