import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from edgedistill.core.class_weights import class_weights

LABELS = np.array([0, 0, 0, 1, 1, 2])


def test_class_weights_are_those_of_scikit_learn_and_average_to_1_over_the_photos():
    weights = class_weights(LABELS, 3)
    # 6 photos, 3 classes: 6 / (3 * 3), 6 / (3 * 2), 6 / (3 * 1).
    assert weights.tolist() == pytest.approx([2 / 3, 1, 2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    np.testing.assert_allclose(weights, expected)
    assert weights[LABELS].mean() == pytest.approx(1)


def test_a_class_without_photos_has_no_weight():
    with pytest.raises(ValueError, match="class 1 has no photo"):
        class_weights(np.array([0, 2]), 3)
