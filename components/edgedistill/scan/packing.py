"""Reads every file of a scan's table in worker processes and packs what can be read."""

import contextlib
import logging
import os
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tqdm import tqdm

from edgedistill import logs
from edgedistill.artifacts import PIXELS_FOLDER, RESIZED_FOLDER
from edgedistill.core.careless_resize import RESIZES
from edgedistill.errors import DatasetError
from edgedistill.pixel_writing import ShardWriter
from edgedistill.scan.photo import BadFile, Fetched, ReadPhoto, read_photo
from edgedistill.scan.table import PhotoTable
from edgedistill.scan.workers import Lost, WorkersFailedError, map_in_order
from edgedistill.storage.reading_ahead import read_ahead

_log = logging.getLogger(__name__)
_LOGGED_SHARE = 10  # a line every tenth of the way, where there is no terminal
# A decoder holds the photo in up to four channels, upright and not, and letterboxed, next to
# Python itself. What wants more than this is no photo.
_BYTES_A_PIXEL = 16
_BYTES_BESIDE = 2 * 2**30
_SLOT_BYTES_BESIDE = 2**16

_Read = ReadPhoto | BadFile | Lost[tuple[int, Fetched]]


@dataclass(frozen=True)
class Packing:
    """How photos are packed.

    `sizes_px`: sides of the squares, the student's first. `resized_share`: share of photos, in
    [0, 1], that are packed as careless apps resize them too. `n_workers`: processes that decode;
    None: one a core that this process may use.
    """

    sizes_px: Sequence[int]
    max_megapixels: float
    resized_share: float = 0.0
    n_workers: int | None = None


def pixel_folder(folder: Path, size_px: int) -> Path:
    """Where a packed data set keeps its images of one size."""
    return folder / PIXELS_FOLDER / str(size_px)


def resized_folder(folder: Path, resize: str) -> Path:
    """Where a packed data set keeps the one of its photos that were resized carelessly."""
    return folder / RESIZED_FOLDER / resize


def pack_photos(
    table: PhotoTable,
    out: Path,
    fingerprints: Path,
    packing: Packing,
) -> None:
    """Reads every file of the table, and notes there what came of it.

    Args:
        table: of files to read.
        out: folder that the pixels are written into, at every size.
        fingerprints: file to write: the photos' perceptual fingerprints, by row.
        packing: sizes and limits.

    Raises:
        DatasetError: no process can decode here.
        StorageError: a bucket cannot be read any more.
    """
    with contextlib.ExitStack() as open_things:
        folders = [(pixel_folder(out, size), size) for size in packing.sizes_px]
        if packing.resized_share:
            size = packing.sizes_px[0]
            folders += [(pixel_folder(resized_folder(out, r), size), size) for r in RESIZES]
        writers = [open_things.enter_context(ShardWriter(*folder)) for folder in folders]
        results = open_things.enter_context(contextlib.closing(_results(table, packing)))
        named = open_things.enter_context(fingerprints.open("wb"))
        row = 0
        for file, result in _with_progress(results, table.n_files):
            if not isinstance(result, ReadPhoto):
                table.leave_file_out(file, result.reason)
                continue
            # Of a photo that is not in the sample, there is nothing for the last writers.
            for writer, image in zip(writers, (*result.images, *result.resized), strict=False):
                writer.append(image)
            named.write(result.fingerprint.data)
            table.add_photo(file, row, result)
            row += 1


def _results(table: PhotoTable, packing: Packing) -> Generator[tuple[int, _Read], None, None]:
    """The number of each file and what came of it, in the table's order."""
    under_way: deque[int] = deque()
    read = partial(
        read_photo,
        sizes_px=packing.sizes_px,
        max_megapixels=packing.max_megapixels,
        resized_share=packing.resized_share,
    )
    sides_px = [*packing.sizes_px, *([packing.sizes_px[0]] * len(RESIZES))]
    with contextlib.closing(read_ahead(table.to_read())) as fetched:
        results = map_in_order(
            read,
            _noted(fetched, under_way),
            n_workers=packing.n_workers,
            max_memory_bytes=int(packing.max_megapixels * 1e6) * _BYTES_A_PIXEL + _BYTES_BESIDE,
            array_bytes=sum(3 * size * size for size in sides_px) + _SLOT_BYTES_BESIDE,
        )
        with contextlib.closing(results):
            try:
                for result in results:
                    yield under_way.popleft(), result
            except WorkersFailedError as error:
                raise DatasetError(f"photos cannot be read: {error}") from None


def _noted(
    fetched: Iterable[tuple[int, Fetched]], files: deque[int]
) -> Iterator[tuple[int, Fetched]]:
    """The same, with the number of each file put aside: results come without it."""
    for task in fetched:
        files.append(task[0])
        yield task


def _with_progress(results: Iterable[tuple[int, _Read]], total: int) -> Iterator[tuple[int, _Read]]:
    """The same, with a bar on a terminal and a line every tenth of the way elsewhere."""
    if sys.stderr.isatty() or logs.PROGRESS_VARIABLE in os.environ:
        yield from tqdm(results, total=total, desc="scan", unit=" photos", leave=False, ncols=72)
        return
    for number, result in enumerate(results, start=1):
        yield result
        if number * _LOGGED_SHARE // total > (number - 1) * _LOGGED_SHARE // total:
            _log.info("scan: %d of %d photos", number, total)
