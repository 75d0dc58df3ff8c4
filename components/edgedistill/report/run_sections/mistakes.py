"""The worst mistakes, as the exact pixels that the model saw."""

from collections.abc import Mapping
from typing import Any

from edgedistill.report.page import Exhibit, Gallery, Picture, Section, Shot, exhibit_html
from edgedistill.report.run_facts import RunFacts
from edgedistill.report.wording import counted, percent

_CELL_PX = 160


def mistakes_section(facts: RunFacts, room_bytes: int) -> Section:
    """As many of them as fit, the most confident first.

    Args:
        facts: of the run.
        room_bytes: what the pictures may add to the page; those that do not fit are counted.
    """
    mistakes = facts.evaluation["mistakes"]
    title = "The worst mistakes"
    if not mistakes:
        return Section(title, ["The file made none on the test photos."])
    exhibits = []
    for mistake in mistakes:
        exhibit = _exhibit(mistake, facts.mistakes[_file_name(mistake)])
        room_bytes -= len(exhibit_html(exhibit).encode())
        if room_bytes < 0:
            break
        exhibits.append(exhibit)
    paragraphs = [
        "Wrong answers of the file with the highest confidence, each as the exact pixels that the "
        "file saw. Look for wrong labels, for more than one thing in a photo, and for what the "
        "letterbox has cut down too far."
    ]
    if len(exhibits) < len(mistakes):
        paragraphs.append(
            f"{counted(len(mistakes) - len(exhibits), 'more picture')} would make this page too "
            "large: the step evaluate keeps all of them as files."
        )
    return Section(title, paragraphs, galleries=[Gallery(exhibits, _CELL_PX)] if exhibits else ())


def _file_name(mistake: Mapping[str, Any]) -> str:
    return str(mistake["image"]).rpartition("/")[2]


def _exhibit(mistake: Mapping[str, Any], picture: bytes) -> Exhibit:
    label, predicted = mistake["label_name"], mistake["predicted_name"]
    alt = f"A photo of '{label}', taken for '{predicted}'"
    text = f"is {label}; {percent(mistake['confidence'])} sure; {mistake['filepath']}"
    return Exhibit([Shot(Picture(picture, alt), f"{predicted}?", text)])
