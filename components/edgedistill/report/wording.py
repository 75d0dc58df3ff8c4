"""Figures in words, the same way everywhere in a report."""

from collections.abc import Sequence

NOISE_P = 0.05
"""A difference whose p-value is not below this may well be chance, and is called so."""

NOTHING = "–"


def percent(share: float | None) -> str:
    """A share in [0, 1] as "91.3%"; a dash where there is none."""
    return NOTHING if share is None else f"{share:.1%}"


def told_apart(share: float, other: float) -> tuple[str, str]:
    """Two shares with as many decimals as tell them apart: "94.97%" and "95.00%"."""
    for places in (1, 2, 3):
        shown = f"{share:.{places}%}", f"{other:.{places}%}"
        if shown[0] != shown[1]:
            return shown
    return percent(share), percent(other)  # the same, or as good as


def span(interval: Sequence[float] | None) -> str:
    """An interval of shares as "88.1% to 95.3%"; a dash where there is none."""
    return NOTHING if interval is None else f"{interval[0]:.1%} to {interval[1]:.1%}"


def decimals(value: float | None) -> str:
    """A figure with three decimals; a dash where there is none."""
    return NOTHING if value is None else f"{round(value, 3) + 0.0:.3f}"  # + 0.0: never -0.000


def points(difference: float) -> str:
    """The size of a difference of shares as "0.5 points"."""
    return f"{100 * difference:.1f} points"


def signed_points(difference: float) -> str:
    """A difference of shares in points, with its sign."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def p_value(p: float) -> str:
    """A p-value as precise as it is worth: "0.044", or "< 0.001"."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_equals(p: float) -> str:
    """The same in a sentence: "p = 0.044", or "p < 0.001"."""
    return f"p {p_value(p)}" if p < 0.001 else f"p = {p_value(p)}"


def is_noise(p: float) -> bool:
    """Whether chance explains a difference well enough."""
    return p >= NOISE_P


def counted(n: int, word: str) -> str:
    """A number of things: "1 photo", "2,000 photos"."""
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"


def megabytes(n_bytes: int) -> str:
    """A size as "4.51 MB"."""
    return f"{n_bytes / 1e6:.2f} MB"


def named(names: Sequence[str], *, most: int = 6) -> str:
    """Names in quotes, the first `most` of them and how many there are more."""
    shown = ", ".join(f"'{name}'" for name in names[:most])
    more = len(names) - most
    return f"{shown} and {more:,} more" if more > 0 else shown
