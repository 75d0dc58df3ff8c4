"""Labels judged by features: wrong ones are seen, also of photos that no head was fitted on."""

from pathlib import Path

import numpy as np
import pytest

from tests.tf.tiny import N_CLASSES, colour_photos, packed, tiny_network

pytestmark = pytest.mark.slow


def test_wrong_labels_are_contradicted_of_photos_that_heads_saw_and_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgedistill.tf import heads
    from edgedistill.tf.batches import TrainingPhotos
    from edgedistill.tf.inference import Validation
    from edgedistill.tf.label_judge import LabelJudge
    from edgedistill.tf.runtime import seed_everything

    seed_everything(1)
    monkeypatch.setattr(heads, "MAX_PHOTOS", 70)  # of 90: the rest is judged all the same
    images, colours = colour_photos(90, seed=0)
    wrong = np.arange(90) % 10 == 3
    labels = np.where(wrong, (colours + 1) % N_CLASSES, colours)
    network = tiny_network()
    photos = TrainingPhotos(
        packed(tmp_path / "train", images), (), labels, np.ones(N_CLASSES, np.float32)
    )
    judge = LabelJudge([""] * 90, seed=1)
    validation = Validation(photos.pixels, colours)
    heads.train_head(network, photos, validation, seed=1, label_judge=judge)
    assert judge.probabilities is not None
    np.testing.assert_allclose(judge.probabilities.sum(axis=1), 1, rtol=1e-5)
    seen = judge.probabilities.argmax(axis=1)
    np.testing.assert_array_equal(seen[wrong], colours[wrong])
    assert np.mean(seen == colours) > 0.95
