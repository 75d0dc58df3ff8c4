"""compare.html: several finished runs held against the first of them."""

from edgedistill.report.compare_sections.classes import classes_section
from edgedistill.report.compare_sections.differences import differences_sections
from edgedistill.report.compare_sections.figures import (
    files_section,
    models_section,
    speed_section,
    threshold_section,
)
from edgedistill.report.compare_sections.flips import flips_section
from edgedistill.report.compare_sections.paired import paired_section
from edgedistill.report.comparison_facts import ComparisonFacts, Pair
from edgedistill.report.comparison_words import (
    BETTER,
    NOT_CLEAR,
    NOT_COMPARED,
    WORSE,
    by_run,
    difference_text,
    listed,
    outcome,
    percent,
    share_text,
)
from edgedistill.report.page import Headline, Section, render_page

TITLE = "Image classifiers for phones: runs compared"
"""Names the page; by it an earlier one is known."""


def render_compare_page(facts: ComparisonFacts) -> str:
    """The comparison as one self-contained HTML page below 2 MB."""
    sections = [
        _runs_section(facts),
        files_section(facts),
        paired_section(facts),
        flips_section(facts),
        classes_section(facts),
        models_section(facts),
        threshold_section(facts),
        speed_section(facts),
        *differences_sections(facts),
    ]
    return render_page(TITLE, verdict(facts), sections, _headlines(facts))


def summary_lines(facts: ComparisonFacts) -> list[str]:
    """What came out, a line for each run."""
    width = max(len(run.name) for run in facts.runs)
    lines = [f"{'':{width}}  top-1 of the int8 file on its test photos"]
    for run, pair in zip(facts.runs, (None, *facts.pairs), strict=True):
        line = f"{run.name:{width}}  {share_text(run.file.top1)} of {run.n_test:,}"
        lines.append(line if pair is None else f"{line}; {difference_text(pair)}")
    return [*lines, *(pair.refusal for pair in facts.pairs if pair.refusal)]


def verdict(facts: ComparisonFacts) -> str:
    """Which runs are better than the first, which are worse, and of which nothing can be said."""
    first = facts.first
    sentences = [
        f"The int8 file of '{first.name}' is right on {percent(first.file.top1.value)} of "
        f"{first.n_test:,} test photos."
    ]
    by_outcome: dict[str, list[Pair]] = {}
    for pair in facts.pairs:
        by_outcome.setdefault(outcome(pair, first), []).append(pair)
    for found, pairs in by_outcome.items():
        names = listed([p.run.name for p in pairs])
        verb = "is" if len(pairs) == 1 else "are"
        told = {
            BETTER: f"On the same photos {names} {verb} better, beyond what chance explains.",
            WORSE: f"On the same photos {names} {verb} worse, beyond what chance explains.",
            NOT_CLEAR: f"Between it and {names} no difference is seen that chance "
            "would not explain.",
            NOT_COMPARED: f"{names} cannot be held against it photo by photo.",
        }
        sentences.append(told[found])
    held_back = [run.name for run in facts.runs if not run.ships]
    if held_back:
        sentences.append(f"Marked 'do not ship': {listed(held_back)}.")
    return " ".join(sentences)


def _headlines(facts: ComparisonFacts) -> list[Headline]:
    remarks = ["the others are held against it", *map(difference_text, facts.pairs)]
    return [
        Headline(percent(run.file.top1.value), f"{run.name}, top-1", remark)
        for run, remark in zip(facts.runs, remarks, strict=True)
    ]


def _runs_section(facts: ComparisonFacts) -> Section:
    runs = facts.runs
    rows = {
        "folder": [run.folder for run in runs],
        "finished, UTC": [run.finished_utc for run in runs],
        "test photos": [f"{run.n_test:,}" for run in runs],
        "classes": [f"{len(run.label_names):,}" for run in runs],
        "quantised by": [run.quantised_by for run in runs],
        "may ship": ["yes" if run.ships else "no" for run in runs],
    }
    bullets = [
        f"'{run.name}' is marked 'do not ship': {' '.join(run.reasons)}"
        for run in runs
        if not run.ships
    ]
    return Section("The runs", bullets=bullets, table=by_run(runs, rows))
