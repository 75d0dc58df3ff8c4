import numpy as np
import pytest

from edgedistill.core.threshold import class_thresholds, recommend_threshold, threshold_curve

# Ten photos, two at each confidence; wrong: one at 0.3, one at 0.5.
CONFIDENCE = np.array([0.3, 0.3, 0.5, 0.5, 0.7, 0.7, 0.8, 0.8, 0.9, 0.9])
CORRECT = np.array([True, False, True, False, True, True, True, True, True, True])


def recommend(target=0.95, min_coverage=0.6, penalty=3.0, confidence=CONFIDENCE, correct=CORRECT):
    curve = threshold_curve(np.asarray(confidence), np.asarray(correct, bool))
    return recommend_threshold(curve, target=target, min_coverage=min_coverage, penalty=penalty)


def test_thresholds_are_the_decimals_that_one_would_type():
    curve = threshold_curve(CONFIDENCE, CORRECT)
    assert curve.threshold.tolist() == [float(f"0.{k:02d}") for k in range(100)]


def test_a_confidence_equal_to_the_threshold_is_accepted():
    every = np.array([float(f"0.{k:02d}") for k in range(100)])
    curve = threshold_curve(every, np.ones(100, bool))
    assert curve.accepted.tolist() == list(range(100, 0, -1))


def test_the_curve_counts_the_accepted_and_the_correct_among_them():
    curve = threshold_curve(CONFIDENCE, CORRECT)
    # At 0.50: 8 of 10 accepted, 7 right. At 0.51: 6 of 10, all right. At 0.91: none.
    assert (curve.coverage[50], curve.accept_accuracy[50]) == (8 / 10, 7 / 8)
    assert (curve.correct_accepted_rate[50], curve.incorrect_accepted_rate[50]) == (0.7, 0.1)
    assert (curve.coverage[51], curve.accept_accuracy[51]) == (6 / 10, 1)
    assert curve.coverage[91] == 0
    assert np.isnan(curve.accept_accuracy[91])
    assert curve.coverage[0] == 1


def test_the_smallest_of_the_thresholds_with_the_largest_coverage_is_taken():
    # 0.31 .. 0.50 reach 7/8 < 0.95; 0.51 .. 0.70 accept 6 of 10, all right: the first is 0.51.
    found = recommend()
    assert (found.threshold, found.selection_method) == (0.51, "constraint_feasible")
    assert (found.accept_accuracy, found.coverage) == (1.0, 0.6)


def test_a_wish_that_is_met_exactly_is_met():
    # 7/8 = 0.875 accept accuracy at 0.31, coverage 8/10.
    assert recommend(target=0.875, min_coverage=0.8).threshold == 0.31
    assert recommend(target=0.8751, min_coverage=0.8).selection_method == "utility_maximization"
    assert recommend(target=0.875, min_coverage=0.81).selection_method == "utility_maximization"


def test_everything_is_answered_where_that_is_right_often_enough():
    # 8 of 10 are right: a target of 0.8 is met without any threshold.
    found = recommend(target=0.8)
    assert (found.threshold, found.coverage, found.accept_accuracy) == (0.0, 1.0, 0.8)


def test_the_most_useful_threshold_is_taken_where_no_one_meets_the_wishes():
    # min_coverage 0.9 is met up to 0.30 only, at 8/10 < 0.95. Right - 3 * wrong, in photos:
    # 8 - 6 = 2 at 0.00; 7 - 3 = 4 at 0.31; 6 - 0 = 6 at 0.51; 4 at 0.71.
    found = recommend(min_coverage=0.9)
    assert (found.threshold, found.selection_method) == (0.51, "utility_maximization")
    assert (found.accept_accuracy, found.coverage) == (1.0, 0.6)


def test_a_penalty_of_0_answers_everything():
    assert recommend(min_coverage=0.9, penalty=0.0).threshold == 0.0


