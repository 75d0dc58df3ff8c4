"""The step split: a catalogue becomes packed data sets that need it no more."""

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from edgedistill.artifacts import PHOTOS_CSV, SPLITS
from edgedistill.core.leaks import alone, divided_groups, leaked_rows
from edgedistill.core.splits import (
    CALIB,
    ClassTooSmallError,
    Item,
    Split,
    TooFewGroupsError,
    group_numbers,
    honoured_split,
    set_aside,
    shares_of_train,
    split_counts,
    stratified_group_split,
)
from edgedistill.datasets import PackedDataset
from edgedistill.errors import ArtifactError, DatasetError
from edgedistill.folders import write_file
from edgedistill.settings import SplitSettings
from edgedistill.split.page import (
    SplitFacts,
    absent_sentences,
    leak_warning,
    origin_sentences,
    render_split_page,
)
from edgedistill.split.parts import digest_of, write_part

_log = logging.getLogger(__name__)

_LEFT_IN_TRAIN = " left in train, from which calib_frac takes a share"


class Parts(NamedTuple):
    """Rows of the catalogue, ascending, disjoint, together all of it; calib may be empty."""

    train: list[int]
    val: list[int]
    test: list[int]
    calib: list[int]


def split_catalog(
    catalog: str,
    train: str,
    val: str,
    test: str,
    calib: str,
    report: str,
    settings: SplitSettings,
) -> dict[str, float]:
    """Writes each part as a packed data set of its own, its rows in the catalogue's order.

    A split that the collection itself brings is kept; what it lacks is drawn from its train.

    Args:
        catalog: what the step scan wrote.
        train: folder to write.
        val: folder to write.
        test: folder to write; in it the photos of no class, and the test photos that were resized
            carelessly, where scan packed some.
        calib: folder to write, at the student's size alone: the photos that are set aside for the
            threshold, or val's again where none are.
        report: HTML file to write.
        settings: the fractions and the seed.

    Returns:
        n_train, n_val, n_test, n_calib (set aside); n_groups_divided and leak_share (of the test
        photos, with another of their group in train, val or calib), both 0 but where the
        collection's own split makes them; leak_share_avoided, largest_count_difference (photos),
        seconds.

    Raises:
        DatasetError: a class has too few photos or groups to be in each part.
        ArtifactError: the catalogue is missing or damaged.
    """
    started = time.monotonic()
    dataset = PackedDataset.open(catalog)
    dataset.require_whole(dataset.sizes_px)  # else what is damaged would be copied, and named anew
    items = [Item(p.label_name, p.digest, p.filepath, p.group) for p in dataset.photos]
    given = _given_parts(dataset)
    parts = _draw_all(items, given, settings)
    facts = _facts(dataset.label_names, items, given, parts, settings)
    _log_facts(facts)
    # Where nothing is set aside, the digest is that of three parts.
    digests = [digest_of([dataset.photos[row] for row in rows]) for rows in parts if rows]
    whole = hashlib.sha256("\n".join(digests).encode()).hexdigest()
    sizes_px = dataset.teacher_sizes_px
    for name, folder, rows in (("train", train, parts.train), ("val", val, parts.val)):
        write_part(folder, dataset, name, rows, split_digest=whole, teacher_sizes_px=sizes_px)
    write_part(
        test, dataset, "test", parts.test,
        split_digest=whole, teacher_sizes_px=sizes_px, with_unseen=True,
    )  # fmt: skip
    aside = (CALIB, parts.calib) if parts.calib else ("val", parts.val)
    write_part(calib, dataset, *aside, split_digest=whole)
    write_file(report, render_split_page(facts))
    return _metrics(facts, time.monotonic() - started)


def _given_parts(dataset: PackedDataset) -> list[str]:
    """The split that each photo's collection put it in; empty where it left that to this step.

    Raises:
        ArtifactError: it says so of some photos only, or names another split.
    """
    parts = [p.split for p in dataset.photos]
    if not any(parts):
        return []
    others = sorted(set(parts) - set(Parts._fields))
    if others:
        raise ArtifactError(
            f"{dataset.folder / PHOTOS_CSV} must give every photo the split "
            f"{', '.join(Parts._fields)}, "
            f"or none; got {others[0]!r}: run scan again."
        )
    return parts


def _draw_all(items: Sequence[Item], given: Sequence[str], settings: SplitSettings) -> Parts:
    """The split, and of its train what is set aside, unless the collection says what is."""
    split = _draw(items, given, settings)
    share = _calib_share(given, settings)
    if not share:
        return Parts(*split, [row for row, part in enumerate(given) if part == CALIB])
    try:
        train, calib = set_aside(items, split.train, share=share, seed=settings.seed)
    except ClassTooSmallError as error:
        raise DatasetError(_too_small(error, _LEFT_IN_TRAIN)) from None
    except TooFewGroupsError as error:
        raise DatasetError(_too_few_groups(error, _LEFT_IN_TRAIN)) from None
    return Parts(train, split.val, split.test, calib)


def _calib_share(given: Sequence[str], settings: SplitSettings) -> float:
    """The share of train that is set aside; 0 where the collection says what is."""
    return 0.0 if CALIB in given else settings.calib_frac / settings.train_frac


