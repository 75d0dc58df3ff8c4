"""The report of scan: the verdict first, then all that it rests on, in one page below 2 MB."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from edgedistill.report.page import Headline, Section, render_page
from edgedistill.scan.findings import BAD_FILE, CONFLICT, ScanFacts
from edgedistill.scan.report.class_sizes import class_section
from edgedistill.scan.report.evidence import left_out_section, odd_section, pair_sections
from edgedistill.scan.report.sheets import class_sheets
from edgedistill.scan.report.verdict import division, n_left_out, standing_out, verdict
from edgedistill.scan.report.wording import counted, shown_place

# KFP's dashboard wants less than 2 MB. The photos of the classes take what all else leaves: more
# than a third of it, as every other section has its own limit.
_MOST_BYTES = 1_950_000

_WRONG_LABELS = (
    "Where one picture lies under two labels, it is told above. A wrong label on a photo that is "
    "in the collection once shows only when a trained network contradicts it: in the confusion "
    "matrix and the predictions.csv of evaluate, which come after the training."
)


def render_scan_page(facts: ScanFacts, photo: Callable[[int], NDArray[np.uint8]]) -> str:
    """One self-contained HTML page below 2 MB, whatever the number of classes and findings.

    Args:
        facts: what was found.
        photo: gives the student's image of a row of the catalogue, shape (side, side, 3).
    """
    title = f"Photos of {shown_place(facts.data_dir)}"
    before, after = _sections_before_sheets(facts), _sections_after_sheets(facts)

    def render(sheets: Sequence[Section]) -> str:
        sections = [*before, *sheets, *after]
        return render_page(title, verdict(facts), sections, _headlines(facts))

    room_bytes = _MOST_BYTES - len(render([]).encode())
    return render([class_sheets(facts.counts, photo, room_bytes)])


def _headlines(facts: ScanFacts) -> list[Headline]:
    sizes = facts.counts.values()
    n_conflicts, n_bad = facts.n_found.get(CONFLICT, 0), facts.n_found.get(BAD_FILE, 0)
    return [
        Headline(f"{sum(sizes):,}", "photos", "in the catalogue"),
        Headline(f"{len(sizes):,}", "classes", f"of {min(sizes):,} to {max(sizes):,} photos"),
        Headline(
            f"{n_left_out(facts):,}", "left out",
            f"{n_bad:,} unusable, {n_conflicts:,} under two labels",
        ),
        Headline(f"{facts.n_grouped:,}", "grouped photos", "share a group with another"),
        Headline(f"{facts.leak_share:.1%}", "leak share", _leak_told(facts)),
    ]  # fmt: skip


def _leak_told(facts: ScanFacts) -> str:
    if facts.has_own_test:
        return "of its own test photos, with one of their group in train or val"
    return "of test photos, if drawn one by one, with one of their group in train"


def _sections_before_sheets(facts: ScanFacts) -> list[Section]:
    sections = []
    remarks = standing_out(facts)
    if remarks:
        steps = [f"{_capital(remark.clause)}. {remark.advice}" for remark in remarks]
        sections.append(Section("Look at this first", bullets=steps, ordered=True))
    if told := division(facts):
        sections.append(Section("Divided already", told))
    sections.append(class_section(facts))
    if facts.n_unknown:
        unknown = (
            f"{counted(facts.n_unknown, 'photo belongs', 'photos belong')} to no class, and "
            "no training sees them: evaluate asks the file what it makes of them."
        )
        sections.append(Section("Photos of no class", [unknown]))
    return sections


def _sections_after_sheets(facts: ScanFacts) -> list[Section]:
    found = [*pair_sections(facts), odd_section(facts), left_out_section(facts)]
    return [
        *(section for section in found if section),
        Section("Labels that look wrong", [_WRONG_LABELS]),
    ]


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
