"""Folders and files that appear complete or not at all: written beside, then renamed."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgedistill.errors import NO_ROOM, ArtifactError, StorageError


@contextlib.contextmanager
def complete_folder(path: str | Path) -> Iterator[Path]:
    """Yields an empty folder that becomes `path` when the block ends without an error.

    It lies beside `path`, so that the rename is atomic; after an error nothing is left. An
    empty folder at `path` is replaced; KFP makes one.

    Raises:
        ArtifactError: `path` exists and is not an empty folder.
        StorageError: a disk that the block writes to is full.
    """
    target = Path(path)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ArtifactError(f"{target} exists already; a step writes only new folders.")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{target.name}.part-", dir=target.parent))
    try:
        with _room_for(target):
            yield part
        part.chmod(0o777 & ~_umask())  # mkdtemp makes it private
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def write_file(path: str | Path, content: str | bytes) -> None:
    """Writes a single-file artifact (a report) completely or not at all.

    Raises:
        StorageError: the disk is full.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    try:
        with _room_for(target):
            part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _room_for(target: Path) -> Iterator[None]:
    """Says in one sentence that a disk is full, be it that of temporary files."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise StorageError(
            f"{target} cannot be written: {os.strerror(error.errno).lower()}; free some on its "
            f"disk, or on that of {tempfile.gettempdir()}, and do the same again."
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
