"""What a share that was counted on few photos says about the share on all of that kind."""

import math
from statistics import NormalDist

# The series of a binomial tail is cut where a term adds less than a double can hold.
_NEGLIGIBLE = 1e-18


def wilson_interval(
    n_right: float, n_photos: int, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Where the true share lies, by Wilson's score interval: short, and right on average.

    Args:
        n_right: photos that were right, in [0, n_photos]; need not be whole, so that one may ask
            what "90 % of 14" would say.
        n_photos: photos that were looked at, at least 1.
        confidence: how often such an interval holds the true share, in (0, 1).

    Returns:
        (low, high), in [0, 1].

    Raises:
        ValueError: an argument is out of its range.

    Source: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    _check(n_right, n_photos, confidence)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = n_right / n_photos
    middle = (share + z**2 / (2 * n_photos)) / (1 + z**2 / n_photos)
    half = _wilson_half_width(share, n_photos, z)
    return max(0.0, middle - half), min(1.0, middle + half)


def exact_interval(n_right: int, n_photos: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Where the true share lies, by Clopper and Pearson: never too short, so often too long.

    The low end is the share at which `n_right` or more would be seen with probability
    (1 - confidence) / 2, the high end the one at which `n_right` or fewer would.

    Args:
        n_right: photos that were right, a whole number in [0, n_photos].
        n_photos: photos that were looked at, at least 1.
        confidence: how often, at least, such an interval holds the true share, in (0, 1).

    Returns:
        (low, high), in [0, 1].

    Raises:
        ValueError: an argument is out of its range.

    Source: Clopper and Pearson 1934, "The Use of Confidence or Fiducial Limits".
    """
    _check_whole(n_right, n_photos, confidence)
    tail = (1 - confidence) / 2
    low = _share_of_upper_tail(int(n_right), n_photos, tail)
    return low, 1 - _share_of_upper_tail(n_photos - int(n_right), n_photos, tail)


def exact_lower_bound(n_right: int, n_photos: int, *, confidence: float = 0.95) -> float:
    """What the true share is at least: the low end of Clopper and Pearson with one side alone.

    It is the share at which `n_right` or more would be seen with probability 1 - confidence.

    Args:
        n_right: photos that were right, a whole number in [0, n_photos].
        n_photos: photos that were looked at, at least 1.
        confidence: how often, at least, the true share is no less, in [0.5, 1).

    Returns:
        A share in [0, 1].

    Raises:
        ValueError: an argument is out of its range.

    Source: Clopper and Pearson 1934, "The Use of Confidence or Fiducial Limits".
    """
    _check_one_sided(n_right, n_photos, confidence)
    return _share_of_upper_tail(int(n_right), n_photos, 1 - confidence)


def binomial_upper_tail(least: int, n_photos: int, share: float) -> float:
    """P(X >= least) of a binomial X: how often `least` or more of the photos are right by chance.

    Args:
        least: photos, in [0, n_photos].
        n_photos: photos that are looked at, at least 1.
        share: chance of each to be right, in [0, 1].

    Returns:
        The probability, to nearly the precision of doubles, however small it is.

    Raises:
        ValueError: an argument is out of its range.
    """
    if n_photos < 1 or not 0 <= least <= n_photos or not 0 <= share <= 1:
        raise ValueError(
            "least must be in [0, n_photos >= 1] and share in [0, 1]; "
            f"got {least} of {n_photos} and {share}"
        )
    if least == 0 or share == 1:
        return 1.0
    if share * n_photos <= least:
        return math.exp(_log_upper_tail(least, n_photos, share))
    # Fewer than `least` right: at least n - least + 1 wrong, the smaller of the two tails.
    return 1 - math.exp(_log_upper_tail(n_photos - least + 1, n_photos, 1 - share))


def photos_for_half_width(accuracy: float, half_width: float, *, confidence: float = 0.95) -> int:
    """The fewest photos on which that accuracy would be known to plus or minus `half_width`.

    Args:
        accuracy: share that is right, in [0, 1].
        half_width: half the length of Wilson's interval, in (0, 0.5).
        confidence: of the interval, in (0, 1).

    Raises:
        ValueError: an argument is out of its range.
    """
    if not 0 < half_width < 0.5:
        raise ValueError(f"half_width must be in (0, 0.5); got {half_width}")
    _check(accuracy, 1, confidence)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    too_few, enough = 0, 1
    while _wilson_half_width(accuracy, enough, z) > half_width:
        too_few, enough = enough, 2 * enough
    while enough - too_few > 1:  # the half width falls with every photo
        middle = (too_few + enough) // 2
        if _wilson_half_width(accuracy, middle, z) > half_width:
            too_few = middle
        else:
            enough = middle
    return enough


def _check(n_right: float, n_photos: int, confidence: float) -> None:
    if n_photos < 1 or not 0 <= n_right <= n_photos:
        raise ValueError(f"n_right must be in [0, n_photos >= 1]; got {n_right} of {n_photos}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1); got {confidence}")


def _check_whole(n_right: float, n_photos: int, confidence: float) -> None:
    _check(n_right, n_photos, confidence)
    if n_right != int(n_right):
        raise ValueError(f"n_right must be a whole number; got {n_right}")


def _check_one_sided(n_right: float, n_photos: int, confidence: float) -> None:
    _check_whole(n_right, n_photos, confidence)
    # With less, the bound would lie above the share that was seen.
    if confidence < 0.5:
        raise ValueError(f"confidence must be at least 0.5; got {confidence}")


def _wilson_half_width(share: float, n_photos: int, z: float) -> float:
    spread = math.sqrt(share * (1 - share) / n_photos + z**2 / (4 * n_photos**2))
    return z * spread / (1 + z**2 / n_photos)


def _share_of_upper_tail(least: int, n_photos: int, tail: float) -> float:
    """The share p at which `least` or more of the photos are right with probability `tail`.

    At p = least / n that probability is at least 1/2, for there `least` is the median; as `tail`
    is less, p lies below, and the probability grows with p: bisected until doubles are used up.
    """
    if least == 0:
        return 0.0
    low, high = 0.0, least / n_photos
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return middle
        if _log_upper_tail(least, n_photos, middle) < math.log(tail):
            low = middle
        else:
            high = middle


def _log_upper_tail(least: int, n_photos: int, share: float) -> float:
    """log P(X >= least), X binomial, for a share of at most least / n: the terms only fall."""
    if share == 0:
        return -math.inf
    log_first = (
        math.lgamma(n_photos + 1)
        - math.lgamma(least + 1)
        - math.lgamma(n_photos - least + 1)
        + least * math.log(share)
        + (n_photos - least) * math.log1p(-share)
    )
    odds = share / (1 - share)
    total = term = 1.0
    for k in range(least, n_photos):
        term *= (n_photos - k) / (k + 1) * odds
        total += term
        if term < _NEGLIGIBLE * total:
            break
    return log_first + math.log(total)
