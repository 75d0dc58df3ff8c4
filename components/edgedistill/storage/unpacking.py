"""A packed tar becomes a plain one, once and with a limit, so that its files are ranges."""

import bz2
import gzip
import lzma
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from edgedistill.errors import NO_ROOM, DatasetError, StorageError
from edgedistill.storage.tars import BLOCK_BYTES, is_tar_header

# Photos hardly shrink and rows of grey thumbnails shrink by 30 at most, bombs by 1,000 (gzip) to
# 50,000 (bzip2); a small archive may hold 100 MB of anything.
_MOST_RATIO = 200
_ALWAYS_ALLOWED_BYTES = 100_000_000
# xz at its strongest setting needs 65 MiB; a header can ask for 4 GiB.
_XZ_MEMORY_BYTES = 128 << 20
_CHUNK_BYTES = 1 << 20
_LEFT_FREE_BYTES = 256 << 20

PACKINGS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz"}
"""How a packed file begins, and what its packing is called."""


def unpack_tar(path: Path, packing: str, scratch: Path, root: str) -> Path:
    """Unpacks the tar at `path`, a megabyte at a time, into a new file in `scratch`.

    Args:
        path: a local file.
        packing: one of `PACKINGS`' names.
        scratch: an existing folder.
        root: what the user calls the archive.

    Raises:
        DatasetError: damaged, cut off, no tar inside, or it grows as only a bomb does.
        StorageError: no room in `scratch`.
    """
    limit_bytes = max(_ALWAYS_ALLOWED_BYTES, _MOST_RATIO * path.stat().st_size)
    handle, name = tempfile.mkstemp(prefix="unpacked-", suffix=".tar", dir=scratch)
    os.close(handle)  # opened by its path below, which is what the file is then called
    target = Path(name)
    try:
        with target.open("wb") as file:
            _write(_tar_chunks(path, packing, root), file, limit_bytes, root)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return target


def check_packed_tar(path: Path, packing: str, root: str) -> None:
    """Refuses what is no packed tar, by its first block.

    Raises:
        DatasetError: damaged at its start, or no tar inside.
    """
    next(_tar_chunks(path, packing, root))


def _write(chunks: Iterator[bytes], file: BinaryIO, limit_bytes: int, root: str) -> None:
    n_bytes = 0
    for chunk in chunks:
        n_bytes += len(chunk)
        if n_bytes > limit_bytes:
            raise DatasetError(
                f"{root} unpacks to more than {limit_bytes / 1e6:.0f} MB, {_MOST_RATIO} times its "
                "own size, as an archive bomb does; give the unpacked folder as data_dir."
            )
        try:
            file.write(chunk)
            free_bytes = shutil.disk_usage(file.fileno()).free
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            free_bytes = 0
        if free_bytes < _LEFT_FREE_BYTES:
            raise StorageError(
                f"{root} finds no room to be unpacked: {n_bytes / 1e6:.0f} MB were written to "
                f"{Path(file.name).parent}; free some space there, or give the "
                "unpacked folder as data_dir."
            )


def _tar_chunks(path: Path, packing: str, root: str) -> Iterator[bytes]:
    """The unpacked bytes, at least a block of a tar first."""
    try:
        chunks = _unpacked_chunks(path, packing)
        first = b""
        while len(first) < BLOCK_BYTES and (chunk := next(chunks, b"")):
            first += chunk
        if not is_tar_header(first[:BLOCK_BYTES]):
            raise DatasetError(f"{root} is packed with {packing}, but holds no tar of photos.")
        yield first
        yield from chunks
    except (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise DatasetError(
            f"{root} is damaged or cut off ({packing}: {error}); make the archive anew."
        ) from None


def _unpacked_chunks(path: Path, packing: str) -> Iterator[bytes]:
    with path.open("rb") as file:
        if packing == "xz":
            yield from _xz_chunks(file)
            return
        stream = gzip.GzipFile(fileobj=file) if packing == "gzip" else bz2.BZ2File(file)
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk


def _xz_chunks(file: BinaryIO) -> Iterator[bytes]:
    """As lzma.open, which has no limit on memory; streams may follow each other."""
    data = file.read(_CHUNK_BYTES)
    while data:
        stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES)
        while not stream.eof:
            if chunk := stream.decompress(data, _CHUNK_BYTES):
                yield chunk
            data = file.read(_CHUNK_BYTES) if stream.needs_input else b""
            if stream.needs_input and not data:
                raise EOFError("the end of the stream is missing")
        data = stream.unused_data
        while not (data := data.lstrip(b"\0")) and (more := file.read(_CHUNK_BYTES)):
            data = more
