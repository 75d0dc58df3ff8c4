"""SHA256SUMS: a line a file, as `sha256sum -c SHA256SUMS` reads it."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

SUMS_FILE = "SHA256SUMS"


def write_sums(folder: Path, names: Iterable[str]) -> None:
    """Writes `SUMS_FILE` into the folder, for the files named, in the order of their names.

    Args:
        folder: where they are.
        names: places in it, with `/` between folders; plain ASCII without backslashes.
    """
    lines = (f"{file_sha256(folder / name)}  {name}\n" for name in sorted(names))
    (folder / SUMS_FILE).write_bytes("".join(lines).encode("ascii"))


def file_sha256(path: Path) -> str:
    """The file's SHA-256, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
