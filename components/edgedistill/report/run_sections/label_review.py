"""Training and validation photos whose label the models contradict."""

from collections.abc import Mapping

from edgedistill.report.page import Section, Table
from edgedistill.report.run_facts import RunFacts
from edgedistill.report.wording import counted, percent

_SHOWN = 20


def label_review_section(facts: RunFacts) -> Section:
    """How many there are, the first of them, and how to mend them."""
    review = facts.together["label_review"]
    n_suspects, judged_by = review["n_suspects"], review["judged_by"]
    paragraphs = [
        f"{counted(n_suspects['train'], 'training photo')} (judged by {judged_by['train']}) and "
        f"{counted(n_suspects['val'], 'validation photo')} (judged by {judged_by['val']}) look "
        "like another class than their label says. A suspect is not proof: look at it.",
    ]
    suspects = [row for row in facts.label_review if row["suggested_label"]][:_SHOWN]
    if not suspects:
        return Section("Labels that may be wrong", paragraphs)
    paragraphs.append(
        "label_review.csv lists all photos, suspects first. Mend its column label_name and give "
        "the file as data_dir of the next run; the teacher's report shows the first with pictures."
    )
    header = ["photo", "label", "its probability", "rather", "its probability"]
    title = f"The {counted(len(suspects), 'photo')} most contradicted"
    return Section(
        "Labels that may be wrong",
        paragraphs,
        table=Table(header, [_row(row) for row in suspects], title=title, folded=True),
    )


def _row(row: Mapping[str, str]) -> list[str]:
    return [
        row["filepath"],
        row["label_name"],
        percent(float(row["label_probability"])),
        row["suggested_label"],
        percent(float(row["suggested_probability"])),
    ]
