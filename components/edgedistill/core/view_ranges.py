"""Within which limits the views of photos vary, for each level of augmentation.

A level names how much; each limit is chosen so that the view could be a photo that somebody took.
"""

from dataclasses import dataclass
from typing import Final

Range = tuple[float, float]
_ONE: Final = (1.0, 1.0)


@dataclass(frozen=True)
class ViewRanges:
    """What a level allows; without arguments, the photo as it is.

    Attributes:
        zoom: share of the image's side that a view shows; above 1 a black border appears.
        max_shift_frac: farthest that the middle of the view moves, in sides.
        max_rotation_deg: farthest that the view turns, either way.
        gain: factor on all three channels: the exposure.
        channel_gain: further factor on each channel: the white balance.
        gamma: exponent of the tone curve; below 1 shadows are lifted.
        contrast: slope of the tone curve in its middle.
        saturation: factor on the distance from grey.
        erased_frac: share of views with an erased rectangle.
        blurred_frac: share of views out of focus.
        shaken_frac: share of views blurred by motion; none is also out of focus.
        noisy_frac: share of views with noise.
        compressed_frac: share of views that went through a JPEG.
    """

    zoom: Range = _ONE
    max_shift_frac: float = 0.0
    max_rotation_deg: float = 0.0
    gain: Range = _ONE
    channel_gain: Range = _ONE
    gamma: Range = _ONE
    contrast: Range = _ONE
    saturation: Range = _ONE
    erased_frac: float = 0.0
    blurred_frac: float = 0.0
    shaken_frac: float = 0.0
    noisy_frac: float = 0.0
    compressed_frac: float = 0.0


# What one person's second photo of the thing differs by.
_LIGHT = ViewRanges(
    zoom=(0.9, 1.02),
    max_shift_frac=0.03,
    gain=(0.9, 1.1),
    channel_gain=(0.98, 1.02),
)
# What other people's photos differ by: nearer, aslant, another lamp. Nothing is cut off for good:
# at the least zoom and the farthest shift, four fifths of the photo's middle half are in sight.
_STANDARD = ViewRanges(
    zoom=(0.75, 1.05),
    max_shift_frac=0.06,
    max_rotation_deg=10.0,  # of those who hold a phone upright hardly anyone is farther off
    gain=(0.8, 1.2),
    channel_gain=(0.95, 1.05),
    contrast=(0.8, 1.2),
    saturation=(0.7, 1.3),
    erased_frac=0.25,
)
# Where and how phones are used: dusk and sun, unsteady hands, messengers that recompress. More
# than half of the views stay sharp, as most photos are.
_PHONE = ViewRanges(
    zoom=(0.75, 1.05),
    max_shift_frac=0.06,
    max_rotation_deg=10.0,
    gain=(0.6, 1.35),
    channel_gain=(0.92, 1.08),  # lamplight that the white balance left half corrected
    gamma=(0.8, 1.25),
    contrast=(0.7, 1.3),
    saturation=(0.5, 1.4),
    erased_frac=0.25,
    blurred_frac=0.2,
    shaken_frac=0.15,
    noisy_frac=0.3,
    compressed_frac=0.5,
)

RANGES: Final = {"none": ViewRanges(), "light": _LIGHT, "standard": _STANDARD, "phone": _PHONE}

# How strong an effect is where a view has it, the same at all levels.
ERASED_AREA_RANGE: Final = (0.02, 0.08)
"""Share of the square: a finger or a thing in front, never most of the photo's subject."""
ERASED_ASPECT_RANGE: Final = (0.5, 2.0)
"""Width over height."""
BLUR_RANGE: Final = (0.002, 0.007)
"""Standard deviation in sides: at 240 px from half a pixel, just seen, to 1.7, plainly blurred."""
MOTION_RANGE: Final = (0.008, 0.025)
"""Length of the smear in sides: at 240 px from two pixels to six."""
NOISE_RANGE: Final = (2.0, 9.0)
"""Standard deviation in levels, of a small sensor by lamplight; made larger or smaller, it drops
to about two thirds."""
JPEG_QUALITY_RANGE: Final = (30, 95)
"""From a thumbnail of a messenger to a camera's own file."""
