"""The findings themselves, to look at: pairs side by side, odd photos, files left out."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edgedistill.report.page import Exhibit, Gallery, Picture, Section, Shot, Table
from edgedistill.report.thumbnail import thumbnail
from edgedistill.scan.findings import (
    BAD_FILE,
    CONFLICT,
    DUPLICATE,
    NEAR_DUPLICATE,
    OTHER_LABEL,
    Finding,
    ScanFacts,
    ShownFinding,
)
from edgedistill.scan.report.sheets import within_room
from edgedistill.scan.report.verdict import odd_found
from edgedistill.scan.report.wording import counted, listed, shown_class, shown_detail, shown_place

_MOST_PAIRS = 12
_MOST_ODD = 12
_MOST_REASONS = 40
_MOST_EXAMPLES = 3
_PAIR_PX = 112
_ODD_PX = 88
_PAIR_CELL_PX = 300
_ODD_CELL_PX = 150
# Four sections of pairs and those of odd photos take no more, however finely grained they are.
_PAIRS_ROOM_BYTES = 110_000
_ODD_ROOM_BYTES = 160_000

_PAIR_SECTIONS = (
    (
        CONFLICT,
        "Under two labels",
        "The same picture, to the pixel, under two labels: neither can be trusted, and both are "
        "left out until one is deleted.",
    ),
    (
        OTHER_LABEL,
        "Nearly equal, but labelled differently",
        "Most often one of the two labels is wrong. Both photos are kept, the most alike come "
        "first.",
    ),
    (
        NEAR_DUPLICATE,
        "Nearly equal photos of one class",
        "The same scene again: resized, compressed anew, cropped a little, or the next of a "
        "burst. They are kept and form groups{kept}.",
    ),
    (
        DUPLICATE,
        "The same photo more than once in a class",
        "Equal to the pixel. They are kept and form groups{kept}; deleting all but one of each "
        "loses nothing.",
    ),
)


def pair_sections(facts: ScanFacts) -> list[Section]:
    """A section for each kind of pair that was found, the gravest kind first."""
    return [
        _pair_section(facts, kind, title, told)
        for kind, title, told in _PAIR_SECTIONS
        if facts.n_found.get(kind, 0)
    ]


def _pair_section(facts: ScanFacts, kind: str, title: str, told: str) -> Section:
    pairs = _distinct_pairs(facts.shown.get(kind, ()))
    exhibits = within_room(map(_pair, pairs[:_MOST_PAIRS]), _PAIRS_ROOM_BYTES)
    seen = {_key(shown.finding) for shown in pairs[: len(exhibits)]}
    n_told = sum(_key(shown.finding) in seen for shown in facts.shown.get(kind, ()))
    n = facts.n_found[kind]
    noun = counted(n, "photo") if kind in (CONFLICT, DUPLICATE) else counted(n, "pair")
    paragraphs = [f"{noun}. {told.format(kept=_kept(facts))}", *_more(n - n_told)]
    return Section(title, paragraphs, galleries=_gallery(exhibits, _PAIR_CELL_PX))


def _kept(facts: ScanFacts) -> str:
    """What becomes of groups; split leaves a division that is there as it is."""
    if facts.split_counts:
        return ", but the collection's own division is kept, also where it parts them"
    return " that split never divides, so that none is tested on what was trained"


def _distinct_pairs(shown: Sequence[ShownFinding]) -> list[ShownFinding]:
    """Each pair once, though both of its photos may have a row that names the other."""
    return list({_key(one.finding): one for one in reversed(shown)}.values())[::-1]


def _key(finding: Finding) -> frozenset[tuple[str, str]]:
    return frozenset({(finding.label_name, finding.filepath), (finding.other_label, finding.other)})


def _pair(shown: ShownFinding) -> Exhibit:
    finding = shown.finding
    shots = [
        _shot(shown.picture, finding.label_name, finding.filepath, _PAIR_PX),
        _shot(shown.other_picture, finding.other_label, finding.other, _PAIR_PX),
    ]
    return Exhibit(shots, text=shown_detail(finding.detail))


def _shot(picture: NDArray[np.uint8] | None, label_name: str, place: str, side_px: int) -> Shot:
    name = shown_class(label_name)
    # Name and place stand below: the ear need not hear them twice.
    alt = f"Photo labelled {name}"
    image = None if picture is None else Picture(thumbnail(picture, side_px), alt)
    return Shot(image, name, shown_place(place))


def _gallery(exhibits: Sequence[Exhibit], cell_px: int, title: str = "") -> list[Gallery]:
    return [Gallery(exhibits, cell_px, title)] if exhibits else []


def _more(n: int) -> Iterator[str]:
    if n > 0:
        yield f"And {n:,} more in findings.csv."


def odd_section(facts: ScanFacts) -> Section | None:
    """Photos that look unlike the rest, kind by kind; None where there are none."""
    found = odd_found(facts)
    if not found:
        return None
    galleries = []
    room_bytes = _ODD_ROOM_BYTES // len(found)
    for kind, n in found.items():
        exhibits = within_room(map(_odd, facts.shown.get(kind, ())[:_MOST_ODD]), room_bytes)
        more = f"; {n - len(exhibits):,} more in findings.csv" if n > len(exhibits) else ""
        title = f"{kind[:1].upper()}{kind[1:]}: {counted(n, 'photo')}{more}"
        galleries.append(Gallery(exhibits, _ODD_CELL_PX, title))
    told = (
        "They are kept: an odd photo may be just what the app will see. Take away those that no "
        "user would take."
    )
    return Section("Odd photos", [told], galleries=galleries)


def _odd(shown: ShownFinding) -> Exhibit:
    finding = shown.finding
    shot = _shot(shown.picture, finding.label_name, finding.filepath, _ODD_PX)
    return Exhibit([shot], text=shown_detail(finding.detail))


def left_out_section(facts: ScanFacts) -> Section | None:
    """The unusable files, those of one reason together; None where there are none."""
    n = facts.n_found.get(BAD_FILE, 0)
    if not n:
        return None
    places: dict[str, list[str]] = defaultdict(list)
    shown = [one.finding for one in facts.shown.get(BAD_FILE, ())]
    for finding in shown:
        places[finding.detail].append(finding.filepath)
    reasons = sorted(places, key=lambda reason: -len(places[reason]))[:_MOST_REASONS]
    n_told = sum(len(places[reason]) for reason in reasons)
    told = f"{counted(n, 'file')} cannot be used."
    if n_told < n:
        told += (
            f" The first {n_told:,} by reason; bad_files.txt and findings.csv have "
            f"{n - n_told:,} more."
        )
    rows = [
        [shown_detail(reason), f"{len(places[reason]):,}", _examples(places[reason])]
        for reason in reasons
    ]
    table = Table(("reason", "files", "for example"), rows) if rows else None
    return Section("Files left out", [told], table=table)


def _examples(places: Sequence[str]) -> str:
    more = len(places) - _MOST_EXAMPLES
    names = [shown_place(place) for place in places[:_MOST_EXAMPLES]]
    return listed([*names, f"{more:,} more"] if more > 0 else names)
