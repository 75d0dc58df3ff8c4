"""How many photos each class has, and what a test on so few can tell."""

import html
import math
from collections.abc import Mapping, Sequence

from edgedistill.core.bounds import photos_for_half_width, wilson_interval
from edgedistill.report.page import Section, Table
from edgedistill.scan.findings import ScanFacts
from edgedistill.scan.report.wording import counted, quoted, shown_class

_HEADER = ("class", "photos", "share")
_ALL_OPEN = 60
_ENDS = 20
"""Of more classes than `_ALL_OPEN`, so many of the smallest and of the largest are shown open."""
_ROOM_BYTES = 300_000
_ROW_BYTES = 120  # of a row's markup and numbers

_USUAL_TEST_FRAC = 0.1
_ACCURACY = 0.9
"""An accuracy that people hope for: what is said of it holds nearly so for others."""
_HALF_WIDTH = 0.05


def class_section(facts: ScanFacts) -> Section:
    """Counts and shares, the smallest marked, and what the test photos can tell."""
    counts = facts.counts
    paragraphs = [_extent(counts), *_test_sentences(facts)]
    if len(counts) <= _ALL_OPEN:
        return Section("Classes", paragraphs, table=_marked_table(counts))
    by_size = sorted(counts, key=lambda name: counts[name])
    every = _rows(counts, _with_room(list(counts)))
    title = f"All {len(counts):,} classes"
    if len(every) < len(counts):
        title = f"The first {len(every):,} of {len(counts):,} classes; photos.csv has all"
    tables = [
        Table(_HEADER, _rows(counts, by_size[:_ENDS]), f"The {_ENDS} smallest"),
        Table(_HEADER, _rows(counts, by_size[: -_ENDS - 1 : -1]), f"The {_ENDS} largest"),
        Table(_HEADER, every, title, folded=True),
    ]
    return Section("Classes", paragraphs, tables=tables, abreast=True)


def _extent(counts: Mapping[str, int]) -> str:
    smallest = min(counts, key=lambda name: counts[name])
    largest = max(counts, key=lambda name: counts[name])
    if counts[smallest] == counts[largest]:
        return f"Every class has {counted(counts[smallest], 'photo')}."
    return (
        f"The smallest class is {quoted(smallest)} with {counted(counts[smallest], 'photo')}, "
        f"the largest {quoted(largest)} with {counted(counts[largest], 'photo')}."
    )


def _test_sentences(facts: ScanFacts) -> list[str]:
    """What an accuracy of 90 % on the test photos would mean, for a class and for all."""
    total = sum(facts.counts.values())
    own_frac = facts.split_counts.get("test", 0) / total
    test_frac = own_frac or _USUAL_TEST_FRAC
    needed = photos_for_half_width(_ACCURACY, _HALF_WIDTH)
    smallest = min(facts.counts, key=lambda name: facts.counts[name])
    n_photos = facts.counts[smallest]
    n_test = _test_photos(n_photos, test_frac)
    if n_test >= needed:
        return []
    n_short = sum(_test_photos(n, test_frac) < needed for n in facts.counts.values())
    part = f"{test_frac:.1%}, as in the whole collection," if own_frac else "a tenth"
    classes = counted(len(facts.counts), "class", "classes")
    return [
        f"With {part} of its {counted(n_photos, 'photo')} for test ({n_test:,}), an accuracy that "
        f"is measured as {_ACCURACY:.0%} for {quoted(smallest)} is known only to lie between "
        f"{_interval(n_test)} (95% confidence, Wilson's interval). Knowing it to ±5 points takes "
        f"{needed:,} test photos of a class, so about {math.ceil(needed / test_frac):,} photos of "
        f"it in all; {n_short:,} of {classes} {'has' if n_short == 1 else 'have'} fewer.",
        f"Over all classes together, {_test_photos(total, test_frac):,} test photos put a measured "
        f"{_ACCURACY:.0%} between {_interval(_test_photos(total, test_frac))}.",
    ]


def _test_photos(n_photos: int, test_frac: float) -> int:
    return max(1, math.floor(n_photos * test_frac + 0.5))


def _interval(n_test: int) -> str:
    low, high = wilson_interval(_ACCURACY * n_test, n_test)
    return f"{low:.1%} and {high:.1%}"


def _marked_table(counts: Mapping[str, int]) -> Table:
    """All classes; a fourth column marks the smallest, where one is smaller than another."""
    smallest, largest = min(counts.values()), max(counts.values())
    rows = _rows(counts, list(counts))
    if smallest == largest:
        return Table(_HEADER, rows)
    marks = ["smallest" if n == smallest else "" for n in counts.values()]
    marked = [[*row, mark] for row, mark in zip(rows, marks, strict=True)]
    return Table((*_HEADER, "note"), marked)


def _rows(counts: Mapping[str, int], label_names: Sequence[str]) -> list[list[str]]:
    total = sum(counts.values())
    return [
        [shown_class(name), f"{counts[name]:,}", f"{counts[name] / total:.2%}"]
        for name in label_names
    ]


def _with_room(label_names: Sequence[str]) -> list[str]:
    """The first names, as many as fit."""
    taken, room_bytes = [], _ROOM_BYTES
    for name in label_names:
        room_bytes -= len(html.escape(shown_class(name)).encode()) + _ROW_BYTES
        if room_bytes < 0:
            break
        taken.append(name)
    return taken
