"""Batches: every photo once a pass, and one view at every size."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgedistill.core.augment import show_views
from edgedistill.core.mixup import blend, draw_partners
from edgedistill.core.views import draw_views
from tests.tf.tiny import colour_photos, packed

pytestmark = pytest.mark.slow


def _photos(folder: Path, n_photos: int, *, taught: bool = False, **how: Any) -> Any:
    """Photos whose labels are their numbers, of as many classes."""
    from edgedistill.tf.batches import Augmentation, TrainingPhotos

    images, _ = colour_photos(n_photos, seed=0)
    large = images.repeat(2, axis=1).repeat(2, axis=2)
    return TrainingPhotos(
        packed(folder / "pixels", images),
        (packed(folder / "large", large),) if taught else (),
        np.arange(n_photos),
        np.ones(n_photos, np.float32),
        augmentation=Augmentation(**how),
    )


def test_a_pass_shows_every_photo_once_in_an_order_of_its_own(tmp_path: Path) -> None:
    from edgedistill.tf.batches import EpochBatches

    photos = _photos(tmp_path, 21)
    passes = [
        [batch.rows.tolist() for batch in EpochBatches(photos, 8, seed=5, epoch=epoch)]
        for epoch in (1, 2)
    ]
    for batches in passes:
        assert sorted(itertools.chain.from_iterable(batches)) == list(range(21))
        # 21 photos in at most 8: three batches of 7, none of a single photo.
        assert [len(batch) for batch in batches] == [7, 7, 7]
    assert passes[0] != passes[1]


def test_a_pass_that_goes_on_gives_the_batches_that_are_left(tmp_path: Path) -> None:
    from edgedistill.tf.batches import EpochBatches

    photos = _photos(tmp_path, 21, level="standard")
    whole = list(EpochBatches(photos, 4, seed=5, epoch=1))
    rest = list(EpochBatches(photos, 4, seed=5, epoch=1, first=4))
    assert [batch.rows.tolist() for batch in rest] == [batch.rows.tolist() for batch in whole[4:]]
    for one, other in zip(rest, whole[4:], strict=True):
        np.testing.assert_array_equal(one.images, other.images)
    assert list(EpochBatches(photos, 4, seed=5, epoch=1, first=len(whole))) == []


def test_batches_without_augmentation_hold_their_photos_and_labels(tmp_path: Path) -> None:
    from edgedistill.tf.batches import EpochBatches

    images, _ = colour_photos(10, seed=0)
    for batch in EpochBatches(_photos(tmp_path, 10), 4, seed=5, epoch=1):
        np.testing.assert_array_equal(batch.images, images[batch.rows])
        np.testing.assert_array_equal(batch.targets.argmax(axis=1), batch.rows)
        np.testing.assert_array_equal(batch.targets.sum(axis=1), 1)


@pytest.mark.parametrize("mixup", [0.0, 0.4])
def test_no_number_of_workers_changes_a_byte(tmp_path: Path, mixup: float) -> None:
    from edgedistill.tf.batches import EpochBatches

    photos = _photos(tmp_path, 23, taught=True, level="phone", mixup=mixup)
    one, four = (
        list(EpochBatches(photos, 4, seed=5, epoch=3, workers=workers)) for workers in (1, 4)
    )
    for first, second in zip(one, four, strict=True):
        for name in ("rows", "images", "targets", "photo_weights"):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
        np.testing.assert_array_equal(first.taught[0], second.taught[0])


def test_teachers_get_the_same_views_at_their_size(tmp_path: Path) -> None:
    from edgedistill.tf.batches import EpochBatches

    photos = _photos(tmp_path, 6, taught=True, level="standard")
    for batch in EpochBatches(photos, 4, seed=5, epoch=2):
        views = draw_views(5, 2, batch.rows, level="standard")
        for shown, pixels in ((batch.images, photos.pixels), (batch.taught[0], photos.taught[0])):
            np.testing.assert_array_equal(shown, show_views(pixels.take(batch.rows), views))


def test_a_fixed_number_of_views_is_shown_in_turn(tmp_path: Path) -> None:
    from edgedistill.tf.batches import EpochBatches

    photos = replace(_photos(tmp_path, 6, level="standard"), n_views=2)
    assert [photos.view_number(epoch) for epoch in (1, 2, 3, 4, 5)] == [1, 2, 1, 2, 1]
    shown = {}
    for epoch in (1, 2, 3):
        batches = EpochBatches(photos, 6, seed=5, epoch=epoch)
        shown[epoch] = {int(r): i for b in batches for r, i in zip(b.rows, b.images, strict=True)}
    assert all(np.array_equal(shown[1][row], shown[3][row]) for row in range(6))
    assert not all(np.array_equal(shown[1][row], shown[2][row]) for row in range(6))


def test_examples_are_the_views_that_the_first_epochs_show(tmp_path: Path) -> None:
    from edgedistill.tf.batches import EpochBatches, example_views

    photos = _photos(tmp_path, 6, level="standard", mixup=0.0)
    originals, views = example_views(photos, seed=5, n_photos=4, n_views=3)
    assert (len(originals), views.shape[:2]) == (4, (4, 3))
    everything = photos.pixels.take(np.arange(6))
    for original, row in zip(originals, views, strict=True):
        (photo,) = np.flatnonzero((everything == original).all(axis=(1, 2, 3)))
        for epoch, view in enumerate(row, start=1):
            (batch,) = EpochBatches(photos, 6, seed=5, epoch=epoch)
            np.testing.assert_array_equal(view, batch.images[batch.rows.tolist().index(photo)])


@pytest.mark.parametrize(("n_views", "shown"), [(0, 7), (2, 2), (9, 7)])
def test_examples_show_each_of_few_views_once(tmp_path: Path, n_views: int, shown: int) -> None:
    from edgedistill.tf.batches import example_views

    photos = replace(_photos(tmp_path, 3, level="standard"), n_views=n_views)
    _, views = example_views(photos, seed=5)
    assert views.shape[:2] == (3, shown)
    assert len(np.unique(views[0], axis=0)) == shown


def test_each_label_of_a_mixed_photo_counts_by_its_share_and_its_own_weight(
    tmp_path: Path,
) -> None:
    from edgedistill.tf.batches import EpochBatches

    photos = _photos(tmp_path, 8, mixup=1.0)
    photos = replace(photos, class_weights=np.arange(1, 9, dtype=np.float32))
    for batch in EpochBatches(photos, 4, seed=5, epoch=1):
        partners = draw_partners(5, 1, batch.rows, alpha=1.0, n_photos=8)
        own, other = (photos.pixels.take(rows) for rows in (batch.rows, partners.indices))
        np.testing.assert_array_equal(batch.images, blend(own, other, partners.share))
        for place, (row, partner) in enumerate(zip(batch.rows, partners.indices, strict=True)):
            # The loss is share * w[own] * CE(own) + (1 - share) * w[other] * CE(other); class n
            # weighs n + 1.
            share = partners.share[place]
            factor_of_ce = np.zeros(8)
            factor_of_ce[row] += share * (row + 1)
            factor_of_ce[partner] += (1 - share) * (partner + 1)
            weighted = batch.photo_weights[place] * batch.targets[place]
            np.testing.assert_allclose(weighted, factor_of_ce, rtol=1e-5, atol=1e-6)
            assert batch.targets[place].sum() == pytest.approx(1, rel=1e-6)


def test_smoothing_spreads_its_share_over_all_classes_and_leaves_the_weight(tmp_path: Path) -> None:
    from edgedistill.tf.batches import EpochBatches

    photos = replace(
        _photos(tmp_path, 4),
        label_smoothing=0.2,
        class_weights=np.array([1, 2, 3, 4], np.float32),
    )
    (batch,) = EpochBatches(photos, 4, seed=5, epoch=1)
    # Of four classes each gets 0.2 / 4; the photo's own keeps 0.8 besides.
    expected = np.full((4, 4), 0.05) + 0.8 * np.eye(4)[batch.rows]
    np.testing.assert_allclose(batch.targets, expected, atol=1e-6)
    np.testing.assert_array_equal(batch.photo_weights, batch.rows + 1)


def test_a_reader_that_leaves_early_leaves_no_thread_behind(tmp_path: Path) -> None:
    import threading

    from edgedistill.tf.batches import EpochBatches

    before = threading.active_count()
    batches = iter(EpochBatches(_photos(tmp_path, 21), 2, seed=5, epoch=1, workers=3))
    next(batches)
    assert threading.active_count() > before
    batches.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_class_weights_and_augmentation_come_from_the_settings(tmp_path: Path) -> None:
    from types import SimpleNamespace

    from edgedistill.tf.batches import training_photos

    settings = SimpleNamespace(
        use_class_weights=True, label_smoothing=0.1, augment="phone", augment_flip=False, mixup=0.3
    )
    labels = np.array([0, 0, 0, 1])
    dataset = SimpleNamespace(label_names=["a", "b"], label_indices=labels)
    images, _ = colour_photos(4, seed=0)
    pixels = packed(tmp_path / "p", images)
    photos = training_photos(dataset, pixels, settings)  # type: ignore[arg-type]
    # Each class counts alike: 4 photos / (2 classes * photos of the class).
    np.testing.assert_allclose(photos.class_weights, [4 / 6, 4 / 2])
    how = photos.augmentation
    assert (how.level, how.flip, how.mixup, photos.label_smoothing) == ("phone", False, 0.3, 0.1)
    settings.use_class_weights = False
    plain = training_photos(dataset, pixels, settings)  # type: ignore[arg-type]
    np.testing.assert_array_equal(plain.class_weights, [1, 1])
