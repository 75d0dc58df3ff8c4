import warnings

import numpy as np
import pytest
from sklearn import metrics as sk

from edgedistill.core.metrics import (
    classification_scores,
    confused_pairs,
    confusion_matrix,
    correctness_roc,
    shown_confusion,
)

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


@pytest.mark.parametrize(
    ("labels", "predicted"),
    [([0, 1], [0]), ([], []), ([0, 3], [0, 1]), ([0, 1], [0, -1]), ([[0]], [[0]])],
)
def test_indices_that_do_not_fit_are_refused(labels, predicted):
    labels, predicted = np.array(labels, int), np.array(predicted, int)
    for measure in (classification_scores, confusion_matrix):
        with pytest.raises(ValueError, match="must be"):
            measure(labels, predicted, 3)


def rates(roc):
    return list(zip(roc.false_positive_rate.tolist(), roc.true_positive_rate.tolist(), strict=True))


def test_the_roc_of_right_against_wrong_counts_what_each_threshold_lets_through():
    # From the surest on: right, wrong, right, wrong; two of each.
    confidence = np.array([0.4, 0.9, 0.8, 0.6])
    roc = correctness_roc(confidence, np.array([False, True, False, True]))
    assert rates(roc) == [(0, 0), (0, 0.5), (0.5, 0.5), (0.5, 1), (1, 1)]
    assert roc.threshold.tolist() == [1, 0.9, 0.8, 0.6, 0.4]


def test_the_roc_of_many_photos_has_200_finite_points_and_its_area():
    random = np.random.default_rng(5)
    confidence = random.random(5000)
    correct = random.random(5000) < confidence
    roc = correctness_roc(confidence, correct)
    assert len(roc.threshold) == 200
    assert np.isfinite(roc.threshold).all()
    assert (rates(roc)[0], rates(roc)[-1]) == ((0, 0), (1, 1))
    area = np.trapezoid(roc.true_positive_rate, roc.false_positive_rate)
    assert area == pytest.approx(sk.roc_auc_score(correct, confidence), abs=2e-3)


def test_without_a_wrong_answer_the_roc_goes_up_and_without_a_right_one_across():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        right = correctness_roc(np.array([0.7, 0.9]), np.array([True, True]))
        wrong = correctness_roc(np.array([0.7, 0.9]), np.array([False, False]))
    assert rates(right) == [(0, 0), (0, 1), (1, 1)]
    assert rates(wrong) == [(0, 0), (1, 0), (1, 1)]
    assert right.threshold.tolist() == wrong.threshold.tolist() == [1, 0.7, 0]


def test_a_roc_of_no_confidence_is_refused():
    for confidence, correct in (([0.5], [True, False]), ([], []), ([1.5], [True])):
        with pytest.raises(ValueError, match=r"confidence must|shapes"):
            correctness_roc(np.array(confidence), np.array(correct, bool))


# Errors of classes a to d (row and column without the diagonal): a 1, b 1 + 5 = 6, c 0 + 0, d 5.
CONFUSION = np.array([[3, 1, 0, 0], [0, 2, 0, 2], [0, 0, 7, 0], [0, 3, 0, 4]])


def test_classes_that_fit_are_all_shown():
    labels, matrix = shown_confusion(CONFUSION, ["a", "b", "c", "d"], most=4)
    assert labels == ["a", "b", "c", "d"]
    assert (matrix == CONFUSION).all()


def test_the_most_confused_are_shown_and_the_rest_is_summed():
    labels, matrix = shown_confusion(CONFUSION, ["a", "b", "c", "d"], most=3)
    assert labels == ["b", "d", "other"]
    # Of a and c together: 3 + 7 among themselves, and 1 taken for b.
    assert matrix.tolist() == [[2, 2, 0], [3, 4, 0], [1, 0, 10]]
    assert matrix.sum() == CONFUSION.sum()


def test_a_class_that_is_called_other_is_not_mistaken_for_the_rest():
    labels, _ = shown_confusion(CONFUSION, ["a", "other", "c", "d"], most=3)
    assert labels == ["other", "d", "all other"]


def test_500_classes_become_40_without_losing_a_photo():
    labels, predicted = np.random.default_rng(0).integers(0, 500, (2, 3000))
    matrix = confusion_matrix(labels, predicted, 500)
    names, shown = shown_confusion(matrix, [f"c{k}" for k in range(500)])
    assert len(names) == len(set(names)) == 40
    assert shown.shape == (40, 40)
    assert shown.sum() == 3000
    first = int(names[0].removeprefix("c"))
    assert shown[0].sum() == (labels == first).sum()
    assert shown[:, 0].sum() == (predicted == first).sum()


def test_pairs_come_by_how_often_and_equals_by_the_matrix():
    assert confused_pairs(CONFUSION) == [(3, 1, 3), (1, 3, 2), (0, 1, 1)]
    assert confused_pairs(CONFUSION, most=1) == [(3, 1, 3)]
    assert confused_pairs(np.array([[0, 2, 2], [2, 0, 0], [0, 0, 9]])) == [
        (0, 1, 2),
        (0, 2, 2),
        (1, 0, 2),
    ]
    assert confused_pairs(np.eye(3, dtype=int)) == []


def test_matrices_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="matrix must be"):
        confused_pairs(np.zeros((2, 3), int))
    with pytest.raises(ValueError, match="matrix must be"):
        shown_confusion(np.zeros(4, int), ["a"] * 4)
    for names, most in ((["a"], 40), (["a", "b"], 1)):
        with pytest.raises(ValueError, match="label_names must be"):
            shown_confusion(np.zeros((2, 2), int), names, most=most)
