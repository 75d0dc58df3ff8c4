"""report.html: whether to ship, why, and what to do next."""

from edgedistill.report.advice import next_steps
from edgedistill.report.page import Section, render_page
from edgedistill.report.performance_section import performance_section
from edgedistill.report.quantisation_section import quantisation_section
from edgedistill.report.run_facts import RunFacts
from edgedistill.report.run_sections.calibration import calibration_section
from edgedistill.report.run_sections.classes import classes_section
from edgedistill.report.run_sections.confusion import confusion_section
from edgedistill.report.run_sections.gate import gate_section
from edgedistill.report.run_sections.headlines import headlines
from edgedistill.report.run_sections.label_review import label_review_section
from edgedistill.report.run_sections.mistakes import mistakes_section
from edgedistill.report.run_sections.photos import photos_section
from edgedistill.report.run_sections.provenance import (
    file_section,
    provenance_section,
    settings_section,
)
from edgedistill.report.run_sections.robustness import robustness_section
from edgedistill.report.run_sections.slices import slices_section
from edgedistill.report.run_sections.threshold import threshold_section
from edgedistill.report.run_sections.training import training_sections
from edgedistill.report.run_sections.unknown import unknown_section
from edgedistill.report.run_sections.waterfall import waterfall_section
from edgedistill.report.verdict import DO_NOT_SHIP, SHIP, WITH_CARE, verdict

_MOST_BYTES = 1_950_000
"""KFP's dashboard shows pages below 2 MB; pictures fill this up at most."""
_TONES = {SHIP: "good", WITH_CARE: "warning", DO_NOT_SHIP: "bad"}


def render_run_page(facts: RunFacts) -> str:
    """The final report as one self-contained HTML page below 2 MB."""
    room_bytes = _MOST_BYTES - len(_page(facts, mistakes_section(facts, 0)).encode())
    return _page(facts, mistakes_section(facts, room_bytes))


def _page(facts: RunFacts, mistakes: Section) -> str:
    sections = [
        Section("What to do next", bullets=next_steps(facts)),
        gate_section(facts),
        waterfall_section(facts),
        threshold_section(facts),
        unknown_section(facts),
        confusion_section(facts),
        mistakes,
        classes_section(facts),
        calibration_section(facts),
        slices_section(facts),
        robustness_section(facts),
        label_review_section(facts),
        quantisation_section(facts.quantization),
        performance_section(facts.performance),
        photos_section(facts),
        *training_sections(facts),
        file_section(facts),
        settings_section(facts),
        provenance_section(facts),
    ]
    said = verdict(facts)
    title = "Image classifier for phones: report of the run"
    return render_page(title, said.text, sections, headlines(facts), tone=_TONES[said.decision])
