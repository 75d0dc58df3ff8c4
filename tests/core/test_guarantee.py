import numpy as np
import pytest
from scipy.stats import beta, binom

from edgedistill.core.guarantee import (
    Guarantee,
    guaranteed_threshold,
    photos_needed,
    selected_lower_bound,
)
from edgedistill.core.threshold import ThresholdCurve, threshold_curve


def curve_of(*groups: tuple[float, int, int]) -> ThresholdCurve:
    """Of groups of (confidence, right photos, wrong photos)."""
    confidence = np.repeat([c for c, _, _ in groups], [r + w for _, r, w in groups])
    correct = np.concatenate([np.repeat([True, False], [r, w]) for _, r, w in groups])
    return threshold_curve(confidence, correct)


def test_59_photos_without_an_error_93_with_one_and_124_with_two():
    # 0.95**59 = 0.0485 and 0.95**58 = 0.0510: the first below 0.05.
    assert [photos_needed(n, 0.95) for n in (0, 1, 2)] == [59, 93, 124]


@pytest.mark.parametrize("target", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
@pytest.mark.parametrize("n_errors", [0, 1, 7])
def test_that_many_are_enough_by_scipys_binomial_and_one_fewer_is_not(target, confidence, n_errors):
    n = photos_needed(n_errors, target, confidence)
    # P(at most n_errors wrong), were the target just missed.
    assert binom.cdf(n_errors, n, 1 - target) <= 1 - confidence
    assert binom.cdf(n_errors, n - 1, 1 - target) > 1 - confidence


def test_a_target_of_0_needs_a_photo():
    assert photos_needed(0, 0.0) == 1


def test_the_bound_of_a_chosen_threshold_allows_for_100_of_them():
    # The one-sided bound of Clopper and Pearson at 0.05 / 100, from scipy's beta distribution.
    expected = beta.ppf(0.0005, 97, 4)
    assert selected_lower_bound(97, 100) == pytest.approx(expected, abs=1e-9)
    assert selected_lower_bound(0, 3) == 0


def test_the_last_threshold_that_passes_is_promised():
    # From 0.81 on 60 of 60, from 0.61 on 123 of 124: both pass (59, 93). From 0.41 on 183 of 224.
    found = guaranteed_threshold(curve_of((0.9, 60, 0), (0.8, 63, 1), (0.6, 60, 40)), target=0.95)
    assert (found.threshold, found.n_accepted, found.n_correct) == (0.61, 124, 123)
    assert found.lower_bound == pytest.approx(beta.ppf(0.05, 123, 2), abs=1e-9)
    assert (found.stopped_at, found.photos_missing) == (None, None)


def test_what_passes_behind_a_failure_is_not_promised():
    # From 0.9 down 60 of 62 fail; from 0.5 down 160 of 162 would pass.
    found = guaranteed_threshold(curve_of((0.9, 60, 2), (0.5, 100, 0)), target=0.95)
    # Two errors take 124.
    assert found == Guarantee(None, None, 62, 60, 0.9, 124 - 62)


def test_thresholds_that_accept_too_few_are_no_failures():
    # Up to 0.9 there are 58 photos, which prove nothing even if all are right; one is wrong.
    found = guaranteed_threshold(curve_of((0.9, 57, 1), (0.7, 66, 0)), target=0.95)
    # All 124 together, one wrong.
    assert (found.threshold, found.n_accepted) == (0.0, 124)


def test_testing_begins_where_a_quarter_is_accepted():
    # From 0.9 on 60 of 62, which would fail; with 338 more, all right, 398 of 400 pass.
    curve = curve_of((0.9, 60, 2), (0.7, 338, 0))
    assert guaranteed_threshold(curve, target=0.95).threshold == 0.0
    assert guaranteed_threshold(curve, target=0.95, start_share=0.1).threshold is None


def test_where_there_are_too_few_photos_the_threshold_that_lacks_fewest_is_told():
    # All 50: one error takes 93, 43 more. From 0.31 on 45 without an error lack 14.
    found = guaranteed_threshold(curve_of((0.9, 45, 0), (0.3, 4, 1)), target=0.95)
    assert found == Guarantee(None, None, 45, 45, 0.31, 14)


def test_no_number_of_photos_promises_that_all_are_right():
    found = guaranteed_threshold(curve_of((0.9, 5000, 0)), target=1.0)
    assert (found.threshold, found.photos_missing) == (None, None)


def test_it_says_how_many_photos_more_would_have_been_enough():
    # Three wrong of 100 at once; with that many more, all right, the same threshold is promised.
    short = guaranteed_threshold(curve_of((0.9, 97, 3)), target=0.95)
    assert short.threshold is None
    assert short.photos_missing is not None
    for more, is_promised in ((short.photos_missing, True), (short.photos_missing - 1, False)):
        found = guaranteed_threshold(curve_of((0.9, 97 + more, 3)), target=0.95)
        assert (found.threshold is not None) == is_promised


def false_promises(accuracy_of: dict[float, float], weights: list[float], n: int) -> float:
    """Share of 800 draws of n photos in which a threshold is promised that misses 0.95."""
    random = np.random.default_rng(5)
    levels, accuracy = np.array(list(accuracy_of)), np.array(list(accuracy_of.values()))
    share = np.array(weights)
    n_false = 0
    for _ in range(800):
        group = random.choice(len(levels), n, p=share)
        correct = random.random(n) < accuracy[group]
        found = guaranteed_threshold(threshold_curve(levels[group], correct), target=0.95)
        if found.threshold is not None:
            kept = levels >= found.threshold
            n_false += bool((share * accuracy)[kept].sum() / share[kept].sum() < 0.95)
    return n_false / 800


@pytest.mark.parametrize(
    ("accuracy_of", "weights", "n"),
    [
        ({0.9: 0.9499}, [1.0], 1000),  # just missed: every promise is false
        ({0.9: 0.98, 0.6: 0.919}, [0.5, 0.5], 1000),  # 0.9495 of all: the second step is false
        ({0.95: 0.94, 0.9: 0.97, 0.6: 0.93}, [0.2, 0.5, 0.3], 200),  # the surest are not the best
        # 0.9499 of about 59, which are passed over or tested by the luck of the draw.
        ({0.9: 0.9499, 0.6: 0.9499}, [0.295, 0.705], 200),
    ],
)
def test_a_false_promise_is_as_rare_as_it_says(accuracy_of, weights, n):
    # Of 800 draws, 0.05 has a standard deviation of sqrt(0.05 * 0.95 / 800) = 0.0077.
    assert false_promises(accuracy_of, weights, n) <= 0.05 + 2.5 * 0.0077


@pytest.mark.parametrize(
    "call",
    [
        lambda: photos_needed(-1, 0.95),
        lambda: photos_needed(0, 1.0),
        lambda: guaranteed_threshold(curve_of((0.9, 1, 0)), target=0.0),
        lambda: guaranteed_threshold(curve_of((0.9, 1, 0)), target=1.1),
        lambda: selected_lower_bound(1, 0),
    ],
)
def test_what_makes_no_sense_is_refused(call):
    with pytest.raises(ValueError, match="must be"):
        call()
