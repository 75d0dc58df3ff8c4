"""What the findings mean, in sentences: whether the photos are fit for training, what to do."""

from collections.abc import Iterator
from dataclasses import dataclass

from edgedistill.scan.findings import (
    BAD_FILE,
    CONFLICT,
    DUPLICATE,
    NEAR_DUPLICATE,
    OTHER_LABEL,
    ScanFacts,
)
from edgedistill.scan.report.wording import counted, in_words, listed, quoted

LISTED_KINDS = (CONFLICT, OTHER_LABEL, NEAR_DUPLICATE, DUPLICATE, BAD_FILE)
"""Kinds that have a section of their own; every other kind is an odd look."""
FEW_PHOTOS = 100
"""A class with fewer has fewer than ten photos in a test split of a tenth."""
SPLIT_NAMES = ("train", "val", "test", "calib")
_ASKED_FOR = ("train", "val", "test")
"""Parts that every split has; the last is one that only some have."""

# Below these shares and ratios a finding is listed further down, but is no reason to worry.
_NOTABLE_BAD_SHARE = 0.01
_NOTABLE_IMBALANCE = 10
_NOTABLE_LEAK = 0.01
_NOTABLE_ODD_SHARE = 0.02
_MOST_CLAUSES = 3


@dataclass(frozen=True)
class Remark:
    """One thing that stands out: a clause for the verdict, and sentences that say what to do."""

    clause: str
    advice: str


def verdict(facts: ScanFacts) -> str:
    """The sentence that a hurried reader reads: fit or not, and what stands out most."""
    remarks = standing_out(facts)
    if not remarks:
        return "These photos can be trained on: nothing stands out."
    clauses = [remark.clause for remark in remarks[:_MOST_CLAUSES]]
    more = len(remarks) - len(clauses)
    if more:
        clauses.append(f"and {in_words(more)} more below")
    start = (
        "These photos can be trained on, but look at"
        if not list(_too_few_to_split(facts))
        else "These photos cannot be split for training yet. Look at"
    )
    things = counted(len(remarks), "thing").partition(" ")[2]
    return f"{start} {in_words(len(remarks))} {things} first: {'; '.join(clauses)}."


def standing_out(facts: ScanFacts) -> list[Remark]:
    """All that is worth a look, what matters most first; empty where nothing is."""
    return [
        *_too_few_to_split(facts),
        *_conflicts(facts),
        *_other_labels(facts),
        *_bad_files(facts),
        *_small_classes(facts),
        *_imbalance(facts),
        *_leak(facts),
        *_odd_photos(facts),
    ]


def odd_found(facts: ScanFacts) -> dict[str, int]:
    """Findings by kind of odd look, most frequent first."""
    found = {k: n for k, n in facts.n_found.items() if k not in LISTED_KINDS and n}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def n_left_out(facts: ScanFacts) -> int:
    """Files that are not in the catalogue: unusable ones, and those under two labels."""
    return facts.n_found.get(BAD_FILE, 0) + facts.n_found.get(CONFLICT, 0)


def division(facts: ScanFacts) -> list[str]:
    """Sentences about a collection that is divided already; none for one that is not."""
    if not facts.split_counts:
        return []
    parts = [
        f"{facts.split_counts[name]:,} for {name}" for name in SPLIT_NAMES if _part(facts, name)
    ]
    sentences = [
        f"This collection is divided already, and its division is kept as it is: {listed(parts)}."
    ]
    missing = [name for name in _ASKED_FOR if not _part(facts, name)]
    if "train" in missing:
        sentences.append("It has no photos for train: nothing can be trained before it has some.")
    elif missing:
        sentences.append(f"It has none for {listed(missing)}: these are taken from train.")
    undecided = sum(n for name, n in facts.split_counts.items() if name not in SPLIT_NAMES)
    if undecided:
        sentences.append(f"{counted(undecided, 'photo belongs', 'photos belong')} to no part.")
    return sentences


def _part(facts: ScanFacts, name: str) -> int:
    return facts.split_counts.get(name, 0)


def _too_few_to_split(facts: ScanFacts) -> Iterator[Remark]:
    """The classes that split will refuse: in each part that it draws, and in train, it wants one.

    A group is never divided, so groups count, of which a class has at most as many as photos.
    """
    drawn = [name for name in _ASKED_FOR[1:] if not _part(facts, name)]
    least = 1 + len(drawn)
    few = sorted(name for name in facts.counts if facts.n_groups[name] < least)
    if not few:
        return
    name = few[0]
    more = f", and so have {len(few) - 1:,} more" if len(few) > 1 else ""
    yield Remark(
        f"class {quoted(name)} has {_drawn_from(facts, name)}, and a split needs {least:,}{more}",
        "The next step will stop at such a class: add photos of other things, or take it away.",
    )


