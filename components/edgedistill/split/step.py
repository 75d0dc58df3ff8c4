"""The step split: a catalogue becomes three packed data sets that need it no more."""

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgedistill.artifacts import PIXELS_FOLDER, SPLITS
from edgedistill.core.fingerprint import dataset_digest
from edgedistill.core.splits import (
    LEAST_PHOTOS,
    ClassTooSmallError,
    Item,
    Split,
    stratified_split,
)
from edgedistill.datasets import PackedDataset, Photo, write_dataset_tables
from edgedistill.errors import DatasetError
from edgedistill.folders import complete_folder, write_file
from edgedistill.pixels import PackedPixels, ShardWriter
from edgedistill.report.page import Section, Table, render_markdown
from edgedistill.settings import SplitSettings

_log = logging.getLogger(__name__)


def split_catalog(
    catalog: str, train: str, val: str, test: str, report: str, settings: SplitSettings
) -> dict[str, float]:
    """Writes each split as a packed data set of its own, its rows in the catalogue's order.

    Args:
        catalog: what the step scan wrote.
        train: folder to write.
        val: folder to write.
        test: folder to write.
        report: Markdown file to write.
        settings: the fractions and the seed.

    Returns:
        n_train, n_val, n_test, seconds.

    Raises:
        DatasetError: a class has fewer photos than there are splits.
        ArtifactError: the catalogue is missing or damaged.
    """
    started = time.monotonic()
    dataset = PackedDataset.open(catalog)
    split = _draw(dataset.photos, settings)
    digests = [_digest(dataset, rows) for rows in split]
    whole = hashlib.sha256("\n".join(digests).encode()).hexdigest()
    for folder, rows, digest in zip((train, val, test), split, digests, strict=True):
        _write_split(folder, dataset, rows, digest=digest, split_digest=whole)
    write_file(report, _report(dataset, split, settings))
    counts = dict(zip(SPLITS, map(len, split), strict=True))
    seconds = time.monotonic() - started
    _log.info("split: %(train)d train, %(val)d val, %(test)d test", counts)
    return {**{f"n_{name}": float(n) for name, n in counts.items()}, "seconds": seconds}


def _draw(photos: Sequence[Photo], settings: SplitSettings) -> Split:
    items = [Item(p.label_name, p.digest, p.filepath) for p in photos]
    try:
        return stratified_split(
            items, val_frac=settings.val_frac, test_frac=settings.test_frac, seed=settings.seed
        )
    except ClassTooSmallError as error:
        count = f"{error.n_photos} image" + ("s" if error.n_photos != 1 else "")
        raise DatasetError(
            f"class '{error.label_name}' has {count}; a split needs at least {LEAST_PHOTOS}."
        ) from None


def _digest(dataset: PackedDataset, rows: Sequence[int]) -> str:
    photos = (dataset.photos[row] for row in rows)
    return dataset_digest((p.filepath, p.label_name, p.digest) for p in photos)


def _write_split(
    folder: str, dataset: PackedDataset, rows: Sequence[int], *, digest: str, split_digest: str
) -> None:
    photos = [dataset.photos[row] for row in rows]
    with complete_folder(folder) as out:
        _copy_pixels(out, dataset.student_pixels, rows)
        if dataset.teacher_px != dataset.student_px:
            _copy_pixels(out, dataset.teacher_pixels, rows)
        write_dataset_tables(
            out,
            photos,
            dataset.label_names,
            student_px=dataset.student_px,
            teacher_px=dataset.teacher_px,
            digest=digest,
            split_digest=split_digest,
        )


def _copy_pixels(out: Path, pixels: PackedPixels, rows: Sequence[int]) -> None:
    """Copies image by image: both ends are memory-mapped, so RAM does not grow."""
    with ShardWriter(out / PIXELS_FOLDER / str(pixels.size_px), pixels.size_px) as writer:
        for row in rows:
            writer.append(pixels.row(row))


def _report(dataset: PackedDataset, split: Split, settings: SplitSettings) -> str:
    counts = [Counter(dataset.photos[row].label_name for row in rows) for rows in split]
    rows = [_count_row(name, counts) for name in dataset.label_names]
    rows.append(["all", *(f"{len(part):,}" for part in split), f"{len(dataset):,}"])
    lead = (
        f"{len(split.train):,} photos to train on, {len(split.val):,} to choose epochs and the "
        f"threshold on, {len(split.test):,} to report on; seed {settings.seed}."
    )
    return render_markdown(
        "Split", lead, [Section("Photos", table=Table(["class", *SPLITS, "all"], rows))]
    )


def _count_row(label_name: str, counts: Sequence[Mapping[str, int]]) -> list[str]:
    numbers = [count[label_name] for count in counts]
    return [label_name, *(f"{n:,}" for n in numbers), f"{sum(numbers):,}"]
