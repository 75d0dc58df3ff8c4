"""The report of split: what was divided, what leaks, and what the test photos can tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgedistill.core.bounds import photos_for_half_width, wilson_interval
from edgedistill.report.page import Headline, Section, Table, render_page

_ACCURACY = 0.9
"""An accuracy that people hope for: what is said of it holds nearly so for others."""
_HALF_WIDTH = 0.05
_MAX_ROWS = 50
_MAX_SENTENCES = 10
_PURPOSES = {
    "train": "to train on",
    "val": "to choose epochs and the threshold on",
    "test": "to report on",
    "calib": "set aside for the threshold",
}
_EPOCHS_ALONE = "to choose epochs on"
"""What val is for where photos are set aside for the threshold."""


@dataclass(frozen=True)
class SplitFacts:
    """What there is to tell.

    Attributes:
        parts: train, val, test; and calib, where photos are set aside for the threshold.
        counts: by class, photos in each part.
        wishes: by class, the counts that the fractions ask for; where a split was given, its own.
        given: the parts that the collection itself names, in order; empty: all was drawn.
        taken_frac: share of the given train that each part that was missing got, by its name.
        aside_frac: share of train that was set aside for the threshold; 0 where none was drawn.
        seed: of the draw.
        n_groups: groups of several photos.
        n_divided: groups with photos in more than one part.
        n_leaked: test photos with another of their group in another part.
        leak_share_avoided: share of the test photos that would have had another of their group in
            train, had each photo been drawn alone.
    """

    parts: Sequence[str]
    counts: Mapping[str, Sequence[int]]
    wishes: Mapping[str, Sequence[int]]
    given: Sequence[str]
    taken_frac: Mapping[str, float]
    aside_frac: float
    seed: int
    n_groups: int
    n_divided: int
    n_leaked: int
    leak_share_avoided: float

    @property
    def n_photos(self) -> list[int]:
        """Photos in each part."""
        return [sum(counts) for counts in zip(*self.counts.values(), strict=True)]

    @property
    def leak_share(self) -> float:
        """Share of the test photos with another of their group in another part."""
        return self.n_leaked / self.n_photos[2]

    def difference(self, label_name: str) -> int:
        """By how many photos a class is off its wish, where it is most."""
        pairs = zip(self.counts[label_name], self.wishes[label_name], strict=True)
        return max(abs(have - wish) for have, wish in pairs)

    @property
    def largest_difference(self) -> int:
        """The same, of the class that is off most."""
        return max(map(self.difference, self.counts))


def render_split_page(facts: SplitFacts) -> str:
    """The report as HTML."""
    sections = [
        Section("Where the split comes from", origin_sentences(facts)),
        _counts_section(facts),
        _precision_section(facts),
    ]
    return render_page("Split", _verdict(facts), sections, _headlines(facts))


def _purposes(facts: SplitFacts) -> list[str]:
    """What the photos of each part are for."""
    purposes = dict(_PURPOSES)
    if "calib" in facts.parts:
        purposes["val"] = _EPOCHS_ALONE
    return [purposes[part] for part in facts.parts]


def _headlines(facts: SplitFacts) -> list[Headline]:
    told = zip(facts.n_photos, facts.parts, _purposes(facts), strict=True)
    return [Headline(f"{n:,}", part, f"photos {purpose}") for n, part, purpose in told]


def leak_warning(facts: SplitFacts) -> str:
    """What is wrong with a given split that divides groups."""
    n_test = facts.n_photos[2]
    return (
        f"The collection's own split divides {_counted(facts.n_divided, 'group')} of photos that "
        f"repeat each other or belong together: {facts.n_leaked:,} of {n_test:,} test photos "
        f"({facts.leak_share:.1%}) have another of their group in {_others(facts, 'or')}."
    )


def _others(facts: SplitFacts, word: str) -> str:
    """All parts but test."""
    return _and([part for part in facts.parts if part != "test"], word)


def absent_sentences(facts: SplitFacts) -> list[str]:
    """One sentence for each part but train where the collection's own lacks some class."""
    sentences = []
    for part, name, effect in (
        (1, "val", "what is chosen on it is chosen without them"),
        (2, "test", "nothing is known of them, and macro F1 counts each as 0"),
        (3, "calib", "the threshold is chosen without them"),
    )[: len(facts.parts) - 1]:
        absent = [label for label, counts in facts.counts.items() if not counts[part]]
        if absent:
            named = ", ".join(f"'{label}'" for label in absent[:_MAX_SENTENCES])
            more = len(absent) - _MAX_SENTENCES
            rest = f" and {more:,} more" if more > 0 else ""
            sentences.append(
                f"The collection's own {name} has no photo of {named}{rest}: {effect}."
            )
    return sentences


