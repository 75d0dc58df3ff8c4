import numpy as np
import pytest
from sklearn.metrics import f1_score

from edgedistill.core.bootstrap import _bias_corrected, ece_interval, macro_f1_interval
from edgedistill.core.bounds import wilson_interval
from edgedistill.core.reliability import expected_calibration_error


def predictions(n, n_classes, seed, accuracy=0.8):
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(n) % n_classes)
    wrong = random.random(n) >= accuracy
    return labels, np.where(wrong, random.integers(0, n_classes, n), labels)


def macro_f1(labels, predicted, n_classes):
    right = np.array([((labels == k) & (predicted == k)).sum() for k in range(n_classes)])
    both = np.array([(labels == k).sum() + (predicted == k).sum() for k in range(n_classes)])
    return float((2 * right / np.maximum(both, 1)).mean())


def test_the_macro_f1_interval_is_that_of_a_loop():
    labels, predicted = predictions(150, 4, seed=1)
    seen = f1_score(labels, predicted, average="macro")
    assert macro_f1(labels, predicted, 4) == pytest.approx(seen)
    random = np.random.default_rng(9)
    drawn = []
    for _ in range(1000):
        rows = np.concatenate(
            [random.choice(np.flatnonzero(labels == k), (labels == k).sum()) for k in range(4)]
        )
        drawn.append(macro_f1(labels[rows], predicted[rows], 4))
    expected = np.quantile(drawn, (0.025, 0.975))
    low, high = macro_f1_interval(labels, predicted, 4, seed=0, n_resamples=4000)
    # Hardly biased here, so that the plain percentiles serve; they scatter by 0.004.
    assert (low, high) == pytest.approx(expected, abs=0.012)
    assert high - low == pytest.approx(np.ptp(expected), rel=0.12)


def test_the_ends_move_by_twice_the_bias_of_the_median():
    drawn = np.arange(1, 1001) / 1000
    # 0.3 of the draws lie below: z0 = -0.5244. Ends: Phi(2 z0 -+ 1.96) = Phi(-3.0088) = 0.0013 and
    # Phi(0.9112) = 0.8189, and the draws are their own percentiles.
    low, high = _bias_corrected(drawn, 0.3005, 0.95)
    assert (low, high) == pytest.approx((0.0023, 0.8191), abs=3e-4)


def test_a_class_of_few_photos_is_in_every_resample():
    # Drawn from all 102 photos together, class 1 is left out of 13 % and the low end is 0.5.
    labels = np.array([0] * 100 + [1] * 2)
    predicted = labels.copy()
    predicted[0] = 1
    # F1 of class 1 is 2 * 2 / (2 + 2 + k), k of 100 photos: rarely more than 4, so 0.5 at least.
    low, high = macro_f1_interval(labels, predicted, 2, seed=3)
    assert low > 0.7
    assert high <= 1


def test_the_interval_of_faultless_predictions_is_wilsons():
    labels = np.arange(40) % 4
    expected = wilson_interval(40, 40)
    assert macro_f1_interval(labels, labels, 4, seed=0) == pytest.approx(expected)
    # A fifth class without photos counts as 0.
    share = tuple(0.8 * end for end in expected)
    assert macro_f1_interval(labels, labels, 5, seed=0) == pytest.approx(share)


def test_an_interval_holds_its_figure_however_odd_the_draws():
    for seed in range(20):
        labels, predicted = predictions(60, 30, seed)
        seen = f1_score(labels, predicted, labels=np.arange(30), average="macro", zero_division=0)
        low, high = macro_f1_interval(labels, predicted, 30, seed=0, n_resamples=200)
        assert 0 <= low <= seen + 1e-12
        assert seen - 1e-12 <= high <= 1


def test_the_same_seed_gives_the_same_interval_and_another_one_another():
    labels, predicted = predictions(100, 3, seed=2)
    first = macro_f1_interval(labels, predicted, 3, seed=5)
    assert macro_f1_interval(labels, predicted, 3, seed=5) == first
    assert macro_f1_interval(labels, predicted, 3, seed=6) != first
    confidence, correct = judged(100, 0.05, seed=2)
    first = ece_interval(confidence, correct, seed=5)
    assert ece_interval(confidence, correct, seed=5) == first
    assert ece_interval(confidence, correct, seed=6) != first