def _draw(items: Sequence[Item], given: Sequence[str], settings: SplitSettings) -> Split:
    val_frac, test_frac, seed = settings.val_frac, settings.test_frac, settings.seed
    place = " in its own train" if given else ""
    try:
        if given:
            return honoured_split(items, given, val_frac=val_frac, test_frac=test_frac, seed=seed)
        return stratified_group_split(items, val_frac=val_frac, test_frac=test_frac, seed=seed)
    except ClassTooSmallError as error:
        raise DatasetError(_too_small(error, place)) from None
    except TooFewGroupsError as error:
        raise DatasetError(_too_few_groups(error, place)) from None


def _too_small(error: ClassTooSmallError, place: str) -> str:
    count = f"{error.n_photos} image" + ("s" if error.n_photos != 1 else "")
    return f"class '{error.label_name}' has {count}{place}; a split needs at least {error.least}."


def _too_few_groups(error: TooFewGroupsError, place: str) -> str:
    first = f"class '{error.label_name}' has {error.n_photos} photos{place}"
    remedy = "add photos of other things, or remove the class."
    if error.n_groups < error.least:
        groups = "1 group" if error.n_groups == 1 else f"{error.n_groups} groups"
        return (
            f"{first} but only {groups} of near duplicates or of photos that belong together; "
            f"a split needs at least {error.least}: {remedy}"
        )
    return (
        f"{first} in {error.n_groups} groups that it shares with other classes, and no division "
        f"of them was found that brings every class into all {error.least} parts: {remedy}"
    )


def _facts(
    label_names: Sequence[str],
    items: Sequence[Item],
    given: Sequence[str],
    parts: Parts,
    settings: SplitSettings,
) -> SplitFacts:
    numbers = group_numbers(items)
    names = Parts._fields if parts.calib else SPLITS
    counts = [Counter(items[row].label_name for row in rows) for rows in parts[: len(names)]]
    by_class = {name: tuple(count[name] for count in counts) for name in label_names}
    shares = {}
    if given:
        val_share, test_share = shares_of_train(set(given), settings.val_frac, settings.test_frac)
        shares = {name: s for name, s in (("val", val_share), ("test", test_share)) if s}
    split = Split(*parts[:3])
    return SplitFacts(
        parts=names,
        counts=by_class,
        wishes=_wishes(by_class, given, settings),
        given=[name for name in names if name in given],
        taken_frac=shares,
        aside_frac=_calib_share(given, settings),
        seed=settings.seed,
        n_groups=sum(n > 1 for n in Counter(numbers).values()),
        n_divided=len(divided_groups(numbers, parts)),
        n_leaked=len(leaked_rows(numbers, split, parts.calib)),
        leak_share_avoided=_leak_share_avoided(items, numbers, given, settings),
    )


def _wishes(
    counts: dict[str, tuple[int, ...]], given: Sequence[str], settings: SplitSettings
) -> dict[str, tuple[int, ...]]:
    """What the shares ask for of the photos that were drawn; of a part that was given, its own."""
    val_share, test_share = shares_of_train(set(given), settings.val_frac, settings.test_frac)
    aside_share = _calib_share(given, settings)
    wishes: dict[str, tuple[int, ...]] = {}
    for label_name, (n_train, n_val, n_test, *calib) in counts.items():
        drawn = n_train + (sum(calib) if aside_share else 0)
        if val_share or test_share:
            drawn += (n_val if val_share else 0) + (n_test if test_share else 0)
            train, val, test = split_counts(drawn, val_share, test_share)
        else:
            train, val, test = drawn, 0, 0
        if aside_share and train > 1:
            train, *calib = split_counts(train, aside_share, 0.0)[:2]
        wishes[label_name] = (
            train, val if val_share else n_val, test if test_share else n_test, *calib,
        )  # fmt: skip
    return wishes


def _leak_share_avoided(
    items: Sequence[Item], numbers: Sequence[int], given: Sequence[str], settings: SplitSettings
) -> float:
    """Of the same draw with every photo alone: test photos with another of their group in train."""
    if given and "test" in given:
        return 0.0
    naive = _draw(alone(items, given), given, settings)
    return len(leaked_rows(numbers, naive._replace(val=[]))) / len(naive.test)


def _log_facts(facts: SplitFacts) -> None:
    for sentence in origin_sentences(facts) if facts.given else []:
        _log.info("split: %s", sentence)
    for sentence in absent_sentences(facts):
        _log.warning("split: %s", sentence)
    if facts.n_divided:
        _log.warning("split: %s", leak_warning(facts))
    counts = zip(facts.n_photos, facts.parts, strict=True)
    _log.info("split: %s", ", ".join(f"{n} {name}" for n, name in counts))


def _metrics(facts: SplitFacts, seconds: float) -> dict[str, float]:
    counts = dict(zip(facts.parts, facts.n_photos, strict=True))
    return {
        **{f"n_{name}": float(counts.get(name, 0)) for name in Parts._fields},
        "n_groups_divided": float(facts.n_divided),
        "leak_share": facts.leak_share,
        "leak_share_avoided": facts.leak_share_avoided,
        "largest_count_difference": float(facts.largest_difference),
        "seconds": seconds,
    }