@pytest.mark.parametrize("penalty", [1.0, 3.0, 0.1])
def test_equally_useful_thresholds_stay_equal_in_floating_point(penalty):
    # Up to 0.50 there are n_low more right and 10 more wrong answers than from 0.51 on; as n_low is
    # 10 * penalty, they cancel out.
    n_low = round(10 * penalty)
    correct = [True] * n_low + [False] * 10 + [True] * 30
    confidence = [0.5] * (n_low + 10) + [0.9] * 30
    found = recommend(
        target=1.0, min_coverage=1.0, penalty=penalty, confidence=confidence, correct=correct
    )
    assert (found.threshold, found.selection_method) == (0.0, "utility_maximization")


def test_a_tie_of_shares_that_doubles_cannot_hold_is_still_a_tie():
    # From 0.11: 6 right, 1 wrong of 10, 0.6 - 3 * 0.1; from 0.51: 3 right, 0.3. In doubles the
    # first is 0.29999999999999993.
    confidence = [0.1] * 3 + [0.5] * 4 + [0.9] * 3
    correct = [False] * 3 + [True, True, True, False] + [True] * 3
    found = recommend(min_coverage=0.9, confidence=confidence, correct=correct)
    assert found.threshold == 0.11


def test_nothing_is_answered_where_every_answer_is_wrong():
    # Utility is 0 where none is accepted, below it elsewhere; the first such threshold is 0.41.
    found = recommend(confidence=[0.4, 0.4], correct=[False, False])
    assert (found.threshold, found.accept_accuracy, found.coverage) == (0.41, None, 0.0)


def test_a_min_coverage_of_0_does_not_admit_thresholds_that_accept_nothing():
    found = recommend(confidence=[0.4, 0.4], correct=[True, False], min_coverage=0.0)
    assert found.selection_method == "utility_maximization"


def test_the_rule_equals_a_search_in_plain_python():
    random = np.random.default_rng(4)
    for _ in range(50):
        n = int(random.integers(1, 40))
        confidence = random.integers(0, 101, n) / 100
        correct = random.random(n) < confidence
        target, least = (float(x) for x in random.choice([0.5, 0.8, 0.9, 1.0], 2))
        best: tuple[float, float] | None = None
        for k in range(100):
            accepted = [
                bool(right) for c, right in zip(confidence, correct, strict=True) if c >= k / 100
            ]
            if not accepted or sum(accepted) / len(accepted) < target or len(accepted) / n < least:
                continue
            if best is None or len(accepted) > best[0]:
                best = (len(accepted), k / 100)
        found = recommend(target, least, 3.0, confidence, correct)
        assert (found.selection_method == "constraint_feasible") == (best is not None)
        if best:
            assert found.threshold == best[1]


def test_each_class_has_the_threshold_of_its_own_answers():
    # Class 0 was named five times: right at 0.9, 0.9, 0.6, wrong at 0.5, 0.4; 3 of 3 from 0.51 on.
    # Class 1 twice, right. Class 2 never. Class 3 once, wrong: no threshold will do.
    predicted = np.array([0, 0, 0, 0, 0, 1, 1, 3])
    confidence = np.array([0.9, 0.9, 0.6, 0.5, 0.4, 0.3, 0.8, 0.7])
    correct = np.array([True, True, True, False, False, True, True, False])
    found = class_thresholds(confidence, correct, predicted, 4, target=0.95)
    assert [None if f is None else (f.threshold, f.coverage, f.accept_accuracy) for f in found] == [
        (0.51, 0.6, 1.0), (0.0, 1.0, 1.0), None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "wish", [{"target": 1.1}, {"min_coverage": -0.1}, {"penalty": -1.0}, {"penalty": np.inf}]
)
def test_wishes_out_of_range_are_refused(wish):
    with pytest.raises(ValueError, match="must be"):
        recommend(**wish)


def test_no_photos_give_no_curve():
    with pytest.raises(ValueError, match="n > 0"):
        threshold_curve(np.array([]), np.array([], bool))
