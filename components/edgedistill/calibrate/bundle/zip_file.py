"""The zip that goes to the phone's team: the same bytes whenever the same files go in."""

import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

from edgedistill.core.zip_entries import stored_entry
from edgedistill.settings import MODEL_VERSION

_SHA256 = re.compile(r"[0-9a-f]{64}")


def write_zip(path: Path, folder: Path, names: Iterable[str]) -> None:
    """Packs files of a folder, in the order of their names.

    Args:
        path: the zip to write.
        folder: where the files are.
        names: their places in it, with `/` between folders; also those in the zip.

    Raises:
        ValueError: a name is there twice, or leads out of the folder.
    """
    ordered = sorted(names)
    if len(set(ordered)) != len(ordered):
        raise ValueError(f"names must differ; got {', '.join(ordered)}")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in ordered:
            if name.startswith("/") or ".." in name.split("/") or "\\" in name:
                raise ValueError(f"names must lie in the folder; got {name}")
            archive.writestr(stored_entry(name), (folder / name).read_bytes())


def bundle_name(version: str, zip_sha256: str) -> str:
    """The zip's name where bundles of many runs lie together: no two different ones share it.

    Args:
        version: the model's: 1 to 40 letters, digits, dots, dashes and underscores, the first a
            letter or digit.
        zip_sha256: of the zip, 64 hexadecimal digits.

    Raises:
        ValueError: one of them is otherwise.
    """
    if not MODEL_VERSION.fullmatch(version):
        raise ValueError(
            f"version must be 1 to 40 letters, digits, dots, dashes or underscores; got {version!r}"
        )
    if not _SHA256.fullmatch(zip_sha256):
        raise ValueError(f"zip_sha256 must be 64 hexadecimal digits; got {zip_sha256!r}")
    return f"edgedistill-{version}-{zip_sha256[:12]}.zip"
