import numpy as np
import pytest

from edgedistill.core.reliability import expected_calibration_error, reliability_curve


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
    with pytest.raises(ValueError, match=r"shapes|\[0, 1\]|n_bins"):
        expected_calibration_error(np.array(confidence), np.array(correct, bool), n_bins=n_bins)
