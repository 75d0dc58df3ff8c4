"""The zip that goes to the phone's team: the same bytes whenever the same files go in."""

import zipfile
from collections.abc import Iterable
from pathlib import Path

_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The zip format knows no earlier time; the files' own would differ from run to run."""
_UNIX, _READABLE_FILE = 3, 0o100644 << 16


def write_zip(path: Path, files: Iterable[Path]) -> None:
    """Packs files, by their names alone and in the order of these, without folders.

    Args:
        path: the zip to write.
        files: existing files with different names.
    """
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(files, key=lambda file: file.name):
            entry = zipfile.ZipInfo(file.name, _EARLIEST)
            entry.create_system, entry.external_attr = _UNIX, _READABLE_FILE
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())
