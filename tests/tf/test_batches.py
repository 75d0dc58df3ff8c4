"""Batches: every photo once a pass, and one view at two sizes."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from edgedistill.core.views import Views
from tests.tf.tiny import N_CLASSES, colour_photos, packed

pytestmark = pytest.mark.slow


def test_a_pass_shows_every_photo_once_in_an_order_of_its_own(tmp_path: Path) -> None:
    from edgedistill.tf.batches import TrainingPhotos, epoch_batches

    images, _ = colour_photos(21, seed=0)
    numbers = np.arange(21)  # stand for the photos
    photos = TrainingPhotos(
        packed(tmp_path / "p", images), None, numbers, np.ones(N_CLASSES, np.float32)
    )
    passes = [
        [batch[-1].tolist() for batch in epoch_batches(photos, 8, seed=5, epoch=epoch)]
        for epoch in (1, 2)
    ]
    for batches in passes:
        assert sorted(itertools.chain.from_iterable(batches)) == numbers.tolist()
        # 21 photos in at most 8: three batches of 7, none of a single photo.
        assert [len(batch) for batch in batches] == [7, 7, 7]
    assert passes[0] != passes[1]


def test_the_pixels_of_a_batch_are_those_of_its_photos(tmp_path: Path) -> None:
    from edgedistill.tf.batches import TrainingPhotos, epoch_batches

    images, _ = colour_photos(10, seed=0)
    photos = TrainingPhotos(
        packed(tmp_path / "p", images), None, np.arange(10), np.ones(N_CLASSES, np.float32)
    )
    for batch in epoch_batches(photos, 4, seed=5, epoch=1):
        np.testing.assert_array_equal(batch[0], images[batch[-1]])


def test_the_teacher_gets_the_same_photos_in_the_same_views_at_its_size(tmp_path: Path) -> None:
    from edgedistill.core.views import draw_views
    from edgedistill.tf.batches import TrainingPhotos, epoch_batches

    images, _ = colour_photos(6, seed=0)
    large = images.repeat(2, axis=1).repeat(2, axis=2)
    photos = TrainingPhotos(
        packed(tmp_path / "student", images),
        packed(tmp_path / "teacher", large),
        np.arange(6),
        np.ones(N_CLASSES, np.float32),
    )
    for batch in epoch_batches(photos, 4, seed=5, epoch=2):
        rows = batch[-1]
        np.testing.assert_array_equal(batch[2], large[rows])
        views = draw_views(5, 2, rows)
        for place, side in ((1, images.shape[1]), (3, large.shape[1])):
            np.testing.assert_array_equal(batch[place], views.transforms(side))


def test_a_flip_and_a_gain_are_what_numpy_makes_of_them() -> None:
    from edgedistill.tf.batches import show_views

    images, _ = colour_photos(1, seed=4)
    views = Views(
        flip=np.array([True]),
        zoom=np.ones(1),
        shift_frac=np.zeros((1, 2)),
        gain=np.array([[1.2, 1.0, 0.5]]),
    )
    gain = views.gain.astype(np.float32)
    shown = show_views(images, views.transforms(images.shape[1]), gain).numpy()
    expected = np.clip(images[:, :, ::-1] * views.gain, 0, 255)
    np.testing.assert_allclose(shown, expected, atol=1e-3)


def test_teacher_and_student_see_the_same_view_at_their_own_sizes() -> None:
    from edgedistill.core.views import draw_views
    from edgedistill.tf.batches import show_views

    # A smooth ramp: each pixel says where in the photo it lies, at any size.
    def ramp(size_px: int) -> np.ndarray:
        place = (np.arange(size_px) + 0.5) / size_px * 255
        image = np.stack(np.broadcast_arrays(place[:, None], place[None, :], 128.0), axis=-1)
        return np.repeat(image[None].round().astype(np.uint8), 8, axis=0)

    views = draw_views(1, 1, range(8))
    gain = np.ones((8, 3), np.float32)
    small, large = (
        show_views(ramp(size), views.transforms(size), gain).numpy()[:, size // 4 : -size // 4]
        for size in (40, 80)
    )
    halved = large.reshape(8, 20, 2, 80, 3).mean(axis=2).reshape(8, 20, 40, 2, 3).mean(axis=3)
    # Away from the black border they differ by the rounding of the ramp to whole levels.
    middle = np.s_[:, :, 10:30, :2]
    np.testing.assert_allclose(small[middle], halved[middle], atol=2.0)
