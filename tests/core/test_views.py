"""Views: what is drawn, and where a view's point comes from."""

from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest

from edgedistill.core.view_ranges import (
    BLUR_RANGE,
    ERASED_AREA_RANGE,
    ERASED_ASPECT_RANGE,
    MOTION_RANGE,
    NOISE_RANGE,
    RANGES,
    Range,
    ViewRanges,
)
from edgedistill.core.views import LEVELS, Views, draw_views, unchanged_views

VARYING = [level for level in LEVELS if level != "none"]
N_DRAWN = 4000


def _rows(views: Views, rows: list[int]) -> dict[str, list]:
    return {field.name: getattr(views, field.name)[rows].tolist() for field in fields(views)}


def _source(view: Views, size_px: int, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = view.affines(size_px)[0]
    return float(a * x + b * y + c), float(d * x + e * y + f)


def _one(**values: object) -> Views:
    """The unchanged view of one photo, but for these."""
    return replace(unchanged_views(1), **{k: np.array([v]) for k, v in values.items()})


@pytest.mark.parametrize("level", VARYING)
def test_a_view_depends_on_seed_epoch_and_photo_alone(level: str) -> None:
    together = draw_views(7, 3, [10, 11, 12], level=level)
    apart = draw_views(7, 3, np.array([12, 10]), level=level)
    assert _rows(together, [2, 0]) == _rows(apart, [0, 1])


def test_another_seed_epoch_or_photo_gives_another_view() -> None:
    zooms = {
        float(draw_views(seed, epoch, [photo], level="standard").zoom[0])
        for seed, epoch, photo in [(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2), (1, 0, 1), (1, 1, 0)]
    }
    assert len(zooms) == 6


def test_a_view_is_drawn_apart_from_the_order_of_the_epoch() -> None:
    # Numbers drawn from (seed, epoch) are those of (seed, epoch, 0), as zeros are filled up.
    first_of_order = np.random.default_rng((5, 2)).random()
    low, high = RANGES["standard"].zoom
    zoom = draw_views(5, 2, [0], level="standard").zoom[0]
    drawn = np.random.default_rng((5, 2)).random(30)
    assert first_of_order == np.random.default_rng((5, 2, 0)).random()
    assert not np.isclose((zoom - low) / (high - low), drawn).any()


def test_an_unknown_level_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match="one of none, light, standard, phone; got strong"):
        draw_views(0, 0, [0], level="strong")


@pytest.mark.parametrize("level", LEVELS)
def test_no_photos_have_no_views(level: str) -> None:
    views = draw_views(0, 0, [], level=level)
    assert len(views) == 0
    assert views.shift_frac.shape == (0, 2)


def test_without_augmentation_no_view_differs_from_its_photo() -> None:
    views = draw_views(3, 1, range(50), level="none")
    assert len(views) == 50
    assert views.unchanged
    for values in (views.flip, views.shift_frac, views.rotation_deg, views.noise):
        assert not values.any()
    for values in (views.zoom, views.gain, views.gamma, views.contrast, views.saturation):
        assert (values == 1).all()


@pytest.mark.parametrize("level", VARYING)
def test_a_drawn_view_differs_from_its_photo(level: str) -> None:
    assert not draw_views(3, 1, [4], level=level).unchanged


@pytest.mark.parametrize("level", VARYING)
def test_without_flips_all_else_is_drawn_alike(level: str) -> None:
    plain = draw_views(3, 1, range(50), level=level, flip=False)
    flipped = draw_views(3, 1, range(50), level=level)
    assert flipped.flip.any()
    assert not plain.flip.any()
    rows = list(range(50))
    assert _rows(plain, rows) == _rows(replace(flipped, flip=plain.flip), rows)


def test_a_level_changes_how_far_a_view_goes_and_not_where() -> None:
    views = {level: draw_views(3, 1, range(50), level=level) for level in VARYING}
    for name in ("flip", "zoom", "shift_frac", "rotation_deg", "erased_frac"):
        np.testing.assert_array_equal(
            getattr(views["standard"], name), getattr(views["phone"], name)
        )
    np.testing.assert_array_equal(views["light"].flip, views["standard"].flip)
    # 0.03 sides against 0.06.
    np.testing.assert_allclose(views["light"].shift_frac * 2, views["standard"].shift_frac)


def _assert_fills(values: np.ndarray, bounds: Range) -> None:
    low, high = bounds
    assert values.min() >= low
    assert values.max() <= high
    if low < high:
        # The chance that 500 even draws all miss 4 % of the range at one end: 0.96**500 = 1e-9.
        assert values.min() < low + 0.04 * (high - low)
        assert values.max() > high - 0.04 * (high - low)


@pytest.mark.parametrize("level", VARYING)
def test_draws_fill_the_ranges_of_their_level(level: str) -> None:
    views, ranges = draw_views(0, 0, np.arange(N_DRAWN), level=level), RANGES[level]
    _assert_fills(views.zoom, ranges.zoom)
    for column in views.shift_frac.T:
        _assert_fills(column, (-ranges.max_shift_frac, ranges.max_shift_frac))
    _assert_fills(views.rotation_deg, (-ranges.max_rotation_deg, ranges.max_rotation_deg))
    for values, bounds in (
        (views.gamma, ranges.gamma),
        (views.contrast, ranges.contrast),
        (views.saturation, ranges.saturation),
    ):
        _assert_fills(values, bounds)
    # Gain and channel gain: the product stays within that of the limits, and channels differ by
    # no more than the channel gain.
    low, high = np.array(ranges.gain) * ranges.channel_gain
    assert low <= views.gain.min() < views.gain.max() <= high
    apart = views.gain.max(axis=1) / views.gain.min(axis=1)
    least, most = ranges.channel_gain
    assert most / least * 0.95 < apart.max() <= most / least
    # Standard error below 0.22 / sqrt(4000) = 0.0035.
    assert abs(views.gain.mean() - np.mean(ranges.gain)) < 0.014


