"""What must hold for the classes of a collection, checked while its photos pass by."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from edgedistill.errors import DatasetError
from edgedistill.scan.sources.class_names import check_class_names, quoted
from edgedistill.scan.sources.listing import LeftOut, ListedPhoto
from edgedistill.storage.places import is_hidden, one_line

Listed = Iterable[ListedPhoto | LeftOut]


def checked_classes(
    listed: Listed,
    address: str,
    nothing: str,
    class_folders: Callable[[bool], Iterable[str]] = lambda is_split: (),
) -> Iterator[ListedPhoto | LeftOut]:
    """The same; at its end the classes are checked, of which the names alone were kept.

    Args:
        listed: the files.
        address: what the user calls the collection.
        nothing: what to say of it where it has no class.
        class_folders: names of the class folders, with files or without, of a collection that is
            split beforehand or is not.

    Raises:
        DatasetError: no class, one only, one without photos, or names that cannot be used.
    """
    names: set[str] = set()
    is_split = False
    left_out: dict[str, LeftOut] = {}  # the first one of each class
    for entry in listed:
        if isinstance(entry, ListedPhoto):
            names.add(entry.label_name)
            is_split |= entry.split != ""
        else:
            left_out.setdefault(entry.label_name, entry)
        yield entry
    wanted = names.union(class_folders(is_split), left_out) - {""}
    check_class_names(wanted)
    if not wanted:
        raise DatasetError(f"data_dir {address} {nothing}{_example(left_out.get(''))}.")
    for name in sorted(wanted - names):
        raise DatasetError(
            f"class {quoted(name)} has no files that can be read{_example(left_out.get(name))}; "
            "add some photos or take it away."
        )
    if len(names) == 1:
        name = names.pop()
        raise DatasetError(
            f"data_dir {address} has one class only, '{name}'; a classifier needs at least 2."
            f"{_inner_folder_hint(address, name)}"
        )


def checked_folders(listed: Listed, folder: str, nothing: str) -> Iterator[ListedPhoto | LeftOut]:
    """The same for a local folder, where a class folder may be empty."""

    def class_folders(is_split: bool) -> Iterable[str]:
        if is_split:
            return (name for split in _folders(folder) for name in _folders(f"{folder}/{split}"))
        return _folders(folder)

    return checked_classes(listed, folder, nothing, class_folders)


def _folders(path: str) -> Iterator[str]:
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and not is_hidden(entry.name):
                yield entry.name


def _example(entry: LeftOut | None) -> str:
    return f" ({one_line(entry.place)} {entry.reason})" if entry else ""


def _inner_folder_hint(address: str, name: str) -> str:
    """The folder that was meant, if that folder has folders."""
    inner = Path(address) / name
    if not inner.is_dir() or len(list(_folders(str(inner)))) < 2:
        return ""
    return f" The folders in {inner} look like classes: give that one as data_dir."
