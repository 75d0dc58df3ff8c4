import numpy as np
import pytest
from scipy.stats import binomtest

from edgedistill.core.paired import compare_paired


def photos(both, only_first, only_second, neither):
    """Whether each model was right on each photo, of the four counts."""
    counts = [both, only_first, only_second, neither]
    return (
        np.repeat([True, True, False, False], counts),
        np.repeat([True, False, True, False], counts),
    )


# Of the first less the second. Newcombe 1998, table III; two of Fagerland, Lydersen and Laake 2017,
# "Statistical Analysis of Contingency Tables", chapter 8, as their R package computes them.
PUBLISHED = [
    ((20, 12, 2, 16), (0.0562, 0.3292)),
    ((1, 1, 7, 12), (-0.5069, -0.0256)),
    ((59, 6, 16, 80), (-0.1186, -0.0046)),
]


@pytest.mark.parametrize(("counts", "expected"), PUBLISHED)
def test_the_interval_is_the_published_one(counts, expected):
    first, second = photos(*counts)
    low, high = compare_paired(second, first).difference_interval
    assert (low, high) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(("counts", "expected"), PUBLISHED)
def test_the_models_the_other_way_round_turn_the_signs(counts, expected):
    first, second = photos(*counts)
    low, high = compare_paired(first, second).difference_interval
    assert (-high, -low) == pytest.approx(expected, abs=5e-5)


def test_the_difference_is_the_second_less_the_first():
    comparison = compare_paired(*photos(70, 5, 15, 10))
    # 75 of 100 right, then 85.
    assert comparison.difference == pytest.approx(0.10)
    assert (comparison.only_first_right, comparison.only_second_right) == (5, 15)


@pytest.mark.parametrize(
    ("only_first", "only_second"), [(0, 1), (0, 6), (5, 15), (15, 5), (8, 8), (9, 8), (400, 520)]
)
def test_the_p_value_is_that_of_a_fair_coin_over_the_photos_that_differ(only_first, only_second):
    comparison = compare_paired(*photos(50, only_first, only_second, 3))
    expected = binomtest(only_first, only_first + only_second, 0.5).pvalue
    assert comparison.p_value == pytest.approx(expected, rel=1e-10)


def test_six_photos_all_to_one_side_are_one_in_thirty_two():
    assert compare_paired(*photos(10, 0, 6, 0)).p_value == pytest.approx(2 / 2**6)


def test_equal_models_differ_by_nothing_and_the_interval_still_has_a_width():
    comparison = compare_paired(*photos(90, 0, 0, 10))
    assert comparison.p_value == 1
    assert comparison.difference == 0
    low, high = comparison.difference_interval
    # phi = (90 * 10 - 100 / 2) / 900 = 17/18; Wilson of 90 in 100 is 0.8256 to 0.9448, so that
    # both half widths are sqrt(0.0744**2 - 2 * 17/18 * 0.0744 * 0.0448 + 0.0448**2) = 0.0353.
    assert (low, high) == pytest.approx((-0.0353, 0.0353), abs=1e-4)


def test_models_that_are_always_right_have_an_interval_around_0():
    # No correlation can be told: the two Wilson intervals alone, 10 / (10 + 1.96**2) = 0.7225.
    low, high = compare_paired(*photos(10, 0, 0, 0)).difference_interval
    assert (low, high) == pytest.approx((-0.2775, 0.2775), abs=1e-4)


def test_models_that_are_right_in_turns_have_a_wider_interval():
    # first 6 of 12, second 7: phi = (2 * 1 - 4 * 5) / sqrt(7 * 5 * 6 * 6) = -0.5071, nothing taken
    # off. Wilson: 0.2538 to 0.7462 and 0.3195 to 0.8067. Below 0.0833 by
    # sqrt(0.2638**2 + 2 * 0.5071 * 0.2638 * 0.2462 + 0.2462**2) = 0.4428, above by
    # sqrt(0.2234**2 + 2 * 0.5071 * 0.2234 * 0.2462 + 0.2462**2) = 0.4078.
    low, high = compare_paired(*photos(2, 4, 5, 1)).difference_interval
    assert (low, high) == pytest.approx((-0.3595, 0.4912), abs=2e-4)


def test_one_always_right_and_one_always_wrong_ends_at_1():
    comparison = compare_paired(*photos(0, 0, 30, 0))
    assert comparison.difference == 1
    assert comparison.difference_interval[1] == 1
    assert compare_paired(*photos(0, 30, 0, 0)).difference_interval[0] == -1


def test_the_interval_holds_the_true_difference_about_as_often_as_it_says():
    random = np.random.default_rng(3)
    cells = random.multinomial(200, [0.80, 0.03, 0.07, 0.10], size=400)
    held = 0
    for counts in cells:
        low, high = compare_paired(*photos(*counts)).difference_interval
        held += low <= 0.04 <= high
    # 400 draws of 0.95: a standard deviation of 0.011.
    assert 0.92 <= held / 400 <= 0.98


@pytest.mark.parametrize(
    ("first", "second"), [([True], [True, False]), ([], []), ([[True]], [[True]])]
)
def test_what_is_not_paired_is_refused(first, second):
    with pytest.raises(ValueError, match="shapes must be"):
        compare_paired(np.array(first, bool), np.array(second, bool))


def test_a_confidence_must_be_below_1():
    with pytest.raises(ValueError, match="confidence must be"):
        compare_paired(*photos(1, 1, 1, 1), confidence=1.0)