def test_more_confidence_makes_a_wider_interval():
    labels, predicted = predictions(200, 3, seed=2)
    confidence, correct = judged(400, 0.2, seed=2)
    for interval in (
        lambda level: macro_f1_interval(labels, predicted, 3, seed=0, confidence=level),
        lambda level: ece_interval(confidence, correct, seed=0, confidence=level),
    ):
        (low, high), (lower, higher) = interval(0.8), interval(0.99)
        assert lower < low < high < higher


def judged(n, too_high, seed):
    """Confidences in [0.2, 1], each right with a chance of that less `too_high`."""
    random = np.random.default_rng(seed)
    confidence = 0.2 + 0.8 * random.beta(3, 1, n)
    return confidence, random.random(n) < confidence - too_high


def test_the_ece_interval_is_that_of_a_loop():
    confidence, correct = judged(300, 0.15, seed=1)
    seen = expected_calibration_error(confidence, correct)
    random = np.random.default_rng(7)
    drawn = []
    for _ in range(600):
        rows = random.integers(0, 300, 300)
        drawn.append(expected_calibration_error(confidence[rows], correct[rows]))
    upper = np.quantile(drawn, 0.975)
    # Pivotal below; above, the same percentile moved by the bias of the draws.
    expected = (2 * seen - upper, seen + upper - np.mean(drawn))
    interval = ece_interval(confidence, correct, seed=0, n_resamples=4000)
    assert interval == pytest.approx(expected, abs=0.004)


def test_gaps_that_chance_makes_too_leave_0_in_the_interval():
    held = [ece_interval(*judged(200, 0.0, seed), seed=0, n_resamples=200)[0] for seed in range(40)]
    # 97.5 % of the time; by the pivotal ends alone half of it. Below 34 of 40: 1 in 10,000.
    assert sum(low == 0 for low in held) >= 34


def test_the_ece_interval_holds_the_true_error_mostly():
    # 0.1 too high at every confidence, so that the true error is 0.1 with any bins.
    held = 0
    for seed in range(100):
        low, high = ece_interval(*judged(400, 0.1, seed), seed=0, n_resamples=200)
        held += low <= 0.1 <= high
    # Plain percentiles hold it 79 times.
    assert held >= 90


def test_sure_and_wrong_is_an_error_of_1_without_a_doubt():
    assert ece_interval(np.ones(5), np.zeros(5, bool), seed=0) == (1, 1)


def test_many_photos_are_drawn_in_portions_and_few_resamples_do():
    # 1,500 photos times 1,000 resamples are more than are drawn at once.
    confidence, correct = judged(1500, 0.2, seed=0)
    low, high = ece_interval(confidence, correct, seed=5)
    assert low < 0.2 < high
    (low, high) = ece_interval(confidence, correct, seed=5, n_resamples=1)
    assert low <= high


@pytest.mark.parametrize(("confidence", "n_resamples"), [(0, 10), (1, 10), (0.95, 0)])
def test_what_is_no_resampling_is_refused(confidence, n_resamples):
    options = {"seed": 0, "confidence": confidence, "n_resamples": n_resamples}
    with pytest.raises(ValueError, match="n_resamples"):
        macro_f1_interval(np.array([0, 1]), np.array([0, 0]), 2, **options)
    with pytest.raises(ValueError, match="n_resamples"):
        ece_interval(np.array([0.5]), np.array([True]), **options)


def test_photos_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="classes must be"):
        macro_f1_interval(np.array([0, 2]), np.array([0, 0]), 2, seed=0)
    with pytest.raises(ValueError, match="shapes"):
        ece_interval(np.array([0.5, 0.6]), np.array([True]), seed=0)
    with pytest.raises(ValueError, match="n_bins"):
        ece_interval(np.array([0.5]), np.array([True]), seed=0, n_bins=0)
