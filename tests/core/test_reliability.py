import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from edgedistill.core.reliability import (
    brier_score,
    equal_mass_curve,
    equal_mass_error,
    expected_calibration_error,
    reliability_curve,
)


def test_ece_is_the_weighted_gap_of_each_bin():
    # Bin (0.5, 1]: mean confidence 0.8, accuracy 2/3, 3 of 4 images -> 0.1.
    # Bin [0, 0.5]: confidence 0.4, accuracy 1, 1 of 4 images        -> 0.15.
    confidence = np.array([0.7, 0.8, 0.9, 0.4])
    correct = np.array([True, False, True, True])
    assert expected_calibration_error(confidence, correct, n_bins=2) == pytest.approx(0.25)


def test_a_confidence_on_an_edge_falls_in_the_bin_below_it():
    # Bins (0, 0.2], (0.2, 0.4], ...: one each on the edges, the last bin has none but 1.0.
    confidence = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    curve = reliability_curve(confidence, np.ones(6, bool), n_bins=5)
    assert curve.count.tolist() == [2, 1, 1, 1, 1]


@pytest.mark.parametrize("n_bins", [10, 15, 49])  # 49 * (1 / 49) is below 1 in doubles
def test_every_edge_falls_in_the_bin_below_it(n_bins):
    confidence = np.array([k / n_bins for k in range(1, n_bins + 1)])
    curve = reliability_curve(confidence, np.ones(n_bins, bool), n_bins=n_bins)
    assert curve.count.tolist() == [1] * n_bins


def test_the_curve_tells_mean_confidence_accuracy_and_count():
    confidence = np.array([0.1, 0.3, 0.9])
    curve = reliability_curve(confidence, np.array([True, False, True]), n_bins=4)
    # (0, 0.25]: 0.1, right. (0.25, 0.5]: 0.3, wrong. (0.5, 0.75]: none. (0.75, 1]: 0.9, right.
    np.testing.assert_allclose(curve.mean_confidence, [0.1, 0.3, np.nan, 0.9])
    np.testing.assert_allclose(curve.accuracy, [1, 0, np.nan, 1])
    assert curve.count.tolist() == [1, 1, 0, 1]
    assert curve.edges.tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_sure_and_right_is_0_and_sure_and_wrong_is_1():
    sure = np.ones(3)
    assert expected_calibration_error(sure, np.ones(3, bool)) == 0
    assert expected_calibration_error(sure, np.zeros(3, bool)) == 1


def test_ece_equals_a_plain_loop_over_the_bins():
    random = np.random.default_rng(2)
    confidence = random.random(500).astype(np.float32)
    correct = random.random(500) < confidence
    total = 0.0
    for k in range(15):
        inside = (confidence > k / 15) & (confidence <= (k + 1) / 15)
        if inside.any():
            gap = abs(confidence[inside].astype(float).mean() - correct[inside].mean())
            total += inside.sum() / 500 * gap
    assert expected_calibration_error(confidence, correct) == pytest.approx(total)


@pytest.mark.parametrize(
    ("confidence", "correct", "n_bins"),
    [
        ([0.5], [True, False], 15),
        ([], [], 15),
        ([1.1], [True], 15),
        ([-0.1], [True], 15),
        ([np.nan], [True], 15),
        ([0.5], [True], 0),
    ],
)
def test_what_is_no_confidence_is_refused(confidence, correct, n_bins):
    for error in (expected_calibration_error, equal_mass_error):
        with pytest.raises(ValueError, match=r"shapes|\[0, 1\]|n_bins"):
            error(np.array(confidence), np.array(correct, bool), n_bins=n_bins)


def test_bins_of_equal_mass_end_at_ranks():
    # 7 photos in 3 bins end at ranks ceil(7/3) = 3, ceil(14/3) = 5 and 7.
    confidence = np.array([0.7, 0.1, 0.2, 0.4, 0.3, 0.6, 0.5])
    correct = np.array([True, False, False, True, True, False, True])
    curve = equal_mass_curve(confidence, correct, n_bins=3)
    assert curve.count.tolist() == [3, 2, 2]
    assert curve.edges.tolist() == [0, 0.3, 0.5, 1]
    np.testing.assert_allclose(curve.mean_confidence, [0.2, 0.45, 0.65])
    np.testing.assert_allclose(curve.accuracy, [1 / 3, 1, 1 / 2])
    # (3 |0.2 - 1/3| + 2 |0.45 - 1| + 2 |0.65 - 0.5|) / 7 = (0.4 + 1.1 + 0.3) / 7.
    assert equal_mass_error(confidence, correct, n_bins=3) == pytest.approx(1.8 / 7)