def origin_sentences(facts: SplitFacts) -> list[str]:
    """Which parts were given, which were drawn, and from what."""
    aside = []
    if facts.aside_frac:
        aside = [
            f"Of each class of train, {facts.aside_frac:.1%} was then set aside, with seed "
            f"{facts.seed}: the threshold is chosen on photos that nothing else was chosen on."
        ]
    if not facts.given:
        return [
            f"Drawn with seed {facts.seed}, class by class, by the content of the photos: the same "
            "photos give the same split, whatever their names, order and machine.",
            *aside,
        ]
    sentences = [f"The collection's own {_and(facts.given)} is kept as it is."]
    for name, frac in facts.taken_frac.items():
        sentences.append(
            f"It has no {name}: {frac:.1%} of each class of its train was drawn for it, "
            f"with seed {facts.seed}."
        )
    return [*sentences, *aside]


def _verdict(facts: SplitFacts) -> str:
    told = [f"{n:,} {for_}" for n, for_ in zip(facts.n_photos, _purposes(facts), strict=True)]
    first = f"{told[0].replace(' ', ' photos ', 1)}, {', '.join(told[1:])}."
    if facts.n_leaked:
        return (
            f"The test score of this split will be too good. {leak_warning(facts)} It was given, "
            f"so it was not changed: move those photos, or leave the split to this step. {first}"
        )
    return f"{first} {_group_sentence(facts)}"


def _group_sentence(facts: SplitFacts) -> str:
    groups = _counted(facts.n_groups, "group")
    if facts.n_divided:
        return (
            f"Of {groups} of photos that repeat each other or belong together, the collection's "
            f"own split divides {facts.n_divided:,} between {_others(facts, 'and')}; "
            "none reaches into test."
        )
    if not facts.n_groups:
        return "No photo repeats another: each was placed by itself."
    kept = f"Photos that repeat each other or belong together stay in one part ({groups})"
    if "test" in facts.given:
        return f"{kept}."
    return (
        f"{kept}: drawn photo by photo, {facts.leak_share_avoided:.1%} of the test photos would "
        "have had one of their group in train."
    )


def _counts_section(facts: SplitFacts) -> Section:
    names = list(facts.counts)
    paragraphs = [_difference_sentence(facts), *absent_sentences(facts)]
    if len(names) > _MAX_ROWS:
        which = f"{_MAX_ROWS} of {len(names):,} classes"
        paragraphs.append(
            f"The {which} that are farthest from the wish:"
            if facts.largest_difference
            else f"The first {which}:"
        )
        names = sorted(names, key=lambda name: (-facts.difference(name), name))[:_MAX_ROWS]
    wished = [sum(wishes) for wishes in zip(*facts.wishes.values(), strict=True)]
    rows = [(name, facts.counts[name], facts.wishes[name]) for name in names]
    rows.append(("all", facts.n_photos, wished))
    return Section("Photos", paragraphs, table=_counts_table(facts.parts, rows, _is_drawn(facts)))


