"""Small pictures for the report: of each class, and as many as the page has room for."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgedistill.report.page import Exhibit, Gallery, Picture, Section, Shot, exhibit_html
from edgedistill.report.thumbnail import thumbnail
from edgedistill.scan.report.wording import counted, shown_class

Image8 = NDArray[np.uint8]

_GAP_PX = 4
_N_SAMPLED = 16
_OPEN_CLASSES = 60
"""With more classes the sheet would push all that follows it out of sight: it is folded."""


@dataclass(frozen=True)
class _Layout:
    """How many pictures of each class, how large, and how finely packed."""

    per_class: int
    side_px: int
    quality: int
    least_cell_px: int = 0


class _ClassRows(NamedTuple):
    """Where the photos of a class lie in the catalogue."""

    label_name: str
    first: int
    n_photos: int


# From rich to poor; the first that fits is taken.
_LAYOUTS = (
    _Layout(10, 88, 75, least_cell_px=924),
    _Layout(8, 72, 70),
    _Layout(6, 56, 65),
    _Layout(4, 48, 60),
    _Layout(3, 44, 60),
    _Layout(2, 40, 60),
    _Layout(1, 40, 50),
    _Layout(1, 32, 30),
)


def within_room(exhibits: Iterable[Exhibit], room_bytes: int) -> list[Exhibit]:
    """The first exhibits, as many as take no more bytes of the page than there is room for."""
    taken = []
    for exhibit in exhibits:
        room_bytes -= len(exhibit_html(exhibit).encode()) + 1  # and a line break
        if room_bytes < 0:
            break
        taken.append(exhibit)
    return taken


def class_sheets(
    counts: Mapping[str, int], photo: Callable[[int], Image8], room_bytes: int
) -> Section:
    """Some photos of every class, taken evenly from all that it has.

    Args:
        counts: photos by class; the rows follow this order, class after class.
        photo: gives the image of a row, shape (side, side, 3).
        room_bytes: what the photos and their captions may take of the page.
    """
    layout, exhibits = _fitting(_class_rows(counts), photo, room_bytes)
    told = "Some photos of each class, letterboxed as for the student."
    if len(exhibits) < len(counts):
        told += f" The first {len(exhibits):,} of {len(counts):,} classes have room here."
    cell_px = max(layout.per_class * (layout.side_px + _GAP_PX), layout.least_cell_px, 110)
    is_folded = len(exhibits) > _OPEN_CLASSES
    title = f"Photos of {counted(len(exhibits), 'class', 'classes')}" if is_folded else ""
    gallery = Gallery(exhibits, cell_px, title, folded=is_folded)
    return Section("What the network sees", [told], galleries=[gallery])


def _class_rows(counts: Mapping[str, int]) -> list[_ClassRows]:
    ends = np.cumsum(list(counts.values())).tolist()
    return [
        _ClassRows(name, end - n, n) for (name, n), end in zip(counts.items(), ends, strict=True)
    ]


def _fitting(
    classes: Sequence[_ClassRows], photo: Callable[[int], Image8], room_bytes: int
) -> tuple[_Layout, list[Exhibit]]:
    """The richest layout in which all classes have room, else the poorest with those that do."""
    sampled = classes[:: -(-len(classes) // _N_SAMPLED)]
    for layout in _LAYOUTS[:-1]:
        # A few classes show what is far too large, before all of them are packed in vain.
        share = room_bytes * len(sampled) // len(classes)
        if len(within_room(_exhibits(sampled, photo, layout), share)) < len(sampled):
            continue
        exhibits = within_room(_exhibits(classes, photo, layout), room_bytes)
        if len(exhibits) == len(classes):
            return layout, exhibits
    layout = _LAYOUTS[-1]
    return layout, within_room(_exhibits(classes, photo, layout), room_bytes)


def _exhibits(
    classes: Iterable[_ClassRows], photo: Callable[[int], Image8], layout: _Layout
) -> Iterator[Exhibit]:
    for label_name, first, n_photos in classes:
        n_shown = min(layout.per_class, n_photos)
        rows = first + np.linspace(0, n_photos - 1, n_shown).round().astype(np.int64)
        name = shown_class(label_name)
        # One description for the row of pictures: the others have nothing to add for the ear.
        alts = [f"{counted(n_shown, 'photo')} of {name}"] + [""] * (n_shown - 1)
        shots = [
            Shot(Picture(thumbnail(photo(int(row)), layout.side_px, layout.quality), alt))
            for row, alt in zip(rows, alts, strict=True)
        ]
        yield Exhibit(shots, name, counted(n_photos, "photo"))
