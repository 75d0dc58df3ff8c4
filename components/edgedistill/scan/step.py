"""The step scan: a folder of photos becomes a packed data set."""

import contextlib
import logging
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tqdm import tqdm

from edgedistill import logs
from edgedistill.artifacts import BAD_FILES, DATASET_MANIFEST, PIXELS_FOLDER
from edgedistill.core.fingerprint import dataset_digest
from edgedistill.datasets import PackedDataset, Photo, write_dataset_tables
from edgedistill.errors import DatasetError
from edgedistill.folders import complete_folder, write_file
from edgedistill.pixels import ShardWriter
from edgedistill.scan.folder import SAMPLE, find_photos
from edgedistill.scan.page import render_scan_page
from edgedistill.scan.photo import BadFile, ReadPhoto, read_photo
from edgedistill.scan.sample import write_sample
from edgedistill.scan.workers import WorkerDiedError, map_in_order
from edgedistill.settings import ScanSettings

_log = logging.getLogger(__name__)
_TAB = "\t"
_LOGGED_SHARE = 10  # a line every tenth of the way, where there is no terminal


@dataclass(frozen=True)
class _Scanned:
    """What came of the photos: rows of the table, and lines of bad_files.txt by class."""

    photos: list[Photo]
    bad_files: dict[str, list[str]]

    @property
    def bad_file_lines(self) -> list[str]:
        return [line for lines in self.bad_files.values() for line in lines]


def scan_photos(catalog: str, report: str, settings: ScanSettings) -> dict[str, float]:
    """Decodes every photo once and packs it at the student's and the teacher's size.

    Args:
        catalog: folder to write: a packed data set, dataset_manifest.json, bad_files.txt.
        report: HTML file to write.
        settings: `data_dir` and the image sizes.

    Returns:
        n_photos (readable), n_bad_files, n_classes, smallest_class (its photos), seconds.

    Raises:
        DatasetError: the folder is no folder of classes, or a class has no readable photo.
        StorageError: `data_dir` is an address or an archive.
    """
    started = time.monotonic()
    with _photo_folder(settings.data_dir) as folder, complete_folder(catalog) as out:
        photos_of = find_photos(str(folder))
        _log.info("scan: %d files of %d classes", sum(map(len, photos_of.values())), len(photos_of))
        scanned = _pack_photos(folder, photos_of, out, settings)
        counts = Counter(photo.label_name for photo in scanned.photos)
        _check_counts(counts, scanned.bad_files)
        _write_tables(out, scanned, list(photos_of), counts, settings)
    page = render_scan_page(PackedDataset.open(catalog), scanned.bad_file_lines, counts)
    write_file(report, page)
    n_bad = len(scanned.bad_file_lines)
    seconds = time.monotonic() - started
    _log.info("scan: %d photos packed, %d left out, %.1f s", len(scanned.photos), n_bad, seconds)
    return {
        "n_photos": float(len(scanned.photos)),
        "n_bad_files": float(n_bad),
        "n_classes": float(len(counts)),
        "smallest_class": float(min(counts.values())),
        "seconds": seconds,
    }


@contextlib.contextmanager
def _photo_folder(data_dir: str) -> Iterator[Path]:
    """The user's folder, or one with the sample for as long as it is needed."""
    if data_dir != SAMPLE:
        yield Path(data_dir)
        return
    with tempfile.TemporaryDirectory(prefix="edgedistill-sample-") as folder:
        write_sample(Path(folder))
        yield Path(folder)


def _pack_photos(
    folder: Path, photos_of: Mapping[str, Sequence[str]], out: Path, settings: ScanSettings
) -> _Scanned:
    """Reads the photos in order and writes their pixels; the rows follow the shards."""
    todo = [(i, name, place) for i, name in enumerate(photos_of) for place in photos_of[name]]
    sizes_px = sorted({settings.student_img_size, settings.teacher_px})
    scanned = _Scanned([], {name: [] for name in photos_of})
    read = partial(read_photo, folder=folder, sizes_px=sizes_px)
    results = map_in_order(read, [place for _, _, place in todo])
    with contextlib.ExitStack() as open_writers, contextlib.closing(results):
        writers = [
            open_writers.enter_context(ShardWriter(out / PIXELS_FOLDER / str(size), size))
            for size in sizes_px
        ]
        rows = zip(todo, _with_progress(_readable_errors(results), len(todo)), strict=True)
        for (label_index, label_name, place), result in rows:
            if isinstance(result, BadFile):
                line = f"{_one_line(place)}{_TAB}{_one_line(result.reason)}"
                scanned.bad_files[label_name].append(line)
                continue
            for writer, image in zip(writers, result.images, strict=True):
                writer.append(image)
            scanned.photos.append(_row(place, label_index, label_name, result))
    return scanned


def _row(place: str, label_index: int, label_name: str, read: ReadPhoto) -> Photo:
    return Photo(place, label_index, label_name, read.height_px, read.width_px, read.digest)


def _readable_errors(results: Iterable[ReadPhoto | BadFile]) -> Iterator[ReadPhoto | BadFile]:
    try:
        yield from results
    except WorkerDiedError as error:
        raise DatasetError(
            f"a worker process was killed while it read photos, at {error.item} or soon after: "
            "most often memory ran out. Give the step more memory, or take the photo away."
        ) from None


def _with_progress(
    results: Iterable[ReadPhoto | BadFile], total: int
) -> Iterator[ReadPhoto | BadFile]:
    """The same, with a bar on a terminal and a line every tenth of the way elsewhere."""
    if sys.stderr.isatty() or logs.PROGRESS_VARIABLE in os.environ:
        yield from tqdm(results, total=total, desc="scan", unit=" photos", leave=False, ncols=72)
        return
    for number, result in enumerate(results, start=1):
        yield result
        if number * _LOGGED_SHARE // total > (number - 1) * _LOGGED_SHARE // total:
            _log.info("scan: %d of %d photos", number, total)


def _one_line(text: str) -> str:
    """`text` with everything but visible characters and spaces written as escapes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _check_counts(counts: Mapping[str, int], bad_files: Mapping[str, Sequence[str]]) -> None:
    for label_name, lines in bad_files.items():
        if counts.get(label_name, 0) == 0:
            raise DatasetError(
                f"class '{label_name}' has no readable photos; bad files: {len(lines)}, the first "
                f"is {lines[0].replace(_TAB, ': ')}. Replace them, or take the folder away."
            )


def _write_tables(
    out: Path,
    scanned: _Scanned,
    label_names: list[str],
    counts: Mapping[str, int],
    settings: ScanSettings,
) -> None:
    digest = dataset_digest((p.filepath, p.label_name, p.digest) for p in scanned.photos)
    sizes_px = {"student": settings.student_img_size, "teacher": settings.teacher_px}
    write_dataset_tables(
        out, scanned.photos, label_names,
        student_px=sizes_px["student"], teacher_px=sizes_px["teacher"], digest=digest,
    )  # fmt: skip
    DATASET_MANIFEST.write(
        out,
        {
            "data_dir": settings.data_dir,
            "n_photos": len(scanned.photos),
            "n_bad_files": len(scanned.bad_file_lines),
            "classes": {name: counts[name] for name in label_names},
            "sizes_px": sizes_px,
            "digest": digest,
        },
    )
    bad_files = "".join(f"{line}\n" for line in scanned.bad_file_lines)
    (out / BAD_FILES).write_text(bad_files, encoding="utf-8")
