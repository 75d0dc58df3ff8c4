"""The report of scan: counts, files left out, and a few photos of each class to look at."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgedistill.core.letterbox import letterbox
from edgedistill.datasets import PackedDataset
from edgedistill.report.page import Picture, Section, Table, render_page

_THUMBNAIL_PX = 72
_PER_CLASS = 10
_GAP_PX = 6
_JPEG_QUALITY = 80
# KFP's dashboard wants a page below 2 MB, and base64 adds a third.
_MAX_PICTURE_BYTES = 1_000_000
_MAX_BAD_FILES = 50


def render_scan_page(
    dataset: PackedDataset, bad_files: Sequence[str], counts: Mapping[str, int]
) -> str:
    """One self-contained HTML page below 2 MB.

    Args:
        dataset: the catalogue.
        bad_files: lines of bad_files.txt.
        counts: readable photos by class.
    """
    rarest = min(counts, key=lambda name: counts[name])
    left_out = f"{len(bad_files):,} files are left out" if bad_files else "no file is left out"
    lead = (
        f"{len(dataset):,} readable photos of {len(counts)} classes; {left_out}. "
        f"The smallest class is '{rarest}' with {counts[rarest]:,}."
    )
    sections = [_counts_section(counts), _contact_sheet(dataset)]
    if bad_files:
        sections.insert(1, bad_files_section(bad_files))
    return render_page("Photos", lead, sections)


def bad_files_section(bad_files: Sequence[str]) -> Section:
    """The first lines of bad_files.txt as a table."""
    rows = [line.split("\t", 1) for line in bad_files[:_MAX_BAD_FILES]]
    more = len(bad_files) - len(rows)
    return Section(
        "Files left out",
        paragraphs=[f"The first {len(rows)}; bad_files.txt has {more:,} more."] if more else (),
        table=Table(["file", "reason"], rows),
    )


def _counts_section(counts: Mapping[str, int]) -> Section:
    total = sum(counts.values())
    rows = [[name, f"{n:,}", f"{n / total:.1%}"] for name, n in counts.items()]
    return Section("Classes", table=Table(["class", "photos", "share"], rows))


def _contact_sheet(dataset: PackedDataset) -> Section:
    pictures: list[Picture] = []
    n_bytes = 0
    for label_index, label_name in enumerate(dataset.label_names):
        strip = _jpeg(_strip(dataset, label_index))
        n_bytes += len(strip)
        if n_bytes > _MAX_PICTURE_BYTES:
            break
        pictures.append(Picture(strip, f"Photos of {label_name}", label_name, wide=True))
    shown = (
        f"; the first {len(pictures)} classes" if len(pictures) < len(dataset.label_names) else ""
    )
    return Section(
        "What the network sees",
        paragraphs=[f"Some photos of each class, letterboxed as for the student{shown}."],
        images=pictures,
    )


def _strip(dataset: PackedDataset, label_index: int) -> NDArray[np.uint8]:
    """Photos of one class in a row, taken evenly from all that it has."""
    rows = np.flatnonzero(dataset.label_indices == label_index)
    count = min(_PER_CLASS, len(rows))
    chosen = rows[np.linspace(0, len(rows) - 1, count).round().astype(np.int64)]
    step = _THUMBNAIL_PX + _GAP_PX
    strip = np.full((_THUMBNAIL_PX, count * step - _GAP_PX, 3), 255, np.uint8)
    for place, row in enumerate(chosen):
        thumbnail = letterbox(dataset.student_pixels.row(int(row)), _THUMBNAIL_PX)
        strip[:, place * step : place * step + _THUMBNAIL_PX] = thumbnail
    return strip


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()
