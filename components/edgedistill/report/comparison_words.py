"""How the page that compares runs puts figures into words and cells."""

from collections.abc import Mapping, Sequence
from typing import Final

from edgedistill.report.comparison_facts import ComparedRun, ComparisonFacts, Estimate, Pair
from edgedistill.report.page import Table

NO_VALUE: Final = "–"
BETTER: Final = "better"
WORSE: Final = "worse"
NOT_CLEAR: Final = "no clear difference"
NOT_COMPARED: Final = "not compared"
_LEAST_SHOWN_P: Final = 0.001


def percent(share: float | None) -> str:
    """A share as "92.0%"."""
    return NO_VALUE if share is None else f"{share:.1%}"


def points(difference: float) -> str:
    """A difference of shares in points, with its sign: "+1.2"."""
    return f"{100 * difference:+.1f}"


def share_text(estimate: Estimate) -> str:
    """A share with its interval: "92.0% (89.1 to 94.3)"."""
    return f"{percent(estimate.value)} ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"


def p_text(p_value: float) -> str:
    """A p-value to three places, "below 0.001" where it is smaller."""
    return f"{p_value:.3f}" if p_value >= _LEAST_SHOWN_P else f"below {_LEAST_SHOWN_P}"


def outcome(pair: Pair, first: ComparedRun) -> str:
    """How the run does: BETTER or WORSE than the first, NOT_CLEAR, or NOT_COMPARED."""
    if pair.answers is None:
        return NOT_COMPARED
    if pair.answers.p_adjusted >= 1 - first.confidence_level:
        return NOT_CLEAR
    return BETTER if pair.answers.paired.difference > 0 else WORSE


def difference_text(pair: Pair) -> str:
    """The paired difference in a few words: "+1.2 points (-0.3 to +2.7), p 0.125"."""
    if pair.answers is None:
        return "not compared photo by photo"
    found = pair.answers.paired
    low, high = map(points, found.difference_interval)
    return f"{points(found.difference)} points ({low} to {high}), p {p_text(found.p_value)}"


def levels_text(facts: ComparisonFacts) -> str:
    """The runs' confidence level; all of them, where they differ."""
    return " or ".join(f"{level:.0%}" for level in sorted({r.confidence_level for r in facts.runs}))


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: "'a'", "'a' and 'b'", "'a', 'b' and 'c'"."""
    *front, last = (f"'{name}'" for name in names)
    return f"{', '.join(front)} and {last}" if front else last


def unbroken(text: str) -> str:
    """A table's cell that breaks between a figure and its interval, not within the interval."""
    return text.replace(" to ", "\u00a0to\u00a0")


def by_run(runs: Sequence[ComparedRun], rows: Mapping[str, Sequence[str]]) -> Table:
    """A row a figure, a column a run."""
    cells = [[name, *map(unbroken, texts)] for name, texts in rows.items()]
    return Table(["", *(run.name for run in runs)], cells)
