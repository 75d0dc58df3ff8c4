"""How teachers get to a training: asked in each step, or once for a few views."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgedistill.checkpoints import Checkpoints
from edgedistill.core.augment import show_views
from edgedistill.core.views import draw_views
from tests.tf.tiny import N_CLASSES, SIZE_PX, colour_photos, packed, tiny_network

pytestmark = pytest.mark.slow

SEED = 5


def _taught(folder: Path, *, level: str = "standard", **wishes: Any) -> tuple[Any, Any, Any, Any]:
    from edgedistill.tf.batches import Augmentation, TrainingPhotos
    from edgedistill.tf.runtime import seed_everything
    from edgedistill.tf.teachers import Teachers
    from edgedistill.tf.teaching import taught_by

    seed_everything(1)
    teachers = Teachers((tiny_network(), tiny_network(2 * SIZE_PX)))
    images, labels = colour_photos(10, seed=0)
    sizes = {
        SIZE_PX: packed(folder / "own", images),
        2 * SIZE_PX: packed(folder / "large", images.repeat(2, axis=1).repeat(2, axis=2)),
    }
    dataset: Any = SimpleNamespace(pixels_at=sizes.__getitem__)
    photos = TrainingPhotos(
        sizes[SIZE_PX], (), labels, np.ones(N_CLASSES, np.float32), 0.0, Augmentation(level)
    )
    kept = wishes.pop("kept", None)
    settings = SimpleNamespace(
        **{"distill_alpha": 0.5, "distill_temperature": 4.0, "teacher_views": 0, **wishes}
    )
    photos, distillation = taught_by(
        teachers, dataset, photos, settings, epochs=3, seed=SEED, kept_answers=kept
    )
    return teachers, photos, distillation, sizes


def test_by_default_the_teachers_pixels_come_along_and_no_answer_is_kept(tmp_path: Path) -> None:
    _, photos, distillation, sizes = _taught(tmp_path)
    assert photos.taught == (sizes[SIZE_PX], sizes[2 * SIZE_PX])
    assert (photos.n_views, distillation.answers) == (0, None)
    assert (distillation.alpha, distillation.temperature) == (0.5, 4.0)


def test_wished_views_are_answered_once_as_the_training_will_show_them(tmp_path: Path) -> None:
    teachers, photos, distillation, sizes = _taught(tmp_path, teacher_views=2)
    assert (photos.taught, photos.n_views) == ((), 2)
    rows = np.arange(10)
    for view in (1, 2):
        views = draw_views(SEED, view, rows, level="standard")
        shown = [show_views(sizes[size].take(rows), views) for size in teachers.sizes_px]
        expected = teachers.softened(shown, 4.0).numpy()
        np.testing.assert_allclose(distillation.answers[view - 1], expected, atol=1e-5)


def test_more_views_than_epochs_are_not_answered(tmp_path: Path) -> None:
    _, photos, distillation, _ = _taught(tmp_path, teacher_views=7)
    assert len(distillation.answers) == photos.n_views == 3


def test_photos_that_never_vary_are_answered_once(tmp_path: Path) -> None:
    teachers, photos, distillation, sizes = _taught(tmp_path, level="none")
    assert photos.n_views == 1
    plain = [sizes[size].take(np.arange(10)) for size in teachers.sizes_px]
    np.testing.assert_allclose(
        distillation.answers[0], teachers.softened(plain, 4.0).numpy(), atol=1e-5
    )


def test_a_distillation_that_counts_for_nothing_asks_nobody(tmp_path: Path) -> None:
    _, photos, distillation, _ = _taught(tmp_path, distill_alpha=1.0)
    assert distillation is None
    assert photos.taught == ()


def test_answers_are_kept_for_a_training_that_begins_again(tmp_path: Path) -> None:
    place = str(tmp_path / "answers")
    _, _, first, _ = _taught(tmp_path / "1", teacher_views=2, kept=Checkpoints(place, {"a": 1}))
    # What lies there is what is used: told apart by a number that no teacher gives.
    kept = Checkpoints(place, {"a": 1}).latest()
    assert kept is not None
    np.testing.assert_array_equal(kept.arrays["answers"], first.answers)
    Checkpoints(place, {"a": 1}).save({"answers": np.full_like(first.answers, -7.0)}, {})
    _, _, again, _ = _taught(tmp_path / "2", teacher_views=2, kept=Checkpoints(place, {"a": 1}))
    assert (again.answers == -7.0).all()


def test_views_that_were_answered_before_an_interruption_are_not_asked_about_again(
    tmp_path: Path,
) -> None:
    wishes: dict[str, Any] = {"teacher_views": 3}
    _, _, whole, _ = _taught(tmp_path / "whole", **wishes)
    place = str(tmp_path / "answers")
    # As an interruption behind the second view leaves it; told apart by a number no teacher gives.
    first_two = np.full_like(whole.answers[:2], -7.0)
    Checkpoints(place, {"a": 1}).save({"answers": first_two}, {})
    _, _, gone_on, _ = _taught(tmp_path / "on", kept=Checkpoints(place, {"a": 1}), **wishes)
    np.testing.assert_array_equal(gone_on.answers[:2], first_two)
    np.testing.assert_array_equal(gone_on.answers[2], whole.answers[2])
    kept = Checkpoints(place, {"a": 1}).latest()
    assert kept is not None
    np.testing.assert_array_equal(kept.arrays["answers"], gone_on.answers)


def test_every_view_is_kept_as_soon_as_it_is_answered(tmp_path: Path) -> None:
    place = tmp_path / "answers"
    _taught(tmp_path / "1", teacher_views=3, kept=Checkpoints(str(place), {"a": 1}))
    # Numbers rise with each state that is saved, and two are kept.
    assert sorted(p.name for p in place.iterdir()) == [
        "checkpoint-00000002.ckpt", "checkpoint-00000003.ckpt",
    ]  # fmt: skip


def test_the_digest_of_teachers_changes_with_any_of_them() -> None:
    from edgedistill.tf.runtime import seed_everything
    from edgedistill.tf.teachers import Teachers
    from edgedistill.tf.teaching import teachers_digest

    seed_everything(1)
    one, other = tiny_network(), tiny_network()
    digests = [teachers_digest(Teachers(nets)) for nets in ((one, other), (other, one), (one,))]
    assert len(set(digests)) == 3
    assert teachers_digest(Teachers((one, other))) == digests[0]
    kernel, bias = other.get_layer("logits").get_weights()
    other.get_layer("logits").set_weights([kernel, bias + 1e-6])
    assert teachers_digest(Teachers((one, other))) != digests[0]
