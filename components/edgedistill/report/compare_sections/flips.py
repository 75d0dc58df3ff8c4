"""Which photos two runs' files call by different names, as a part of a page."""

from collections.abc import Sequence
from typing import Final

from edgedistill.report.comparison_facts import ComparisonFacts, Flip, Flips
from edgedistill.report.comparison_words import percent
from edgedistill.report.page import Section, Table

MOST_FLIPS: Final = 100
"""Photos that a page lists, of all runs together."""


def flips_section(facts: ComparisonFacts) -> Section:
    """Photos that a run's file and the first's call by different names: all counted, some listed.

    The surest of the new answers come first.
    """
    first, compared = facts.first.name, facts.compared
    title = "Photos whose answer changed"
    if not compared:
        why_not = "No two runs are compared photo by photo; the section above says why."
        return Section(title, paragraphs=[why_not])
    counts: dict[str, list[int]] = {"photos of both": [], "the same answer": []}
    for pair, answers in compared:
        kinds = {kind: len(flips) for kind, flips in _kinds(answers.flips).items()}
        same = pair.n_common - sum(kinds.values())
        for name, n in {"photos of both": pair.n_common, "the same answer": same, **kinds}.items():
            counts.setdefault(name, []).append(n)
    rows = [[name, *(f"{n:,}" for n in found)] for name, found in counts.items()]
    header = ["", *(pair.run.name for pair, _ in compared)]
    most = MOST_FLIPS // len(compared)
    lists = [_flip_table(pair.run.name, a.flips, first, most) for pair, a in compared]
    return Section(
        title,
        paragraphs=[
            f"From the file of '{first}' to that of the run. Open a list to see the photos; those "
            "of the surest new answers come first."
        ],
        tables=[Table(header, rows), *(table for table in lists if table.rows)],
    )


def _kinds(flips: Flips) -> dict[str, Sequence[Flip]]:
    return {
        "right to wrong": flips.right_to_wrong,
        "wrong to right": flips.wrong_to_right,
        "wrong to another wrong": flips.wrong_to_other,
    }


def _flip_table(run: str, flips: Flips, first: str, most: int) -> Table:
    """A folded list of the changes from the first file to the run's, of each kind its share."""
    kinds = _kinds(flips)
    counts = [len(found) for found in kinds.values()]
    rows = [
        [
            kind, flip.filepath, flip.label_name, flip.first_name, percent(flip.first_confidence),
            flip.second_name, percent(flip.second_confidence),
        ]
        for (kind, found), n_shown in zip(kinds.items(), fair_shares(counts, most), strict=True)
        for flip in found[:n_shown]
    ]  # fmt: skip
    some = f", {len(rows):,} of them" if len(rows) < sum(counts) else ""
    title = f"{run}: {sum(counts):,} photo{'' if sum(counts) == 1 else 's'}{some}"
    header = [
        "change",
        "photo",
        "class",
        f"{first} says",
        "confidence",
        f"{run} says",
        "confidence",
    ]
    return Table(header, rows, title=title, folded=True)


def fair_shares(counts: Sequence[int], most: int) -> list[int]:
    """How many of each kind are shown: alike, and what one kind does not need goes to the others.

    Args:
        counts: how many there are of each kind.
        most: how many are shown at most; all, where there are no more.
    """
    shares = [0] * len(counts)
    fewest_first = sorted(range(len(counts)), key=lambda i: counts[i])
    left = most
    for n_served, i in enumerate(fewest_first):
        shares[i] = min(counts[i], left // (len(counts) - n_served))
        left -= shares[i]
    return shares
