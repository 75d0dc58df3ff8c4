"""The step split: a catalogue becomes three packed data sets that need it no more."""

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgedistill.artifacts import PHOTOS_CSV, PIXELS_FOLDER, SPLITS
from edgedistill.core.fingerprint import dataset_digest
from edgedistill.core.leaks import alone, divided_groups, leaked_rows
from edgedistill.core.splits import (
    ClassTooSmallError,
    Item,
    Split,
    TooFewGroupsError,
    group_numbers,
    honoured_split,
    shares_of_train,
    split_counts,
    stratified_group_split,
)
from edgedistill.datasets import PackedDataset, write_dataset_tables
from edgedistill.errors import ArtifactError, DatasetError
from edgedistill.folders import complete_folder, write_file
from edgedistill.pixels import PackedPixels, ShardWriter
from edgedistill.settings import SplitSettings
from edgedistill.split.page import (
    SplitFacts,
    absent_sentences,
    leak_warning,
    origin_sentences,
    render_split_page,
)

_log = logging.getLogger(__name__)


def split_catalog(
    catalog: str, train: str, val: str, test: str, report: str, settings: SplitSettings
) -> dict[str, float]:
    """Writes each split as a packed data set of its own, its rows in the catalogue's order.

    A split that the collection itself brings is kept; what it lacks is drawn from its train.

    Args:
        catalog: what the step scan wrote.
        train: folder to write.
        val: folder to write.
        test: folder to write.
        report: Markdown file to write.
        settings: the fractions and the seed.

    Returns:
        n_train, n_val, n_test; n_groups_divided and leak_share (of the test photos, with another
        of their group in train or val), both 0 but where the collection's own split makes them;
        leak_share_avoided, largest_count_difference (photos), seconds.

    Raises:
        DatasetError: a class has too few photos or groups to be in each split.
        ArtifactError: the catalogue is missing or damaged.
    """
    started = time.monotonic()
    dataset = PackedDataset.open(catalog)
    items = [Item(p.label_name, p.digest, p.filepath, p.group) for p in dataset.photos]
    given = _given_parts(dataset)
    split = _draw(items, given, settings)
    facts = _facts(dataset.label_names, items, given, split, settings)
    _log_facts(facts)
    digests = [_digest(dataset, rows) for rows in split]
    whole = hashlib.sha256("\n".join(digests).encode()).hexdigest()
    folders = (train, val, test)
    for name, folder, rows, digest in zip(SPLITS, folders, split, digests, strict=True):
        _write_split(folder, dataset, name, rows, digest=digest, split_digest=whole)
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
    others = sorted(set(parts) - set(SPLITS))
    if others:
        raise ArtifactError(
            f"{dataset.folder / PHOTOS_CSV} must give every photo the split {', '.join(SPLITS)}, "
            f"or none; got {others[0]!r}: run scan again."
        )
    return parts


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
    split: Split,
    settings: SplitSettings,
) -> SplitFacts:
    numbers = group_numbers(items)
    counts = [Counter(items[row].label_name for row in rows) for rows in split]
    by_class = {name: tuple(count[name] for count in counts) for name in label_names}
    shares = {}
    if given:
        val_share, test_share = shares_of_train(set(given), settings.val_frac, settings.test_frac)
        shares = {name: s for name, s in (("val", val_share), ("test", test_share)) if s}
    return SplitFacts(
        counts=by_class,
        wishes=_wishes(by_class, set(given), settings),
        given=[name for name in SPLITS if name in given],
        taken_frac=shares,
        seed=settings.seed,
        n_groups=sum(n > 1 for n in Counter(numbers).values()),
        n_divided=len(divided_groups(numbers, split)),
        n_leaked=len(leaked_rows(numbers, split)),
        leak_share_avoided=_leak_share_avoided(items, numbers, given, settings),
    )


def _wishes(
    counts: dict[str, tuple[int, ...]], given: set[str], settings: SplitSettings
) -> dict[str, tuple[int, ...]]:
    """What the shares ask for of the photos that were drawn; of a part that was given, its own."""
    val_share, test_share = shares_of_train(given, settings.val_frac, settings.test_frac)
    if given >= {"val", "test"}:
        return counts
    wishes: dict[str, tuple[int, ...]] = {}
    for label_name, (n_train, n_val, n_test) in counts.items():
        drawn = n_train + (n_val if val_share else 0) + (n_test if test_share else 0)
        wish = split_counts(drawn, val_share, test_share)
        wishes[label_name] = (
            wish[0], wish[1] if val_share else n_val, wish[2] if test_share else n_test,
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
    _log.info("split: %d train, %d val, %d test", *facts.n_photos)


def _metrics(facts: SplitFacts, seconds: float) -> dict[str, float]:
    counts = zip(SPLITS, facts.n_photos, strict=True)
    return {
        **{f"n_{name}": float(n) for name, n in counts},
        "n_groups_divided": float(facts.n_divided),
        "leak_share": facts.leak_share,
        "leak_share_avoided": facts.leak_share_avoided,
        "largest_count_difference": float(facts.largest_difference),
        "seconds": seconds,
    }


def _digest(dataset: PackedDataset, rows: Sequence[int]) -> str:
    photos = (dataset.photos[row] for row in rows)
    return dataset_digest((p.filepath, p.label_name, p.digest) for p in photos)


def _write_split(
    folder: str,
    dataset: PackedDataset,
    name: str,
    rows: Sequence[int],
    *,
    digest: str,
    split_digest: str,
) -> None:
    photos = [replace(dataset.photos[row], split=name) for row in rows]
    with complete_folder(folder) as out:
        for size_px in dataset.sizes_px:
            _copy_pixels(out, dataset.pixels_at(size_px), rows)
        write_dataset_tables(
            out,
            photos,
            dataset.label_names,
            student_px=dataset.student_px,
            teacher_sizes_px=dataset.teacher_sizes_px,
            digest=digest,
            split_digest=split_digest,
        )


def _copy_pixels(out: Path, pixels: PackedPixels, rows: Sequence[int]) -> None:
    """Copies image by image, by plain reads and writes: memory holds one of them."""
    with ShardWriter(out / PIXELS_FOLDER / str(pixels.size_px), pixels.size_px) as writer:
        for image in pixels.read(rows):
            writer.append(image)
