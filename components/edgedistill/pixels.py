"""Images of one size on disk: shards of uint8 arrays, read by row number.

`pixel_writing` writes them, in order.

A shard is a .npy file of shape (n, size, size, 3). All shards of a set but the last have the same
number of rows. SHA256SUMS beside them names the bytes of each.

Nothing is memory-mapped: the pages of every row that was touched would count as this process's
memory, which would so grow with the set.
"""

import math
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from io import FileIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgedistill.errors import ArtifactError, StorageError

HEADER_ERRORS = (ValueError, SyntaxError, TypeError, OverflowError, tokenize.TokenError)
"""What NumPy raises at a header whose bytes were changed."""

Pixels = NDArray[np.uint8]


class _Shard:
    """A shard, open only while it is read: a large set has more shards than a process may open."""

    def __init__(self, path: Path):
        self._path = path
        try:
            # For its checks alone, of the header and of the file's length: nothing is read by it.
            mapped = np.lib.format.open_memmap(path, mode="r")
            n_bytes = path.stat().st_size
        except HEADER_ERRORS as error:
            raise ArtifactError(f"{path} is damaged: {error}.") from None
        except OSError as error:
            raise _unreadable(path, error) from error
        self.n_rows: int = len(mapped) if mapped.ndim else 0
        shape = mapped.shape[1:]
        is_square = len(shape) == 3 and shape[0] == shape[1] and shape[2] == 3
        if mapped.dtype != np.uint8 or not is_square or not mapped.flags.c_contiguous:
            raise ArtifactError(
                f"{path} must be uint8 (n, size, size, 3) in C order; "
                f"got {mapped.dtype} {mapped.shape}."
            )
        if n_bytes != mapped.offset + mapped.nbytes:
            raise ArtifactError(f"{path} is damaged: it goes on after its last row.")
        self.size_px: int = shape[0]
        self._data_start, self._row_bytes = mapped.offset, math.prod(shape)

    def read_into(self, images: Pixels, numbers: Iterable[int], rows: Iterable[int]) -> None:
        """Fills the images of these numbers, each of shape (size, size, 3), with those rows."""
        try:
            with FileIO(self._path) as file:
                for number, row in zip(numbers, rows, strict=True):
                    file.seek(self._data_start + row * self._row_bytes)
                    self._fill(file, images[number].data.cast("B"))
        except OSError as error:
            raise _unreadable(self._path, error) from error

    def _fill(self, file: FileIO, left: memoryview) -> None:
        while left:
            n_read = file.readinto(left)
            if not n_read:
                raise ArtifactError(f"{self._path} is damaged: it ends before its last row.")
            left = left[n_read:]


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"{path} cannot be read: {error.strerror or error}.")


class PackedPixels:
    """The images of one size, read by row number; by several threads at once where wished."""

    def __init__(self, folder: Path, n_photos: int):
        paths = sorted(folder.glob("*.npy"))
        if not paths:
            raise ArtifactError(f"{folder} has no shards; did the step before this one finish?")
        self._shards = [_Shard(path) for path in paths]
        self._rows_per_shard = self._shards[0].n_rows
        self._check_sizes(folder)
        self._n_photos = sum(shard.n_rows for shard in self._shards)
        if self._n_photos != n_photos:
            raise ArtifactError(f"{folder} must hold {n_photos} images; got {self._n_photos}.")

    def _check_sizes(self, folder: Path) -> None:
        """Row numbers are found by division, so only the last shard may be shorter."""
        lengths = [shard.n_rows for shard in self._shards]
        if set(lengths[:-1]) - {self._rows_per_shard} or lengths[-1] > self._rows_per_shard:
            raise ArtifactError(f"{folder} is damaged: its shards have {lengths} rows.")
        sizes_px = {shard.size_px for shard in self._shards}
        if len(sizes_px) > 1:
            raise ArtifactError(f"{folder} is damaged: its images have {sorted(sizes_px)} px.")

    def __len__(self) -> int:
        return self._n_photos

    @property
    def size_px(self) -> int:
        """Side of the images."""
        return self._shards[0].size_px

    def row(self, index: int) -> Pixels:
        """One image, shape (size, size, 3)."""
        image: Pixels = self.take([index])[0]
        return image

    def read(self, rows: Iterable[int]) -> Iterator[Pixels]:
        """The images of these rows, one at a time, each of shape (size, size, 3)."""
        return map(self.row, rows)

    def take(self, indices: Sequence[int] | NDArray[np.int64]) -> Pixels:
        """The images of these rows: shape (n, size, size, 3).

        Raises:
            IndexError: there is no such row.
            ArtifactError: a shard has been cut since the set was opened.
            StorageError: the system does not let a shard be read.
        """
        images = np.empty((len(indices), self.size_px, self.size_px, 3), np.uint8)
        wanted: dict[int, dict[int, int]] = {}  # by shard: number of the image and its row there
        for number, index in enumerate(indices):
            if not 0 <= index < self._n_photos:
                raise IndexError(f"rows must be in 0..{self._n_photos - 1}; got {index}")
            shard, row = divmod(int(index), self._rows_per_shard)
            wanted.setdefault(shard, {})[number] = row
        for shard, rows in wanted.items():
            self._shards[shard].read_into(images, rows.keys(), rows.values())
        return images

    def batches(self, batch_size: int, rows: NDArray[np.int64] | None = None) -> Iterator[Pixels]:
        """The images of these rows (None: all) in order, at most `batch_size` at a time."""
        chosen = np.arange(len(self)) if rows is None else rows
        for start in range(0, len(chosen), batch_size):
            yield self.take(chosen[start : start + batch_size])
