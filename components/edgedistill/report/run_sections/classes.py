"""How well each class is named, the weakest first."""

from edgedistill.report.page import Section, folded_after
from edgedistill.report.run_facts import RunFacts
from edgedistill.report.wording import percent

_SHOWN = 15


def classes_section(facts: RunFacts) -> Section:
    """A table sorted by F1; of many classes the stronger ones are folded away."""
    per_class = sorted(facts.metrics["per_class"].items(), key=lambda item: item[1]["f1"])
    rows = [
        [
            name, percent(c["f1"]), percent(c["precision"]), percent(c["recall"]),
            f"{c['support']:,}",
        ]
        for name, c in per_class
    ]  # fmt: skip
    header = ["class", "F1", "precision", "recall", "photos"]
    return Section(
        "Classes, the weakest first",
        paragraphs=[
            "Of the file on the test photos. Precision: share of this answer that is right. "
            "Recall: share of the class's photos that get it. F1: both in one figure. Photos: test "
            "photos of the class; a figure on few of them means little."
        ],
        tables=folded_after(_SHOWN, header, rows, "classes"),
    )
