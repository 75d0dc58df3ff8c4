"""Which classes two runs' files judge otherwise, as a part of a page."""

from typing import Final

from edgedistill.report.comparison_facts import ComparisonFacts
from edgedistill.report.comparison_words import NO_VALUE, percent, points
from edgedistill.report.page import Section, folded_after

_SHOWN: Final = 15
"""Classes that are shown unfolded."""


def classes_section(facts: ComparisonFacts) -> Section:
    """F1 of each class, the largest difference from the first run first."""
    first, others = facts.first, facts.runs[1:]
    names = dict.fromkeys(name for run in facts.runs for name in run.f1_of_classes)
    of_first = first.f1_of_classes
    differences = {
        name: [
            run.f1_of_classes[name][0] - of_first[name][0]
            if name in run.f1_of_classes and name in of_first
            else None
            for run in others
        ]
        for name in names
    }

    def size(name: str) -> float:
        return max((abs(d) for d in differences[name] if d is not None), default=-1.0)

    rows = []
    for name in sorted(names, key=lambda name: (-size(name), name)):
        counts = dict.fromkeys(
            run.f1_of_classes[name][1] for run in facts.runs if name in run.f1_of_classes
        )
        rows.append([
            name, ", ".join(f"{n:,}" for n in counts),
            percent(of_first[name][0]) if name in of_first else NO_VALUE,
            *(NO_VALUE if d is None else points(d) for d in differences[name]),
        ])  # fmt: skip
    header = ["class", "test photos", f"{first.name}, F1", *(f"{r.name}, points" for r in others)]
    return Section(
        "Classes, the largest difference first",
        paragraphs=[
            "F1 of the int8 file on each run's own test photos, and by how many points the others "
            f"are above or below '{first.name}'. Classes of few photos move much by chance: of 20, "
            "one answer is 5 points of recall. Where several counts stand, the runs have as many."
        ],
        tables=folded_after(_SHOWN, header, rows, "classes"),
    )
