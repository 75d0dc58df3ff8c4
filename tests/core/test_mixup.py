"""Mixup: whom a photo is blended with, how much, and the blend."""

import numpy as np
import pytest
from scipy.special import beta as beta_function

from edgedistill.core.mixup import blend, draw_partners
from edgedistill.core.views import draw_views

N_DRAWN = 4000


def image(*levels: int) -> np.ndarray:
    """One image of one row and as many columns, its channels alike."""
    return np.repeat(np.array(levels, np.uint8)[None, None, :, None], 3, axis=3)


def test_a_partner_depends_on_seed_epoch_and_photo_alone() -> None:
    together = draw_partners(7, 3, [10, 11, 12], alpha=0.3, n_photos=100)
    apart = draw_partners(7, 3, np.array([12, 10]), alpha=0.3, n_photos=100)
    assert together.indices[[2, 0]].tolist() == apart.indices.tolist()
    assert together.share[[2, 0]].tolist() == apart.share.tolist()


def test_another_seed_epoch_or_photo_has_another_partner() -> None:
    shares = {
        float(draw_partners(seed, epoch, [photo], alpha=1.0, n_photos=9).share[0])
        for seed, epoch, photo in [(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2)]
    }
    assert len(shares) == 4


def test_a_partner_is_drawn_apart_from_the_view() -> None:
    partners = draw_partners(0, 0, range(N_DRAWN), alpha=1.0, n_photos=N_DRAWN)
    views = draw_views(0, 0, range(N_DRAWN), level="phone")
    for values in (partners.indices, partners.share):
        for drawn in (views.flip, views.zoom, views.shift_frac[:, 0]):
            # Standard deviation 1 / sqrt(4000) = 0.016.
            assert abs(np.corrcoef(values, drawn)[0, 1]) < 0.07


def test_every_photo_of_the_split_may_be_the_partner() -> None:
    indices = draw_partners(0, 0, range(N_DRAWN), alpha=1.0, n_photos=10).indices
    assert indices.dtype == np.int64
    # 400 each, standard deviation 19.
    counts = np.bincount(indices, minlength=10)
    assert len(counts) == 10
    assert np.abs(counts - 400).max() < 95


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_are_those_of_the_beta_distribution_folded_at_a_half(alpha: float) -> None:
    share = draw_partners(0, 0, range(N_DRAWN), alpha=alpha, n_photos=5).share
    assert share.min() >= 0.5
    assert share.max() <= 1.0
    # Beta(a, a) has variance 1 / (4 (2 a + 1)) and mean distance 1 / (4**a a B(a, a)) from 1/2;
    # folding changes neither. Both lie in [0, 1/2]: standard errors below 0.25 / sqrt(4000).
    distance = share - 0.5
    assert np.mean(distance**2) == pytest.approx(1 / (4 * (2 * alpha + 1)), abs=0.01)
    expected = 1 / (4**alpha * alpha * beta_function(alpha, alpha))
    assert distance.mean() == pytest.approx(expected, abs=0.012)


def test_a_tiny_alpha_leaves_photos_almost_alone() -> None:
    share = draw_partners(0, 0, range(500), alpha=1e-6, n_photos=5).share
    assert np.isfinite(share).all()
    assert share.min() > 0.999


@pytest.mark.parametrize(("alpha", "n_photos"), [(0.0, 5), (-1.0, 5), (float("nan"), 5), (1.0, 0)])
def test_what_cannot_be_drawn_is_refused(alpha: float, n_photos: int) -> None:
    with pytest.raises(ValueError, match="alpha must be above 0 and n_photos at least 1"):
        draw_partners(0, 0, [1], alpha=alpha, n_photos=n_photos)


def test_a_blend_is_the_weighted_mean_rounded_half_up() -> None:
    # 0.75 * 100 + 0.25 * 200 = 125; 0.75 * 1 + 0.25 * 2 = 1.25; 0.75 * 2 + 0.25 * 0 = 1.5;
    # 0.75 * 255 + 0.25 * 254 = 254.75.
    blended = blend(image(100, 1, 2, 255), image(200, 2, 0, 254), np.array([0.75]))
    np.testing.assert_array_equal(blended, image(125, 1, 2, 255))
    # Halves: 1.5 and 2.5 both go up.
    blended = blend(image(1, 2), image(2, 3), np.array([0.5]))
    np.testing.assert_array_equal(blended, image(2, 3))


def test_each_image_has_its_own_share() -> None:
    images, partners = np.concatenate([image(100), image(100)]), np.concatenate([image(0)] * 2)
    blended = blend(images, partners, np.array([1.0, 0.6]))
    assert blended[:, 0, 0, 0].tolist() == [100, 60]


def test_an_image_blended_with_itself_stays_itself() -> None:
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, 3).repeat(50, 0)
    shares = np.random.default_rng(0).random(50) / 2 + 0.5
    np.testing.assert_array_equal(blend(images, images, shares), images)


def test_a_blend_is_new_and_both_photos_stay_as_they_are() -> None:
    images, partners = image(10, 20), image(30, 40)
    images.setflags(write=False)
    partners.setflags(write=False)
    blended = blend(images, partners, np.array([1.0]))
    assert blended.dtype == np.uint8
    assert not np.shares_memory(blended, images)


@pytest.mark.parametrize(
    ("images", "partners", "n_shares"),
    [
        (image(1, 2), image(1, 2, 3), 1),
        (image(1, 2), image(1, 2), 2),
        (image(1, 2).astype(np.float32), image(1, 2), 1),
        (image(1, 2), image(1, 2).astype(np.int64), 1),
    ],
)
def test_images_that_do_not_belong_together_are_refused(
    images: np.ndarray, partners: np.ndarray, n_shares: int
) -> None:
    with pytest.raises(ValueError, match="must"):
        blend(images, partners, np.ones(n_shares))