@pytest.mark.parametrize("level", VARYING)
def test_effects_come_as_often_as_their_level_says(level: str) -> None:
    views, ranges = draw_views(0, 0, np.arange(N_DRAWN), level=level), RANGES[level]
    for has, frac in (
        (views.flip, 0.5),
        (views.blur_frac > 0, ranges.blurred_frac),
        (views.motion_frac.any(axis=1), ranges.shaken_frac),
        (views.noise > 0, ranges.noisy_frac),
        (views.jpeg_quality > 0, ranges.compressed_frac),
        (views.erased_frac[:, 2] > 0, ranges.erased_frac),
    ):
        # Standard deviation at most sqrt(1/4 / 4000) = 0.008: four of them, and none where 0.
        assert abs(has.mean() - frac) <= (0.032 if frac else 0)
    assert not (views.blur_frac * views.motion_frac.any(axis=1)).any()


def test_each_level_allows_all_that_the_one_before_allows() -> None:
    for weaker, stronger in pairwise(LEVELS):
        for field in fields(ViewRanges):
            less, more = (getattr(RANGES[level], field.name) for level in (weaker, stronger))
            if isinstance(less, tuple):
                assert more[0] <= less[0] <= less[1] <= more[1]
            else:
                assert less <= more


def test_effects_are_as_strong_as_their_ranges_say() -> None:
    views = draw_views(0, 0, np.arange(N_DRAWN), level="phone")
    _assert_fills(views.blur_frac[views.blur_frac > 0], BLUR_RANGE)
    _assert_fills(views.noise[views.noise > 0], NOISE_RANGE)
    for column in views.motion_frac.T:
        _assert_fills(column[column > 0], MOTION_RANGE)
    assert not views.motion_frac.all(axis=1).any()
    # Each of the 66 qualities comes; the chance that one misses: 66 * (65/66)**2000 = 4e-12.
    assert set(views.jpeg_quality.tolist()) == {0, *range(30, 96)}
    top, left, height, width = views.erased_frac[views.erased_frac[:, 2] > 0].T
    _assert_fills(height * width, ERASED_AREA_RANGE)
    _assert_fills(np.log(width / height), (np.log(ERASED_ASPECT_RANGE[0]), np.log(2.0)))
    _assert_fills(top + height / 2, (0, 1))
    _assert_fills(left + width / 2, (0, 1))


def test_what_is_drawn_for_one_effect_says_nothing_of_another() -> None:
    views = draw_views(0, 0, np.arange(N_DRAWN), level="phone")
    columns = [
        *(views.flip, views.zoom, *views.shift_frac.T, views.rotation_deg, *views.gain.T),
        *(views.gamma, views.contrast, views.saturation, views.noise_seed),
        *(
            views.blur_frac > 0,
            views.noise > 0,
            views.jpeg_quality > 0,
            views.erased_frac[:, 2] > 0,
        ),
    ]
    correlation = np.array(np.corrcoef(np.array(columns, np.float64)))
    np.fill_diagonal(correlation, 0)
    correlation[5:8, 5:8] = 0  # red, green and blue share the exposure
    # Standard deviation 1 / sqrt(4000) = 0.016; 5 of them for some 120 pairs.
    assert np.abs(correlation).max() < 0.08


def test_a_plain_view_shows_each_point_where_it_is() -> None:
    assert _source(_one(), 240, 17.5, 101.5) == (17.5, 101.5)


def test_a_flipped_view_shows_the_mirror_point() -> None:
    # Of 10 columns, 0 shows 9 and 3 shows 6; their middles lie half a pixel further.
    assert _source(_one(flip=True), 10, 0.5, 4.5) == (9.5, 4.5)
    assert _source(_one(flip=True), 10, 3.5, 4.5) == (6.5, 4.5)


def test_zoom_shows_the_middle_part() -> None:
    # Half of 8 pixels around the middle, 4: from 2 to 6.
    assert _source(_one(zoom=0.5), 8, 0, 8) == (2, 6)


def test_shift_is_a_share_of_the_side_at_any_size() -> None:
    assert _source(_one(shift_frac=[0.25, 0.0]), 8, 0, 0) == (0, 2)
    assert _source(_one(shift_frac=[0.0, 0.25]), 16, 0, 0) == (4, 0)


def test_rotation_turns_the_photo_anticlockwise_about_the_middle() -> None:
    # By a quarter: what lies right of the middle (4, 4) comes to lie above it.
    x, y = _source(_one(rotation_deg=90.0), 8, 4, 1)
    assert (x, y) == pytest.approx((7, 4))
    # By 30 degrees, two to the right shows (2 cos 30, 2 sin 30) further: right and down.
    x, y = _source(_one(rotation_deg=30.0), 8, 6, 4)
    assert (x, y) == pytest.approx((4 + 3**0.5, 5))


def test_a_view_is_mirrored_after_it_was_zoomed_shifted_and_turned() -> None:
    held = {"zoom": 0.8, "shift_frac": [0.05, -0.02], "rotation_deg": 7.0}
    for x, y in ((0, 0), (3, 9), (10, 4)):
        mirrored = _source(_one(flip=True, **held), 10, 10 - x, y)
        assert mirrored == pytest.approx(_source(_one(**held), 10, x, y))
