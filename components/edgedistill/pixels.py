"""Images of one size on disk: shards of uint8 arrays, written in order, read by row number.

A shard is a .npy file of shape (n, size, size, 3), memory-mapped when read.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edgedistill.errors import ArtifactError

MAX_SHARD_BYTES = 256 * 2**20

Pixels = NDArray[np.uint8]


class ShardWriter:
    """Writes images of one size into shards, in the order in which they come.

    Use as a context manager; memory holds one shard's page cache, never the data set.
    """

    def __init__(self, folder: Path, size_px: int, *, max_shard_bytes: int = MAX_SHARD_BYTES):
        self._folder = folder
        self._shape = (size_px, size_px, 3)
        self._rows = max(1, max_shard_bytes // (size_px * size_px * 3))
        self._open: NDArray[np.uint8] | None = None
        self._filled = 0
        self._n_shards = 0
        folder.mkdir(parents=True)

    def append(self, image: Pixels) -> None:
        """Adds one image of shape (size, size, 3)."""
        if self._open is None:
            self._open = np.lib.format.open_memmap(
                self._path(), mode="w+", dtype=np.uint8, shape=(self._rows, *self._shape)
            )
        self._open[self._filled] = image
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
        if self._open is not None:
            self._close_shard()

    def _path(self) -> Path:
        return self._folder / f"{self._n_shards:05d}.npy"

    def _close_shard(self) -> None:
        """Ends the open shard; one that is not full is cut to the rows it has."""
        path, shard = self._path(), self._open
        self._open = None
        del shard  # flushes the mapping
        if self._filled < self._rows:
            _cut_shard(path, self._filled, self._shape)
        self._filled = 0
        self._n_shards += 1


def _cut_shard(path: Path, n_rows: int, shape: tuple[int, int, int]) -> None:
    """Shortens a .npy file to `n_rows` in place: a new header of the same length, then truncate."""
    with path.open("r+b") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        data_start = file.tell()
        file.seek(0)
        header = {"descr": "|u1", "fortran_order": False, "shape": (n_rows, *shape)}
        np.lib.format.write_array_header_1_0(file, header)
        if file.tell() != data_start:
            raise ValueError(f"the header of {path} changed its length")
        file.truncate(data_start + n_rows * int(np.prod(shape)))


def _open_shard(path: Path) -> Pixels:
    try:
        shard: Pixels = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} is damaged: {error}.") from None
    return shard


class PackedPixels:
    """The images of one size, read by row number through memory-mapped shards."""

    def __init__(self, folder: Path, n_photos: int):
        paths = sorted(folder.glob("*.npy"))
        if not paths:
            raise ArtifactError(f"{folder} has no shards; did the step before this one finish?")
        self._shards: list[Pixels] = [_open_shard(path) for path in paths]
        self._rows_per_shard = len(self._shards[0])
        self._n_photos = sum(len(shard) for shard in self._shards)
        if self._n_photos != n_photos:
            raise ArtifactError(f"{folder} must hold {n_photos} images; got {self._n_photos}.")

    def __len__(self) -> int:
        return self._n_photos

    @property
    def size_px(self) -> int:
        """Side of the images."""
        return int(self._shards[0].shape[1])

    def row(self, index: int) -> Pixels:
        """One image, shape (size, size, 3), as a view of the file."""
        image: Pixels = self._shards[index // self._rows_per_shard][index % self._rows_per_shard]
        return image

    def take(self, indices: Sequence[int] | NDArray[np.int64]) -> Pixels:
        """The images of these rows, copied: shape (n, size, size, 3)."""
        images = np.empty((len(indices), self.size_px, self.size_px, 3), np.uint8)
        for place, index in enumerate(indices):
            images[place] = self.row(int(index))
        return images

    def batches(self, batch_size: int, rows: NDArray[np.int64] | None = None) -> Iterator[Pixels]:
        """The images of these rows (None: all) in order, at most `batch_size` at a time."""
        chosen = np.arange(len(self)) if rows is None else rows
        for start in range(0, len(chosen), batch_size):
            yield self.take(chosen[start : start + batch_size])