def _counts_table(
    parts: Sequence[str],
    rows: Sequence[tuple[str, Sequence[int], Sequence[int]]],
    with_wishes: bool,
) -> Table:
    """Counts by part; the wish stands beside each where something was drawn."""
    if not with_wishes:
        cells = [[name, *(f"{n:,}" for n in (*have, sum(have)))] for name, have, _ in rows]
        return Table(["class", *parts, "all"], cells)
    header = ["class", *(word for part in parts for word in (part, "wished")), "all"]
    return Table(header, [[name, *_count_cells(have, wish)] for name, have, wish in rows])


def _count_cells(counts: Sequence[int], wishes: Sequence[int]) -> list[str]:
    cells = [f"{n:,}" for pair in zip(counts, wishes, strict=True) for n in pair]
    return [*cells, f"{sum(counts):,}"]


def _is_drawn(facts: SplitFacts) -> bool:
    return not facts.given or bool(facts.taken_frac) or bool(facts.aside_frac)


def _difference_sentence(facts: SplitFacts) -> str:
    if not _is_drawn(facts):
        return "Nothing was drawn, so nothing was wished for: the counts are the collection's."
    off = [name for name in facts.counts if facts.difference(name)]
    if not off and facts.given:
        return "What was drawn has just the photos of each class that its share asks for."
    if not off:
        return "Every class has just the photos that its shares ask for."
    worst = max(off, key=facts.difference)
    return (
        f"{_counted(len(off), 'class', 'classes')} of {len(facts.counts):,} could not be divided "
        f"just as wished, because groups stay whole; '{worst}' is off most, by "
        f"{_counted(facts.difference(worst), 'photo')}."
    )


def _precision_section(facts: SplitFacts) -> Section:
    """The classes whose test photos say least come first."""
    n_test = {name: counts[2] for name, counts in facts.counts.items()}
    needed = photos_for_half_width(_ACCURACY, _HALF_WIDTH)
    order = sorted(n_test, key=lambda name: (n_test[name], name))
    few = [name for name in order if 0 < n_test[name] < needed]
    header = ["class", "test photos", f"{_ACCURACY:.0%} would be", "half width"]
    table = Table(header, [_precision_row(name, n_test[name]) for name in order[:_MAX_ROWS]])
    low, high = _interval(facts.n_photos[2])
    paragraphs = [
        f"Over all {facts.n_photos[2]:,} test photos, a measured accuracy of {_ACCURACY:.0%} "
        f"would be known to lie between {low:.1%} and {high:.1%} (95% confidence, Wilson's "
        f"interval). Of one class, plus or minus {_HALF_WIDTH * 100:g} points take {needed:,} "
        f"test photos; {len(few):,} of {len(n_test):,} classes "
        f"{'has' if len(few) == 1 else 'have'} fewer."
    ]
    if len(order) > _MAX_ROWS:
        paragraphs.append(f"The {_MAX_ROWS} of {len(order):,} classes with fewest test photos:")
    bullets = [_precision_sentence(name, n_test[name], needed) for name in few[:_MAX_SENTENCES]]
    return Section("What the test photos can tell", paragraphs, bullets, table)


def _precision_sentence(label_name: str, n_test: int, needed: int) -> str:
    low, high = _interval(n_test)
    return (
        f"'{label_name}': on {_counted(n_test, 'test photo')}, {_ACCURACY:.0%} measured would "
        f"only mean between {low:.0%} and {high:.0%}; plus or minus {_HALF_WIDTH * 100:g} points "
        f"take {needed - n_test:,} more."
    )


def _precision_row(label_name: str, n_test: int) -> list[str]:
    if not n_test:
        return [label_name, "0", "–", "–"]
    low, high = _interval(n_test)
    return [
        label_name, f"{n_test:,}", f"{low:.1%} to {high:.1%}",
        f"{(high - low) / 2 * 100:.1f} points",
    ]  # fmt: skip


def _interval(n_test: int) -> tuple[float, float]:
    return wilson_interval(_ACCURACY * n_test, n_test)


def _and(words: Sequence[str], word: str = "and") -> str:
    return f" {word} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _counted(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"
