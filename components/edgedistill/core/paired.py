"""Two models on the same photos: how far apart they are, and whether that may be chance."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.bounds import binomial_upper_tail, wilson_interval


@dataclass(frozen=True)
class PairedComparison:
    """What the second model gains over the first, in shares of the photos, [-1, 1].

    `difference`: accuracy of the second less that of the first, with its interval (low, high).
    `only_first_right`, `only_second_right`: photos that one of the two alone got right.
    `p_value`: how often two equally good models would differ at least so much, in (0, 1].
    """

    difference: float
    difference_interval: tuple[float, float]
    only_first_right: int
    only_second_right: int
    p_value: float


def compare_paired(
    first_right: NDArray[np.bool_], second_right: NDArray[np.bool_], *, confidence: float = 0.95
) -> PairedComparison:
    """Compares two models on the same photos: McNemar's exact test, and Newcombe's interval.

    The test looks at the photos that one model alone got right: between equals each of them falls
    to either side as a coin does. Two-sided: twice the smaller tail, at most 1; without such
    photos 1. The interval joins Wilson's intervals of the two accuracies and takes into account
    that they go together. It may hold 0 where the test says less than 1 - `confidence`, or the
    reverse: the test is exact and a little strict, the interval is right on average.

    Args:
        first_right: shape (n,), whether the first model was right on each photo.
        second_right: shape (n,), the second model on the same photos.
        confidence: how often such an interval holds the true difference, in (0, 1).

    Raises:
        ValueError: shapes differ or are not (n,), n is 0, or `confidence` is out of its range.

    Source: McNemar 1947, "Note on the sampling error of the difference between correlated
        proportions or percentages"; Newcombe 1998, "Improved confidence intervals for the
        difference between binomial proportions based on paired data", method 10.
    """
    if first_right.shape != second_right.shape or first_right.ndim != 1 or len(first_right) == 0:
        raise ValueError(
            "shapes must be (n,) and equal, n > 0; "
            f"got {first_right.shape} and {second_right.shape}"
        )
    first, second = np.asarray(first_right, bool), np.asarray(second_right, bool)
    both = int((first & second).sum())
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    neither = len(first) - both - only_first - only_second
    return PairedComparison(
        difference=(only_second - only_first) / len(first),
        difference_interval=_newcombe_interval(both, only_first, only_second, neither, confidence),
        only_first_right=only_first,
        only_second_right=only_second,
        p_value=_mcnemar_p_value(only_first, only_second),
    )


def _mcnemar_p_value(only_first: int, only_second: int) -> float:
    n_discordant = only_first + only_second
    most = max(only_first, only_second)
    return min(1.0, 2 * binomial_upper_tail(most, n_discordant, 0.5)) if n_discordant else 1.0


def _newcombe_interval(
    both: int, only_first: int, only_second: int, neither: int, confidence: float
) -> tuple[float, float]:
    n = both + only_first + only_second + neither
    first, second = (both + only_first) / n, (both + only_second) / n
    first_low, first_high = wilson_interval(both + only_first, n, confidence=confidence)
    second_low, second_high = wilson_interval(both + only_second, n, confidence=confidence)
    phi = _correlation(both, only_first, only_second, neither)
    difference = second - first
    return (
        difference - _joined(second - second_low, first_high - first, phi),
        difference + _joined(second_high - second, first - first_low, phi),
    )


def _joined(one: float, other: float, phi: float) -> float:
    """Half width of a difference, of the half widths of its two terms, correlated by `phi`."""
    return math.sqrt(max(0.0, one**2 - 2 * phi * one * other + other**2))


def _correlation(both: int, only_first: int, only_second: int, neither: int) -> float:
    """Phi of the 2 x 2 table, n/2 taken off its numerator where it is positive (method 10)."""
    n = both + only_first + only_second + neither
    surplus = float(both * neither - only_first * only_second)
    if surplus > 0:
        surplus = max(0.0, surplus - n / 2)
    sides = (
        (both + only_first, only_second + neither),
        (both + only_second, only_first + neither),
    )
    spread = math.prod(math.sqrt(right) * math.sqrt(wrong) for right, wrong in sides)
    return surplus / spread if spread else 0.0
