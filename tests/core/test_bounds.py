import math

import pytest
from scipy.stats import binom, binomtest

from edgedistill.core.bounds import (
    binomial_upper_tail,
    exact_interval,
    exact_lower_bound,
    photos_for_half_width,
    wilson_interval,
)

CASES = [
    (0, 1), (1, 1), (2, 3), (0, 14), (13, 14), (14, 14), (90, 100), (900, 1000), (3, 100_000),
    (50_000, 100_000), (999_990, 1_000_000),
]  # fmt: skip


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
@pytest.mark.parametrize(("n_right", "n_photos"), CASES)
def test_both_intervals_are_those_of_scipy(n_right, n_photos, confidence):
    test = binomtest(n_right, n_photos)
    for interval, method in ((wilson_interval, "wilson"), (exact_interval, "exact")):
        expected = test.proportion_ci(confidence, method)
        low, high = interval(n_right, n_photos, confidence=confidence)
        assert low == pytest.approx(expected.low, abs=1e-9)
        assert high == pytest.approx(expected.high, abs=1e-9)


def test_a_tiny_share_is_exact_to_its_own_size():
    # P(X >= 1) = 1 - (1 - p)**n = 0.025, so p = 1 - 0.975**(1/n), some 2.5e-8.
    low, _ = exact_interval(1, 1_000_000)
    assert low == pytest.approx(-math.expm1(math.log(0.975) / 1_000_000), rel=1e-6)


def test_all_right_of_n_leaves_what_would_happen_once_in_forty_times():
    # P(X = n) = p**n = 0.025.
    end = 0.025 ** (1 / 14)
    assert exact_interval(14, 14) == pytest.approx((end, 1.0), abs=1e-12)
    assert exact_interval(0, 14) == pytest.approx((0.0, 1 - end), abs=1e-12)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.9995])
@pytest.mark.parametrize(("n_right", "n_photos"), CASES)
def test_the_lower_bound_is_that_of_scipy(n_right, n_photos, confidence):
    test = binomtest(n_right, n_photos, alternative="greater")
    expected = test.proportion_ci(confidence, "exact").low
    assert exact_lower_bound(n_right, n_photos, confidence=confidence) == pytest.approx(
        expected, abs=1e-9
    )


def test_the_exact_interval_holds_the_true_share_at_least_as_often_as_it_says():
    for share in (0.05, 0.5, 0.9, 0.97):
        held = sum(
            binom.pmf(k, 20, share)
            for k in range(21)
            if exact_interval(k, 20)[0] <= share <= exact_interval(k, 20)[1]
        )
        assert held >= 0.95


def test_a_share_of_few_photos_need_not_be_a_whole_number_of_them():
    # z = 1.96, p = 0.9, n = 14: the middle is (0.9 + z2/28) / (1 + z2/14) = 0.8139, the half
    # width 1.96 * sqrt(0.09/14 + z2/784) / (1 + z2/14) = 0.1637.
    low, high = wilson_interval(0.9 * 14, 14)
    assert (low + high) / 2 == pytest.approx(0.8139, abs=1e-4)
    assert (high - low) / 2 == pytest.approx(0.1637, abs=1e-4)


@pytest.mark.parametrize("accuracy", [0.0, 0.5, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("half_width", [0.01, 0.05, 0.2, 0.45])
def test_that_many_photos_are_enough_and_one_fewer_is_not(accuracy, half_width):
    def half(n):
        low, high = binomial_wilson(accuracy, n)
        return (high - low) / 2

    n_photos = photos_for_half_width(accuracy, half_width)
    assert half(n_photos) <= half_width
    assert n_photos == 1 or half(n_photos - 1) > half_width


def binomial_wilson(share, n):
    """The roots of (p - share)**2 = z**2 p (1 - p) / n."""
    z2 = 1.959963984540054**2
    a, b, c = 1 + z2 / n, -(2 * share + z2 / n), share**2
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def test_more_confidence_takes_more_photos():
    assert photos_for_half_width(0.9, 0.05, confidence=0.99) > photos_for_half_width(0.9, 0.05)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.95, 1.0])
@pytest.mark.parametrize(("least", "n_photos"), [*CASES, (59, 59), (92, 93), (500, 1000)])
def test_the_upper_tail_is_that_of_scipy(least, n_photos, share):
    expected = binom.sf(least - 1, n_photos, share)
    assert binomial_upper_tail(least, n_photos, share) == pytest.approx(expected, rel=1e-8)


def test_59_photos_without_an_error_are_rarer_than_one_in_twenty_at_95_in_100():
    # 0.95**59 = 0.0485, 0.95**58 = 0.0510.
    assert binomial_upper_tail(59, 59, 0.95) == pytest.approx(0.95**59)
    assert binomial_upper_tail(59, 59, 0.95) < 0.05 < binomial_upper_tail(58, 58, 0.95)


@pytest.mark.parametrize(
    "call",
    [
        lambda: wilson_interval(1, 0),
        lambda: wilson_interval(-1, 3),
        lambda: wilson_interval(4, 3),
        lambda: wilson_interval(1, 3, confidence=1.0),
        lambda: exact_interval(1, 3, confidence=0.0),
        lambda: exact_lower_bound(1, 3, confidence=0.4),
        lambda: exact_lower_bound(4, 3),
        lambda: exact_interval(1.5, 3),  # type: ignore[arg-type]
        lambda: binomial_upper_tail(2, 1, 0.5),
        lambda: binomial_upper_tail(-1, 1, 0.5),
        lambda: binomial_upper_tail(0, 0, 0.5),
        lambda: binomial_upper_tail(1, 1, 1.5),
        lambda: photos_for_half_width(1.1, 0.05),
        lambda: photos_for_half_width(0.9, 0.0),
        lambda: photos_for_half_width(0.9, 0.5),
    ],
)
def test_what_makes_no_sense_is_refused(call):
    with pytest.raises(ValueError, match="must be"):
        call()
