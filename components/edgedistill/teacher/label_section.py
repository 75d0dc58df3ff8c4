"""The labels that the teacher contradicts, as a part of its report: counts, and the first seen."""

from collections.abc import Sequence

from edgedistill.artifacts import LABEL_REVIEW_CSV
from edgedistill.report.page import Exhibit, Gallery, Picture, Section, Shot
from edgedistill.report.thumbnail import thumbnail
from edgedistill.teacher.label_review import JudgedPart, Suspect

MOST_SHOWN = 24
_SIDE_PX = 112
_CELL_PX = 150
_WORDS = {"train": "training", "val": "validation"}


def label_section(parts: Sequence[JudgedPart], suspects: Sequence[Suspect]) -> Section:
    """How many labels of each part are in doubt, who says so, what to do, and the first of them."""
    shown = [_exhibit(suspect) for suspect in suspects[:MOST_SHOWN]]
    galleries = [Gallery(shown, _CELL_PX)] if shown else []
    return Section(
        "Labels to look at", [_counted(parts, suspects), *_advice(suspects)], galleries=galleries
    )


def _counted(parts: Sequence[JudgedPart], suspects: Sequence[Suspect]) -> str:
    counts = (
        f"{sum(s.part is part for s in suspects):,} of {len(part.photos):,} "
        f"{_WORDS[part.split]} photos, judged by {part.judged_by}"
        for part in parts
    )
    return f"Labels that are contradicted with high confidence: {'; '.join(counts)}."


def _advice(suspects: Sequence[Suspect]) -> list[str]:
    if not suspects:
        return []
    told = (
        f"{LABEL_REVIEW_CSV} lists them first, the most doubtful on top; a doubt need not be "
        "right. Correct label_name there, delete the rows of photos that show nothing, and give "
        "the file to scan as data_dir."
    )
    if len(suspects) <= MOST_SHOWN:
        return [told]
    return [told, f"The first {MOST_SHOWN} of {len(suspects):,}:"]


def _exhibit(suspect: Suspect) -> Exhibit:
    photo = suspect.photo
    image = suspect.part.photos.student_pixels.row(suspect.row)
    # What it is labelled as, and what it seems to be, stand below.
    picture = Picture(thumbnail(image, _SIDE_PX), "Photo whose label is in doubt")
    text = (
        f"{suspect.suggested_label}? {suspect.suggested_probability:.2f} against "
        f"{suspect.label_probability:.2f}"
    )
    return Exhibit([Shot(picture, photo.label_name, text)], text=photo.filepath)
