"""What lies in the data folder: class folders, photos in them, and a quick fingerprint."""

import hashlib
import logging
import os
import re
from importlib.metadata import version
from pathlib import Path

from edgedistill.errors import DatasetError, StorageError

_log = logging.getLogger(__name__)

SAMPLE = "sample"
"""This word stands for the digits of scikit-learn; a folder of that name is ./sample."""

SUFFIXES = (".jpg", ".jpeg", ".png")
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_REMOTE = re.compile(r"[a-z][a-z0-9+.\-]*://", re.IGNORECASE)
_OF_THE_SYSTEM = ("lost+found", "__MACOSX")
_SHAPE_WANTED = "it must hold one folder of photos a class"


def find_photos(data_dir: str) -> dict[str, list[str]]:
    """Every photo by its name alone: nothing is opened.

    Photos are files with one of `SUFFIXES`, in any case, at any depth below a class folder.
    What is hidden is left out, and so are links to folders and links that lead out of `data_dir`.

    Returns:
        Class names in the order of their code points, each with its photos' places relative to
        `data_dir`, with forward slashes, in the same order. Two classes or more, none empty.

    Raises:
        DatasetError: no such folder, no class folders, one only, or one without photos.
        StorageError: `data_dir` is an address or an archive.
    """
    folder = _local_folder(data_dir)
    photos_of: dict[str, list[str]] = {}
    n_links = 0
    for entry in sorted(_entries(folder), key=lambda entry: entry.name):
        if entry.name.startswith(".") or entry.name in _OF_THE_SYSTEM:
            continue
        if entry.is_symlink():
            n_links += 1
        elif entry.is_dir():
            places, left_out = _photos_below(folder, entry.name)
            photos_of[entry.name] = places
            n_links += left_out
    _check_classes(folder, photos_of, n_links)
    if n_links:
        _log.warning("%d links in %s are left out", n_links, folder)
    return photos_of


def check_data_dir(data_dir: str) -> None:
    """Refuses what can be refused without decoding a photo.

    Raises:
        DatasetError: no such folder, no class folders, one only, or one without photos.
        StorageError: `data_dir` is an address or an archive.
    """
    if data_dir != SAMPLE:
        find_photos(data_dir)


def data_fingerprint(data_dir: str) -> str:
    """A digest of places, sizes and times of change: another one where a photo was touched.

    Raises:
        DatasetError, StorageError: as `check_data_dir`.
    """
    if data_dir == SAMPLE:
        return f"sample of scikit-learn {version('scikit-learn')}"
    digest = hashlib.sha256()
    for places in find_photos(data_dir).values():
        for place in places:
            status = (Path(data_dir) / place).stat()
            row = f"{place}\0{status.st_size}\0{status.st_mtime_ns}\0"
            digest.update(row.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _local_folder(data_dir: str) -> Path:
    folder = Path(data_dir)
    is_archive = data_dir.lower().endswith(_ARCHIVES) and not folder.is_dir()
    if _REMOTE.match(data_dir) or is_archive:
        raise StorageError(
            f"data_dir must be a local folder or '{SAMPLE}' in this version; got {data_dir}. "
            "Copy or unpack the photos into a folder first."
        )
    if not folder.exists():
        raise DatasetError(f"data_dir {data_dir} does not exist; {_SHAPE_WANTED}.")
    if not folder.is_dir():
        raise DatasetError(f"data_dir {data_dir} is not a folder; {_SHAPE_WANTED}.")
    return folder


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise _cannot_list(error) from None


def _cannot_list(error: OSError) -> DatasetError:
    return DatasetError(f"{error.filename} cannot be listed: {error.strerror}.")


def _raise_cannot_list(error: OSError) -> None:
    raise _cannot_list(error)


def _photos_below(folder: Path, label_name: str) -> tuple[list[str], int]:
    """The photos' places, in order, and the number of links that are left out."""
    root = folder.resolve()
    places: list[str] = []
    n_links = 0
    walk = os.walk(folder / label_name, onerror=_raise_cannot_list)
    for parent, folder_names, file_names in walk:
        n_links += sum((Path(parent) / name).is_symlink() for name in folder_names)
        folder_names[:] = [name for name in folder_names if not name.startswith(".")]
        for name in file_names:
            path = Path(parent) / name
            if name.startswith(".") or not name.lower().endswith(SUFFIXES):
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                n_links += 1
            elif path.is_file():  # a pipe of that name would block whoever reads it
                places.append(path.relative_to(folder).as_posix())
    return sorted(places), n_links


def _check_classes(folder: Path, photos_of: dict[str, list[str]], n_links: int) -> None:
    links = " (links to folders are not followed)" if n_links else ""
    if not photos_of:
        raise DatasetError(f"data_dir {folder} has no class folders{links}; {_SHAPE_WANTED}.")
    for label_name, places in photos_of.items():
        if len(label_name.splitlines()) != 1 or not _is_utf8(label_name):
            raise DatasetError(
                f"class folder {label_name!r} must have a name of one line of UTF-8, because "
                "labels.txt holds a class a line; rename it."
            )
        if not places:
            raise DatasetError(
                f"class '{label_name}' has no photos ({', '.join(SUFFIXES)}){links}; add some or "
                f"take the folder {folder / label_name} away."
            )
    if len(photos_of) == 1:
        raise DatasetError(
            f"data_dir {folder} has one class only, '{next(iter(photos_of))}'{links}; "
            "a classifier needs at least 2."
        )


def _is_utf8(text: str) -> bool:
    """Whether a name from the file system can be written into our files."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
