"""Folders and files that appear complete or not at all: written beside, then renamed."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgedistill.errors import ArtifactError


@contextlib.contextmanager
def complete_folder(path: str | Path) -> Iterator[Path]:
    """Yields an empty folder that becomes `path` when the block ends without an error.

    It lies beside `path`, so that the rename is atomic; after an error nothing is left. An
    empty folder at `path` is replaced; KFP makes one.

    Raises:
        ArtifactError: `path` exists and is not an empty folder.
    """
    target = Path(path)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ArtifactError(f"{target} exists already; a step writes only new folders.")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{target.name}.part-", dir=target.parent))
    try:
        yield part
        part.chmod(0o777 & ~_umask())  # mkdtemp makes it private
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def write_file(path: str | Path, content: str | bytes) -> None:
    """Writes a single-file artifact (a report) completely or not at all."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    part.replace(target)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
