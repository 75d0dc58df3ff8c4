import warnings

import numpy as np
import pytest
from sklearn import metrics as sk

from edgedistill.core.metrics import (
    classification_scores,
    confusion_matrix,
    micro_average_roc,
)
from edgedistill.core.probabilities import softmax

# Class 0: 3 photos, predicted 0, 0, 1. Class 1: 2 photos, predicted 1, 0. Class 2: 1, predicted 1.
LABELS = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 1, 0, 1])


def random_case(n: int = 400, n_classes: int = 7) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(11)
    labels = random.integers(0, n_classes, n)
    logits = random.normal(size=(n, n_classes)).astype(np.float32)
    logits[np.arange(n), labels] += 1.5
    return labels, logits


def test_scores_follow_from_the_counts():
    scores = classification_scores(LABELS, PREDICTED, 3)
    assert scores.top1 == pytest.approx(3 / 6)
    # Class 0 is predicted 3 times, 2 right; class 1 3 times, 1 right; class 2 never.
    assert [c.precision for c in scores.per_class] == pytest.approx([2 / 3, 1 / 3, 0])
    assert [c.recall for c in scores.per_class] == pytest.approx([2 / 3, 1 / 2, 0])
    # F1 = 2 * right / (predicted + there): 4 / 6, 2 / 5, 0 / 1.
    assert [c.f1 for c in scores.per_class] == pytest.approx([4 / 6, 2 / 5, 0])
    assert [c.support for c in scores.per_class] == [3, 2, 1]
    assert scores.macro_precision == pytest.approx(1 / 3)
    assert scores.macro_recall == pytest.approx((2 / 3 + 1 / 2) / 3)
    assert scores.macro_f1 == pytest.approx((4 / 6 + 2 / 5) / 3)


def test_a_class_that_never_occurs_counts_as_0_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = classification_scores(np.array([0, 1]), np.array([0, 1]), 4)
    assert scores.macro_f1 == pytest.approx(2 / 4)
    assert scores.per_class[3].support == 0


def test_rows_of_the_confusion_matrix_are_the_truth():
    assert confusion_matrix(LABELS, PREDICTED, 3).tolist() == [[2, 1, 0], [1, 1, 0], [0, 1, 0]]


def test_the_roc_has_the_area_that_scikit_learn_gives():
    labels, logits = random_case()
    probabilities = softmax(logits)
    roc = micro_average_roc(labels, probabilities)
    expected = sk.roc_auc_score(np.eye(7)[labels], probabilities, average="micro")
    area = np.trapezoid(roc.true_positive_rate, roc.false_positive_rate)
    assert area == pytest.approx(expected, abs=2e-3)


def test_the_roc_has_few_points_all_finite_and_in_order():
    labels, logits = random_case(n=5000)
    roc = micro_average_roc(labels, softmax(logits))
    assert len(roc.threshold) == 200
    points = np.stack([roc.false_positive_rate, roc.true_positive_rate, -roc.threshold])
    assert np.isfinite(points).all()
    assert (np.diff(points, axis=1) >= 0).all()
    assert points[:2, 0].tolist() == [0, 0]
    assert points[:2, -1].tolist() == [1, 1]


def test_the_roc_of_perfect_predictions_keeps_its_corner():
    roc = micro_average_roc(np.array([0, 1]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    points = list(zip(roc.false_positive_rate, roc.true_positive_rate, strict=True))
    assert (0.0, 1.0) in points
    assert roc.threshold.max() == 1.0


@pytest.mark.parametrize(
    ("labels", "predicted"),
    [([0, 1], [0]), ([], []), ([0, 3], [0, 1]), ([0, 1], [0, -1]), ([[0]], [[0]])],
)
def test_indices_that_do_not_fit_are_refused(labels, predicted):
    labels, predicted = np.array(labels, int), np.array(predicted, int)
    for measure in (classification_scores, confusion_matrix):
        with pytest.raises(ValueError, match="must be"):
            measure(labels, predicted, 3)


def test_a_roc_needs_two_classes():
    with pytest.raises(ValueError, match="at least 2"):
        micro_average_roc(np.array([0]), np.array([[1.0]]))