def test_equal_confidences_stay_in_one_bin_whatever_their_order():
    # Ranks 2, 4, 6 and 8 of 8 lie at 0.5, 0.9, 0.9, 0.9: two bins.
    confidence = np.array([0.9, 0.5, 0.9, 0.9, 0.4, 0.9, 0.9, 0.9])
    correct = np.array([True, True, False, True, False, True, True, True])
    curve = equal_mass_curve(confidence, correct, n_bins=4)
    assert curve.count.tolist() == [2, 6]
    assert curve.edges.tolist() == [0, 0.5, 1]
    order = np.random.default_rng(0).permutation(8)
    again = equal_mass_curve(confidence[order], correct[order], n_bins=4)
    np.testing.assert_allclose(again.accuracy, curve.accuracy)


def test_few_images_make_few_bins():
    curve = equal_mass_curve(np.array([0.2, 1.0]), np.array([True, True]), n_bins=15)
    assert curve.count.tolist() == [1, 1]
    assert equal_mass_curve(np.zeros(2), np.ones(2, bool)).count.tolist() == [2]


@pytest.mark.parametrize("n", [150, 1500])
def test_the_curve_of_equal_mass_is_the_quantile_curve_of_scikit_learn(n):
    random = np.random.default_rng(2)
    confidence = random.random(n)
    correct = random.random(n) < confidence
    # scikit-learn's edges lie between two confidences, at most one image further.
    accuracy, mean = calibration_curve(correct, confidence, n_bins=15, strategy="quantile")
    curve = equal_mass_curve(confidence, correct)
    np.testing.assert_allclose(curve.mean_confidence, mean, atol=15 / n * 0.2)
    np.testing.assert_allclose(curve.accuracy, accuracy, atol=15 / n * 1.01)


def test_each_bin_has_wilsons_interval_and_an_empty_one_none():
    confidence = np.array([0.1, 0.9, 0.9, 0.8])
    curve = reliability_curve(confidence, np.array([True, True, False, True]), n_bins=4)
    intervals = curve.accuracy_intervals(confidence=0.9)
    expected = binomtest(2, 3).proportion_ci(0.9, "wilson")
    np.testing.assert_allclose(intervals[3], [expected.low, expected.high])
    expected = binomtest(1, 1).proportion_ci(0.9, "wilson")
    np.testing.assert_allclose(intervals[0], [expected.low, expected.high])
    assert np.isnan(intervals[1:3]).all()
    assert intervals.shape == (4, 2)


def test_the_brier_score_sums_over_the_classes():
    # (0.7 - 1)**2 + 0.2**2 + 0.1**2 = 0.14 and 0.5**2 + (0.5 - 1)**2 = 0.5: mean 0.32.
    probabilities = np.array([[0.7, 0.2, 0.1], [0.5, 0.5, 0.0]])
    assert brier_score(probabilities, np.array([0, 1])) == pytest.approx(0.32)
    assert probabilities[0, 0] == 0.7  # what is handed in stays as it is


def test_the_brier_score_of_two_classes_is_twice_the_binary_one():
    random = np.random.default_rng(6)
    p, labels = random.random(100), random.integers(0, 2, 100)
    expected = 2 * brier_score_loss(labels, p)
    assert brier_score(np.stack([1 - p, p], axis=1), labels) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [
        (np.zeros(3), np.zeros(3, int)),
        (np.zeros((3, 2)), np.zeros(2, int)),
        (np.zeros((3, 2)), np.full(3, 2)),
        (np.zeros((0, 2)), np.zeros(0, int)),
        (np.array([[1.1, 0.0]]), np.array([0])),
    ],
)
def test_a_brier_score_of_what_does_not_fit_is_refused(probabilities, labels):
    with pytest.raises(ValueError, match="must"):
        brier_score(probabilities, labels)
