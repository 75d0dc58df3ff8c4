"""A local folder as a tree of files: listed without being opened, a folder at a time."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgedistill.errors import DatasetError
from edgedistill.storage.files import Content, FoundFile, RefusedFile
from edgedistill.storage.places import is_hidden, is_utf8, one_line, shown_place


def folder_tree(path: str) -> "FolderTree":
    """The folder at `path`; its root is `path` made absolute, links in it kept.

    A link such as /data/current is what its owner knows the folder by. Only where `path` goes
    up through ".." is it resolved, because that means another folder behind a link.
    """
    folder = Path(path)
    return FolderTree(str(folder.resolve() if ".." in folder.parts else folder.absolute()))


def local_kind(path: str) -> str:
    """folder, file or other; "" where nothing is, or nothing can be, such as for too long a name.

    Links are followed.
    """
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):  # a NUL byte is a ValueError
        return ""
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "other"


@dataclass(frozen=True, slots=True)
class FolderTree:
    """All files below a local folder."""

    root: str

    def files(self) -> Iterator[FoundFile | RefusedFile]:
        """Every file that is not hidden, whatever its suffix.

        Links to files within the root are followed; links to folders, links that lead out, and
        what is no ordinary file are told as refused and never opened; the place of a link to a
        folder ends in a slash. Memory grows with the folders that wait to be listed, not with the
        files.

        Raises:
            DatasetError: a folder cannot be listed.
        """
        real_root = os.path.realpath(self.root)
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            for entry in self._entries(folder):
                place = f"{folder}{entry.name}"
                if is_hidden(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{place}/")
                else:
                    yield _told(entry, place, real_root)

    def _entries(self, folder: str) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(f"{self.root}/{folder}") as entries:
                yield from entries
        except OSError as error:
            where = one_line(f"{self.root}/{folder}").rstrip("/")
            raise DatasetError(f"{where} cannot be listed: {error.strerror}.") from None


def _told(entry: os.DirEntry[str], place: str, real_root: str) -> FoundFile | RefusedFile:
    if not is_utf8(place):
        return RefusedFile(shown_place(place), "its name is not UTF-8")
    try:
        if entry.is_symlink() and (reason := _why_not_followed(entry, real_root)):
            return RefusedFile(f"{place}/" if Path(entry.path).is_dir() else place, reason)
        status = entry.stat()
    except OSError as error:
        return RefusedFile(place, f"cannot be read: {error.strerror}")
    if not stat.S_ISREG(status.st_mode):
        return RefusedFile(place, "is no ordinary file")
    stamp = f"{status.st_size}-{status.st_mtime_ns}"
    return FoundFile(place, status.st_size, stamp, Content(entry.path))


def _why_not_followed(entry: os.DirEntry[str], real_root: str) -> str | None:
    target = Path(os.path.realpath(entry.path))
    if not target.is_relative_to(real_root):
        return "is a link out of the folder"
    if not target.exists():
        return "is a link to nothing"
    if target.is_dir():
        return "is a link to a folder; those are not followed"
    return None
