"""Views: what is drawn, and where a view's pixel comes from."""

import numpy as np

from edgedistill.core.views import (
    GAIN_RANGE,
    MAX_SHIFT_FRAC,
    ZOOM_RANGE,
    Views,
    draw_views,
)


def _one_view(*, flip: bool = False, zoom: float = 1.0, down: float = 0.0) -> Views:
    return Views(
        flip=np.array([flip]),
        zoom=np.array([zoom]),
        shift_frac=np.array([[down, 0.0]]),
        gain=np.ones((1, 3)),
    )


def _source(view: Views, size_px: int, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f, *_ = view.transforms(size_px)[0]
    return float(a * x + b * y + c), float(d * x + e * y + f)


def test_a_view_depends_on_seed_epoch_and_photo_alone() -> None:
    together = draw_views(7, 3, [10, 11, 12])
    alone = draw_views(7, 3, [12])
    assert together.flip[2] == alone.flip[0]
    assert together.zoom[2] == alone.zoom[0]
    np.testing.assert_array_equal(together.shift_frac[2], alone.shift_frac[0])
    np.testing.assert_array_equal(together.gain[2], alone.gain[0])


def test_another_seed_epoch_or_photo_gives_another_view() -> None:
    zooms = {
        float(draw_views(seed, epoch, [photo]).zoom[0])
        for seed, epoch, photo in [(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2)]
    }
    assert len(zooms) == 4


def test_draws_fill_their_ranges_and_half_of_the_views_are_flipped() -> None:
    views = draw_views(0, 0, np.arange(2000))
    # Mean of 2000 coin flips: standard deviation 0.0112, so 0.05 is more than 4 of them.
    assert abs(views.flip.mean() - 0.5) < 0.05
    for values, (low, high) in (
        (views.zoom, ZOOM_RANGE),
        (views.shift_frac, (-MAX_SHIFT_FRAC, MAX_SHIFT_FRAC)),
    ):
        assert values.min() >= low
        assert values.max() <= high
        # The chance that 2000 even draws all miss a hundredth of the range: 0.99**2000 = 2e-9.
        assert values.min() < low + 0.01 * (high - low)
        assert values.max() > high - 0.01 * (high - low)
    assert abs(views.gain.mean() - np.mean(GAIN_RANGE)) < 0.02


def test_a_plain_view_shows_each_pixel_where_it_is() -> None:
    assert _source(_one_view(), 240, 17, 101) == (17, 101)


def test_a_flipped_view_shows_the_mirror_pixel() -> None:
    # Of 10 columns, 0 shows 9 and 3 shows 6.
    assert _source(_one_view(flip=True), 10, 0, 4) == (9, 4)
    assert _source(_one_view(flip=True), 10, 3, 4) == (6, 4)


def test_zoom_shows_the_middle_part() -> None:
    # Half of 8 pixels, around the centre 3.5: view 0 -> 3.5 - 0.5 * 3.5 = 1.75, view 7 -> 5.25.
    assert _source(_one_view(zoom=0.5), 8, 0, 7) == (1.75, 5.25)


def test_shift_is_a_share_of_the_side_at_any_size() -> None:
    assert _source(_one_view(down=0.25), 8, 0, 0) == (0, 2)
    assert _source(_one_view(down=0.25), 16, 0, 0) == (0, 4)


def test_without_flips_all_else_is_drawn_alike() -> None:
    plain, flipped = draw_views(3, 1, range(50), flip=False), draw_views(3, 1, range(50))
    assert flipped.flip.any()
    assert not plain.flip.any()
    np.testing.assert_array_equal(plain.zoom, flipped.zoom)
    np.testing.assert_array_equal(plain.gain, flipped.gain)
