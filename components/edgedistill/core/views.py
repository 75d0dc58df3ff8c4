"""Random views of photos: what is drawn for each, apart from how pixels are then moved.

A view is drawn from (seed, epoch, photo) and nothing else, so it does not depend on batches, on
workers or on what was drawn before; and it is free of any image size, so that teacher and student
see the same view, each at its own size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ZOOM_RANGE = (0.75, 1.05)
"""Share of the image's side that a view shows; above 1 a black border appears."""
MAX_SHIFT_FRAC = 0.06
GAIN_RANGE = (0.8, 1.2)
CHANNEL_GAIN_RANGE = (0.95, 1.05)


@dataclass(frozen=True)
class Views:
    """One view a photo.

    Attributes:
        flip: shape (n,), whether left and right are exchanged.
        zoom: shape (n,), share of the side that is shown.
        shift_frac: shape (n, 2), how far the centre moves down and right, in sides.
        gain: shape (n, 3), factor on red, green and blue.
    """

    flip: NDArray[np.bool_]
    zoom: NDArray[np.float64]
    shift_frac: NDArray[np.float64]
    gain: NDArray[np.float64]

    def transforms(self, size_px: int) -> NDArray[np.float32]:
        """Projective transforms from a view's pixel to the photo's, for images of one size.

        Returns:
            Shape (n, 8), rows (a, b, c, d, e, f, 0, 0): the view's pixel (x, y) shows the photo's
            (a x + b y + c, d x + e y + f), in pixels whose centres are whole numbers.
        """
        centre = size_px / 2 - 0.5
        across = np.where(self.flip, -self.zoom, self.zoom)
        middle = centre + self.shift_frac * size_px
        rows = np.zeros((len(self.zoom), 8), np.float32)
        rows[:, 0] = across
        rows[:, 2] = middle[:, 1] - across * centre
        rows[:, 4] = self.zoom
        rows[:, 5] = middle[:, 0] - self.zoom * centre
        return rows


def draw_views(
    seed: int, epoch: int, photo_indices: Sequence[int] | NDArray[np.int64], *, flip: bool = True
) -> Views:
    """Draws one view for each photo.

    Args:
        seed: the run's seed, at least 0.
        epoch: number of the pass, at least 0.
        photo_indices: row numbers of the photos in their split, shape (n,).
        flip: whether half of the views are mirrored; all else is drawn alike either way.
    """
    draws = [np.random.default_rng((seed, epoch, int(index))).random(8) for index in photo_indices]
    table = np.array(draws).reshape(-1, 8)
    gain = _within(GAIN_RANGE, table[:, 4:5]) * _within(CHANNEL_GAIN_RANGE, table[:, 5:8])
    return Views(
        flip=(table[:, 0] < 0.5) & flip,
        zoom=_within(ZOOM_RANGE, table[:, 1]),
        shift_frac=_within((-MAX_SHIFT_FRAC, MAX_SHIFT_FRAC), table[:, 2:4]),
        gain=gain,
    )


def _within(bounds: tuple[float, float], draws: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = bounds
    return low + (high - low) * draws
