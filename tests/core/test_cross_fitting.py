"""Heads for judging labels: held against scikit-learn's own, and blind to what they judge."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict

from edgedistill.core.cross_fitting import N_FOLDS, CrossFittedHeads, cross_fit, group_folds

N_CLASSES = 3


def clouds(n: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Photos' features: an own cloud for each class, which overlap."""
    draw = np.random.default_rng(0)
    labels = np.arange(n) % N_CLASSES
    features = np.eye(N_CLASSES, 6)[labels] + draw.normal(0, 0.6, (n, 6))
    return features.astype(np.float32), labels


def fitted(
    features: NDArray[np.float32], labels: NDArray[np.int64], folds: NDArray[np.int64]
) -> CrossFittedHeads:
    weights = np.ones(len(labels), np.float32)
    return cross_fit(features, labels, weights, N_CLASSES, folds, inverse_penalty=0.3)


def test_classes_are_spread_evenly_and_no_group_is_divided():
    # 23 lone photos of each class, 10 groups of three of one class, and one of all classes.
    labels = np.array([0, 1, 2] * 23 + [c for c in (0, 1) for _ in range(15)] + [0, 1, 2])
    groups = [""] * 69 + [f"burst {n // 3}" for n in range(30)] + ["mixed"] * 3
    folds = group_folds(groups, labels, seed=1)
    for name in {*groups} - {""}:
        assert len({f for f, group in zip(folds, groups, strict=True) if group == name}) == 1
    for label in range(N_CLASSES):
        counts = np.bincount(folds[labels == label], minlength=N_FOLDS)
        assert np.ptp(counts) <= 1
    assert not np.array_equal(folds, group_folds(groups, labels, seed=2))


def test_a_head_for_each_fold_is_what_scikit_learn_gives_by_cross_validation():
    features, labels = clouds(150)
    folds = group_folds([""] * 150, labels, seed=0)
    found = fitted(features, labels, folds).probabilities(features, folds)
    expected = cross_val_predict(
        LogisticRegression(C=0.3, tol=1e-6), features, labels, cv=PredefinedSplit(folds),
        method="predict_proba",
    )  # fmt: skip
    np.testing.assert_allclose(found, expected, atol=5e-3)  # both end near the optimum


def test_labels_of_a_fold_have_no_say_in_what_is_said_of_it():
    features, labels = clouds(150)
    folds = group_folds([""] * 150, labels, seed=0)
    before = fitted(features, labels, folds).probabilities(features, folds)
    own = folds == 2
    wrong = np.where(own, (labels + 1) % N_CLASSES, labels)
    after = fitted(features, wrong, folds).probabilities(features, folds)
    np.testing.assert_array_equal(after[own], before[own])
    assert np.abs(after[~own] - before[~own]).max() > 0.1


@pytest.mark.parametrize("n_photos", [1, 3])
def test_where_the_other_folds_show_one_class_alone_all_are_equally_probable(n_photos: int):
    # Of (0, 0, 1) two folds hold a 0 each, so that the third's head sees zeros alone.
    labels = np.array([0, 0, 1])[-n_photos:]
    features = np.eye(3, 6, dtype=np.float32)[-n_photos:]
    folds = np.arange(n_photos)
    found = fitted(features, labels, folds).probabilities(features, folds)
    np.testing.assert_allclose(found[-1], 1 / N_CLASSES)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
