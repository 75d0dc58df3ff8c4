import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from edgedistill.core.class_weights import class_weights


def test_a_class_of_a_quarter_of_the_photos_has_twice_the_weight():
    # 4 photos and 1: weights in the ratio 1 to 2, of the mean (4 * 1 + 2) / 5 over the photos.
    weights = class_weights(np.array([0, 0, 0, 0, 1]), 2)
    assert weights.tolist() == pytest.approx([5 / 6, 10 / 6])


def test_weights_are_the_roots_of_those_by_which_classes_count_alike_and_average_to_1():
    labels = np.array([0, 0, 0, 1, 1, 2])
    alike = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    weights = class_weights(labels, 3)
    np.testing.assert_allclose(weights / weights[0], np.sqrt(alike / alike[0]))
    assert weights[labels].mean() == pytest.approx(1)


def test_a_class_without_photos_has_no_weight():
    with pytest.raises(ValueError, match="class 1 has no photo"):
        class_weights(np.array([0, 2]), 3)
