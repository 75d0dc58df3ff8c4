"""SHA-256 of files, listed beside them as `sha256sum --check` reads it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from edgedistill.errors import ArtifactError, StorageError
from edgedistill.json_file import missing_file

SUMS_FILE = "SHA256SUMS"

_SHOWN_DIGITS = 16


def file_sum(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal; memory holds a part of it.

    Raises:
        ArtifactError: it is missing.
        StorageError: the system does not let it be read.
    """
    try:
        with path.open("rb", buffering=0) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise missing_file(path) from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}.") from error


def write_sums(folder: Path, sums: Mapping[str, str]) -> None:
    """Writes the list of a folder's files; where there are none, no list stays.

    Args:
        folder: an existing folder.
        sums: SHA-256 in hexadecimal by file name.
    """
    path = folder / SUMS_FILE
    if sums:
        lines = (f"{digest}  {name}\n" for name, digest in sorted(sums.items()))
        path.write_text("".join(lines), encoding="utf-8")
    else:
        path.unlink(missing_ok=True)


def read_sums(folder: Path) -> dict[str, str]:
    """What `write_sums` wrote.

    Raises:
        ArtifactError: the list is missing or damaged.
        StorageError: it cannot be read.
    """
    path = folder / SUMS_FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise missing_file(path) from None
    except ValueError as error:
        raise ArtifactError(f"{path} is damaged: {error}.") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}.") from error
    rows = [line.partition("  ") for line in lines]
    if not all(digest and mark and name for digest, mark, name in rows):
        raise ArtifactError(f"{path} is damaged: it must hold a SHA-256 and a name a line.")
    return {name: digest for digest, _, name in rows}


def require_sum(path: Path, wanted: str, named_by: Path) -> None:
    """Refuses a file that is not the one that was written.

    Args:
        path: the file.
        wanted: its SHA-256, in hexadecimal.
        named_by: the document that says so, for the sentence.

    Raises:
        ArtifactError: it is missing or another one.
        StorageError: it cannot be read.
    """
    refuse_other_sum(path, wanted, file_sum(path), named_by)


def refuse_other_sum(path: Path, wanted: str, got: str, named_by: Path) -> None:
    """The same where the file was read already.

    Raises:
        ArtifactError: the two differ.
    """
    if got != wanted:
        raise ArtifactError(
            f"{path} must have the SHA-256 {wanted[:_SHOWN_DIGITS]}... that {named_by} names; got "
            f"{got[:_SHOWN_DIGITS]}...: it was changed or cut after it was written; run the step "
            "that wrote it again, and not from the cache (in a local run delete the step's folder, "
            "on a cluster raise data_version)."
        )


def require_listed(folder: Path) -> int:
    """Reads every file that a folder's list names, once and in order; gives their bytes.

    Raises:
        ArtifactError: one is missing or not the one that was written, or the list is.
        StorageError: one cannot be read.
    """
    n_bytes = 0
    for name, wanted in read_sums(folder).items():
        require_sum(folder / name, wanted, folder / SUMS_FILE)
        n_bytes += (folder / name).stat().st_size
    return n_bytes
