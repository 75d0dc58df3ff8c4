"""Joins shards to what one scan would have packed; every byte of them is checked as it passes."""

import hashlib
import math
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgedistill.artifacts import SHARD
from edgedistill.errors import ArtifactError, StorageError
from edgedistill.file_sums import SUMS_FILE, read_sums, refuse_other_sum, require_sum
from edgedistill.json_file import missing_file
from edgedistill.merge_shards.belonging import Shard
from edgedistill.pixel_writing import ShardWriter
from edgedistill.pixels import HEADER_ERRORS
from edgedistill.scan.shard import FINGERPRINTS, TABLE, UNKNOWN_TABLE, pixel_folders
from edgedistill.scan.tables import Tables

_READ_BYTES = 8 * 2**20


def join_tables(shards: Sequence[Shard], tables: Tables, fingerprints: Path) -> None:
    """Puts the shards' files, photos and fingerprints behind each other.

    Args:
        shards: in the order of their files.
        tables: empty.
        fingerprints: file to write.

    Raises:
        ArtifactError: a file of a shard is not the one that was written.
    """
    with fingerprints.open("wb") as joined:
        for shard in shards:
            for place in (TABLE, UNKNOWN_TABLE, FINGERPRINTS):
                named_by = shard.folder / SHARD.name
                require_sum(shard.folder / place, shard.about["sha256"][place], named_by)
            tables.known.take_in(shard.folder / TABLE)
            tables.unknown.take_in(shard.folder / UNKNOWN_TABLE)
            with (shard.folder / FINGERPRINTS).open("rb") as part:
                shutil.copyfileobj(part, joined)


def join_pixels(shards: Sequence[Shard], out: Path, *, with_unknown: bool) -> None:
    """Copies the shards' images behind each other, at every size and in every way of packing.

    Args:
        shards: in the order of their files.
        out: the catalogue's folder.
        with_unknown: whether the collection has photos of no class.

    Raises:
        ArtifactError: a file of a shard is not the one that was written.
        OSError: the copy cannot be written.
    """
    for folder in pixel_folders(shards[0].packed, with_unknown=with_unknown):
        with ShardWriter(out / folder, int(folder.name)) as writer:
            for shard in shards:
                for image in _listed_images(shard, folder):
                    writer.append(image)


def _listed_images(shard: Shard, folder: Path) -> Iterator[NDArray[np.uint8]]:
    """The images of a folder named by its size; none where the shard has none of them."""
    place = str(folder / SUMS_FILE)
    if place not in shard.about["sha256"]:
        return
    path = shard.folder / place
    require_sum(path, shard.about["sha256"][place], shard.folder / SHARD.name)
    for name, wanted in read_sums(path.parent).items():
        yield from checked_images(path.with_name(name), int(folder.name), wanted, path)


def checked_images(
    path: Path, size_px: int, wanted: str, named_by: Path
) -> Iterator[NDArray[np.uint8]]:
    """The images of one .npy file, in one pass; at its end its bytes are held to their name.

    Args:
        path: what a `ShardWriter` wrote.
        size_px: side of its images.
        wanted: its SHA-256, in hexadecimal.
        named_by: what says so.

    Yields:
        Of shape (size, size, 3), valid for good.

    Raises:
        ArtifactError: it is missing or another file: what was yielded is not to be kept.
        StorageError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            (_, *shape), _, _ = np.lib.format.read_array_header_1_0(file)
            n_bytes = file.tell()
            file.seek(0)
            digest.update(file.read(n_bytes))
            if shape != [size_px, size_px, 3]:
                raise ArtifactError(
                    f"{path} is damaged: its images must be of shape "
                    f"{(size_px, size_px, 3)}; got {tuple(shape)}."
                )
            row_bytes = math.prod(shape)
            while block := file.read(max(1, _READ_BYTES // row_bytes) * row_bytes):
                digest.update(block)
                if len(block) % row_bytes == 0:  # else it was cut, and is refused below
                    yield from np.frombuffer(block, np.uint8).reshape(-1, *shape)
    except FileNotFoundError:
        raise missing_file(path) from None
    except HEADER_ERRORS as error:
        raise ArtifactError(f"{path} is damaged: {error}.") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}.") from error
    refuse_other_sum(path, wanted, digest.hexdigest(), named_by)