def _drawn_from(facts: ScanFacts, name: str) -> str:
    """Photos of a class that split may draw, and groups where these are fewer."""
    by_split, n_groups = facts.by_split.get(name, {}), facts.n_groups[name]
    n_photos = by_split.get("train", 0) if facts.by_split else facts.counts[name]
    told = f"only {counted(n_photos, 'photo')}" if n_photos else "no photo"
    if facts.by_split:
        told += " in train"
    if n_groups < n_photos:
        told = f"{told.removeprefix('only ')} but only {counted(n_groups, 'group')} of them"
    return told


def _conflicts(facts: ScanFacts) -> Iterator[Remark]:
    n = facts.n_found.get(CONFLICT, 0)
    if n:
        clause = (
            f"{counted(n, 'photo lies', 'photos lie')} under two labels and {_were(n)} left out"
        )
        yield Remark(
            clause,
            "The very same picture is in two classes, so that one of its labels must be wrong. "
            "Keep the file in the class where it belongs, delete it in the other, and scan again.",
        )


def _other_labels(facts: ScanFacts) -> Iterator[Remark]:
    n = facts.n_found.get(OTHER_LABEL, 0)
    if n:
        yield Remark(
            f"{counted(n, 'pair', 'pairs')} of nearly equal photos {_have(n)} different labels",
            "Most often one of the two labels is wrong. Look at the pairs below, and move the "
            "photo that is in the wrong class; where both labels are right, leave them.",
        )


def _bad_files(facts: ScanFacts) -> Iterator[Remark]:
    n = facts.n_found.get(BAD_FILE, 0)
    share = n / (sum(facts.counts.values()) + n_left_out(facts))
    if share >= _NOTABLE_BAD_SHARE:
        clause = f"{counted(n, 'file')} ({share:.1%}) {_were(n)} unusable and left out"
        yield Remark(
            clause,
            "The reasons are below, every file is in bad_files.txt. Convert or copy anew those "
            "that should be photos, and take away the rest.",
        )


def _small_classes(facts: ScanFacts) -> Iterator[Remark]:
    few = sorted((n, name) for name, n in facts.counts.items() if n < FEW_PHOTOS)
    if not few:
        return
    n, name = few[0]
    if len(few) == 1:
        clause = f"class {quoted(name)} has only {counted(n, 'photo')}"
    else:
        clause = (
            f"{len(few):,} of {len(facts.counts):,} classes have fewer than {FEW_PHOTOS} photos, "
            f"the smallest, {quoted(name)}, only {n:,}"
        )
    yield Remark(
        clause,
        "So few teach little, and the test says little about them: collect photos of these "
        "classes first, or merge them with a class that the app may confuse them with.",
    )


def _imbalance(facts: ScanFacts) -> Iterator[Remark]:
    largest, smallest = max(facts.counts.values()), min(facts.counts.values())
    if largest >= _NOTABLE_IMBALANCE * smallest:
        ratio = largest / smallest
        yield Remark(
            f"the largest class has {ratio:,.0f} times the photos of the smallest",
            "Leave use_class_weights on, so that each class counts alike in training, and read "
            "each class's own score in the final report rather than the accuracy alone.",
        )


def _leak(facts: ScanFacts) -> Iterator[Remark]:
    if facts.leak_share < _NOTABLE_LEAK:
        return
    share = f"{facts.leak_share:.1%}"
    if facts.has_own_test:
        yield Remark(
            f"{share} of the test photos have {_kin(facts)} in train or val",
            "This collection's own division is kept, so its test score will be too good: move "
            "such photos to one side, or give the photos undivided and leave that to split.",
        )
        return
    yield Remark(
        f"{share} of the test photos would have had {_kin(facts)} in train (now kept together)",
        "Nothing needs to be done about the test: split keeps the photos of a group on one side. "
        "They teach and test less than as many photos that have nothing in common.",
    )


def _kin(facts: ScanFacts) -> str:
    """What the photos of a group are to each other: alike, or grouped by their owner.

    A pair that was found brings at most two photos into groups: where more are grouped, the
    collection names groups of its own.
    """
    n_pairs = sum(facts.n_found.get(k, 0) for k in (OTHER_LABEL, NEAR_DUPLICATE, DUPLICATE))
    return "a near duplicate" if facts.n_grouped <= 2 * n_pairs else "a photo of their own group"


def _odd_photos(facts: ScanFacts) -> Iterator[Remark]:
    n_photos = sum(facts.counts.values())
    notable = [(k, n) for k, n in odd_found(facts).items() if n / n_photos >= _NOTABLE_ODD_SHARE]
    if notable:
        told = listed([f"{n / n_photos:.1%} {kind}" for kind, n in notable])
        yield Remark(
            f"many photos look odd ({told})",
            "They are kept. Look at some below: take away what no user would photograph, and "
            "keep what the app will really see.",
        )


def _were(n: int) -> str:
    return "was" if n == 1 else "were"


def _have(n: int) -> str:
    return "has" if n == 1 else "have"
