"""How many photos each class has, and what a test on so few can tell."""

import html
import math
from collections.abc import Mapping, Sequence

from edgedistill.core.bounds import photos_for_half_width, wilson_interval
from edgedistill.core.splits import shares_of_train
from edgedistill.report.page import Section, Table
from edgedistill.scan.findings import USUAL_FRAC, ScanFacts
from edgedistill.scan.report.wording import counted, quoted, shown_class

_HEADER = ("class", "photos", "share")
_ALL_OPEN = 60
_ENDS = 20
"""Of more classes than `_ALL_OPEN`, so many of the smallest and of the largest are shown open."""
_ROOM_BYTES = 300_000
_ROW_BYTES = 120  # of a row's markup and numbers

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
    n_test, share = _test_photos(facts)
    needed = photos_for_half_width(_ACCURACY, _HALF_WIDTH)
    untested = [name for name, n in n_test.items() if not n]
    tested = [name for name, n in n_test.items() if n]
    told = []
    if untested and facts.has_own_test:
        more = f" and of {len(untested) - 1:,} more" if len(untested) > 1 else ""
        told.append(
            f"The collection's own test has no photo of {quoted(untested[0])}{more}: nothing will "
            "be known of it."
        )
    if not tested or min(n_test.values()) >= needed:
        return told
    smallest = min(tested, key=lambda name: n_test[name])
    n_short = sum(n < needed for n in n_test.values())
    classes = counted(len(n_test), "class", "classes")
    in_all = f", so about {math.ceil(needed / share):,} photos of it in all" if share else ""
    total = sum(n_test.values())
    return [
        *told,
        f"With {_part_for_test(facts, smallest, share)} for test ({n_test[smallest]:,}), an "
        f"accuracy that is measured as {_ACCURACY:.0%} for {quoted(smallest)} is known only to lie "
        f"between {_interval(n_test[smallest])} (95% confidence, Wilson's interval). Knowing it to "
        f"±5 points takes {needed:,} test photos of a class{in_all}; {n_short:,} of {classes} "
        f"{'has' if n_short == 1 else 'have'} fewer.",
        f"Over all classes together, {counted(total, 'test photo')} put a measured "
        f"{_ACCURACY:.0%} between {_interval(total)}.",
    ]


def _part_for_test(facts: ScanFacts, name: str, share: float) -> str:
    if not share:
        return "what the collection itself gives"
    if not facts.by_split:
        return f"a tenth of its {counted(facts.counts[name], 'photo')}"
    return f"{share:.1%} of its {counted(facts.by_split[name].get('train', 0), 'photo')} in train"


def _test_photos(facts: ScanFacts) -> tuple[dict[str, int], float]:
    """Test photos by class, and the share of photos that they are; 0 where test is given."""
    if facts.has_own_test:
        return {name: of.get("test", 0) for name, of in facts.by_split.items()}, 0.0
    given = {part for part, n in facts.split_counts.items() if n and part}
    share = shares_of_train(given, USUAL_FRAC, USUAL_FRAC)[1]
    drawn_from = facts.counts
    if given:
        drawn_from = {name: of.get("train", 0) for name, of in facts.by_split.items()}
    return {name: _drawn(n, share) for name, n in drawn_from.items()}, share


def _drawn(n_photos: int, share: float) -> int:
    return min(n_photos, max(1, math.floor(n_photos * share + 0.5)))


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
