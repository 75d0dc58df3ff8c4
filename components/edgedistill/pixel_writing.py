"""Writes images of one size into shards on disk, and takes some out again; `pixels` reads them."""

import math
from collections.abc import Sequence
from io import BytesIO, FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from edgedistill.file_sums import file_sum, read_sums, write_sums
from edgedistill.pixels import Pixels

MAX_SHARD_BYTES = 256 * 2**20
_MOVED_BYTES = 8 * 2**20

_Shape = tuple[int, int, int]


class ShardWriter:
    """Writes images of one size into shards, in the order in which they come.

    Use as a context manager. Images go straight to the file: none stays in memory. Until a shard
    is closed its header tells of a full one, so what an error leaves behind is refused by
    `PackedPixels`.
    """

    def __init__(self, folder: Path, size_px: int, *, max_shard_bytes: int = MAX_SHARD_BYTES):
        self._folder = folder
        self._shape = (size_px, size_px, 3)
        self._rows = max(1, max_shard_bytes // math.prod(self._shape))
        self._open: FileIO | None = None
        self._filled = 0
        self._sums: dict[str, str] = {}
        folder.mkdir(parents=True)

    def append(self, image: Pixels) -> None:
        """Adds one image of shape (size, size, 3).

        Raises:
            ValueError: the image has another shape or is not uint8.
            OSError: it cannot be written, such as for want of space; the set is then spoilt.
            StorageError, ArtifactError: a full shard cannot be read again to be named.
        """
        if image.shape != self._shape or image.dtype != np.uint8:
            raise ValueError(f"image must be uint8 {self._shape}; got {image.dtype} {image.shape}")
        try:
            file = self._open if self._open is not None else self._open_shard()
            _write(file, np.ascontiguousarray(image).data.cast("B"))
        except BaseException:
            self._abandon()
            raise
        self._filled += 1
        if self._filled == self._rows:
            self._close_shard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._abandon()
            return
        self._close_shard()
        write_sums(self._folder, self._sums)

    def _open_shard(self) -> FileIO:
        # "x": after an error the spoilt shard is in the way of another try.
        self._open = FileIO(_shard_path(self._folder, len(self._sums)), "x")
        _write_header(self._open, self._rows, self._shape)
        return self._open

    def _close_shard(self) -> None:
        """Ends the open shard and names its bytes; a header that told of a full one is corrected.

        They are read once more for that, as only now the header is known; as a rule the system
        still has them. So the name is that of what lies on the disk.
        """
        file, self._open = self._open, None
        if file is None:
            return
        path = _shard_path(self._folder, len(self._sums))
        with file:
            if self._filled < self._rows:
                _write_header(file, self._filled, self._shape)
        self._sums[path.name] = file_sum(path)
        self._filled = 0

    def _abandon(self) -> None:
        """Leaves the open shard shorter than its header says."""
        file, self._open = self._open, None
        if file is not None:
            file.close()


def remove_rows(folder: Path, rows: Sequence[int]) -> None:
    """Takes images out of a written set, in place, and closes the gaps in order.

    What is left is, byte for byte, what writing only the others would have given. Memory holds a
    few MiB; an error midway spoils the set.

    Args:
        folder: what a `ShardWriter` wrote.
        rows: of the images to remove, in any order.

    Raises:
        ValueError: a row is not in the set.
        OSError: a shard cannot be read or written.
    """
    if not rows:
        return
    shards = _WrittenShards(folder)
    removed = sorted(set(rows))
    if removed[0] < 0 or removed[-1] >= shards.n_rows:
        raise ValueError(f"rows must be in 0..{shards.n_rows - 1}; got {removed[0]}..{removed[-1]}")
    target = removed[0]
    for gap, next_gap in zip(removed, [*removed[1:], shards.n_rows], strict=True):
        shards.move(gap + 1, next_gap, target)
        target += next_gap - gap - 1
    shards.cut(target)
    shards.sum_up_from(removed[0])


class _WrittenShards:
    """The shards of a written set as one run of rows."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._n_shards = len(list(folder.glob("*.npy")))
        self._rows_per_shard, self._shape = self._read_header(0)
        last_rows, _ = self._read_header(self._n_shards - 1)
        self._row_bytes = math.prod(self._shape)
        self.n_rows = (self._n_shards - 1) * self._rows_per_shard + last_rows

    def _read_header(self, number: int) -> tuple[int, _Shape]:
        with FileIO(_shard_path(self._folder, number)) as file:
            np.lib.format.read_magic(file)
            (n_rows, *shape), _, _ = np.lib.format.read_array_header_1_0(file)
            self._data_start = file.tell()  # the same in all: headers are padded
        return n_rows, (shape[0], shape[1], shape[2])

    def move(self, start: int, stop: int, target: int) -> None:
        """Copies rows start..stop to where `target` is, which lies before `start`."""
        at_once = max(1, _MOVED_BYTES // self._row_bytes)
        while start < stop:
            count = min(stop - start, at_once, self._left_in_shard(start))
            count = min(count, self._left_in_shard(target))
            with self._at(start, "r") as file:
                data = _read(file, count * self._row_bytes)
            with self._at(target, "r+") as file:
                _write(file, memoryview(data))
            start += count
            target += count

    def cut(self, n_rows: int) -> None:
        """Drops all rows from `n_rows` on."""
        n_shards = -(-n_rows // self._rows_per_shard)
        for number in range(n_shards, self._n_shards):
            _shard_path(self._folder, number).unlink()
        if n_shards:
            rows_of_last = n_rows - (n_shards - 1) * self._rows_per_shard
            with FileIO(_shard_path(self._folder, n_shards - 1), "r+") as file:
                _write_header(file, rows_of_last, self._shape)
                file.truncate(self._data_start + rows_of_last * self._row_bytes)

    def sum_up_from(self, row: int) -> None:
        """Names the bytes of all shards anew, from the one of this row on."""
        before = read_sums(self._folder)
        first = _shard_path(self._folder, row // self._rows_per_shard).name
        names = sorted(path.name for path in self._folder.glob("*.npy"))
        write_sums(
            self._folder,
            {n: before[n] if n < first else file_sum(self._folder / n) for n in names},
        )

    def _left_in_shard(self, row: int) -> int:
        return self._rows_per_shard - row % self._rows_per_shard

    def _at(self, row: int, mode: str) -> FileIO:
        file = FileIO(_shard_path(self._folder, row // self._rows_per_shard), mode)
        file.seek(self._offset(row))
        return file

    def _offset(self, row: int) -> int:
        return self._data_start + row % self._rows_per_shard * self._row_bytes


def _shard_path(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.npy"


def _header(n_rows: int, shape: _Shape) -> bytes:
    """The .npy header; NumPy pads it so that its length does not depend on `n_rows`."""
    header = BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (n_rows, *shape)}
    )
    return header.getvalue()


def _write_header(file: FileIO, n_rows: int, shape: _Shape) -> None:
    file.seek(0)
    _write(file, memoryview(_header(n_rows, shape)))


def _write(file: FileIO, data: memoryview) -> None:
    """Writes all of it: a file without a buffer may take a part at a time."""
    while data:
        data = data[file.write(data) :]


def _read(file: FileIO, n_bytes: int) -> bytearray:
    data = bytearray(n_bytes)
    view = memoryview(data)
    while view:
        n_read = file.readinto(view)
        if not n_read:
            raise OSError(f"{file.name!r} ends before its last row")
        view = view[n_read:]
    return data
