"""What must hold for the classes of a collection, checked while its photos pass by."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from edgedistill.artifacts import UNKNOWN_LABEL
from edgedistill.errors import DatasetError
from edgedistill.scan.sources.class_names import check_class_names, quoted
from edgedistill.scan.sources.listing import LeftOut, ListedPhoto, split_of
from edgedistill.scan.sources.manifest import is_csv_manifest, is_manifest_name
from edgedistill.storage.archives import is_archive_name
from edgedistill.storage.files import BUCKET_SCHEMES
from edgedistill.storage.folders import local_kind
from edgedistill.storage.places import is_hidden, one_line

Listed = Iterable[ListedPhoto | LeftOut]


def checked_classes(
    listed: Listed,
    address: str,
    nothing: str,
    class_folders: Callable[[bool], Iterable[str]] = lambda is_split: (),
) -> Iterator[ListedPhoto | LeftOut]:
    """The same; at its end the classes are checked, of which the names alone were kept.

    Photos of no class are passed on; nothing is asked of them but to be there.

    Args:
        listed: the files.
        address: what the user calls the collection.
        nothing: what to say of it where it has no class.
        class_folders: names of the class folders, with files or without, of a collection that is
            split beforehand or is not.

    Raises:
        DatasetError: no class, one only, one without photos or with none to train on, or names
            that cannot be used.
    """
    splits_of: dict[str, set[str]] = {}
    left_out: dict[str, LeftOut] = {}  # the first one of each class
    manifest = ""
    for entry in listed:
        if isinstance(entry, ListedPhoto):
            splits_of.setdefault(entry.label_name, set()).add(entry.split)
        else:
            left_out.setdefault(entry.label_name, entry)
            manifest = manifest or _manifest_beside_classes(entry)
        yield entry
    has_unknown = splits_of.pop(UNKNOWN_LABEL, None) is not None
    is_split = any(splits != {""} for splits in splits_of.values())
    wanted = set(left_out).union(class_folders(is_split), splits_of) - {""}
    check_class_names(wanted | {UNKNOWN_LABEL})  # _Unknown must not become a class in silence
    if UNKNOWN_LABEL in wanted and not has_unknown:
        raise _without_photos(UNKNOWN_LABEL, left_out.get(UNKNOWN_LABEL))
    wanted.discard(UNKNOWN_LABEL)  # no class: what must hold for classes need not hold for it
    if not wanted:
        hint = _manifest_hint(address, manifest)
        raise DatasetError(f"data_dir {address} {nothing}{_example(left_out.get(''))}.{hint}")
    for name in sorted(wanted - splits_of.keys()):
        raise _without_photos(name, left_out.get(name))
    if len(wanted) == 1:
        name = wanted.pop()
        hint = _inner_folder_hint(address, name) or _manifest_hint(address, manifest)
        raise DatasetError(
            f"data_dir {address} has one class only, '{name}'; a classifier needs at least 2.{hint}"
        )
    if is_split:
        _require_train(address, splits_of, left_out)


def checked_folders(listed: Listed, folder: str, nothing: str) -> Iterator[ListedPhoto | LeftOut]:
    """The same for a local folder, where a class folder may be empty."""

    def class_folders(is_split: bool) -> Iterable[str]:
        if is_split:
            splits = set(_folders(folder)) - {UNKNOWN_LABEL}
            return (name for split in splits for name in _folders(f"{folder}/{split}"))
        names = set(_folders(folder))
        splits = {name for name in names if split_of(name)}
        # An empty val beside train is no class.
        return names - splits if len(splits) > 1 else names

    return checked_classes(listed, folder, nothing, class_folders)


def _folders(path: str) -> Iterator[str]:
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and not is_hidden(entry.name):
                yield entry.name


def _without_photos(name: str, left_out: LeftOut | None) -> DatasetError:
    what = "mend that, or take the class away" if left_out else "add some photos or take it away"
    kind = "folder" if name == UNKNOWN_LABEL else "class"
    return DatasetError(
        f"{kind} {quoted(name)} has no files that can be read{_example(left_out)}; {what}."
    )


def _require_train(
    address: str, splits_of: Mapping[str, set[str]], left_out: Mapping[str, LeftOut]
) -> None:
    there = set().union(*splits_of.values())
    if "train" not in there:
        raise DatasetError(
            f"data_dir {address} has {' and '.join(sorted(there))} but no train; a collection that "
            "is split beforehand must have photos to train on."
        )
    for name, splits in sorted(splits_of.items()):
        if "train" not in splits:
            raise DatasetError(
                f"class {quoted(name)} is in {' and '.join(sorted(splits))} but not in train"
                f"{_example(left_out.get(name))}; add it to train or take it away."
            )


def _example(entry: LeftOut | None) -> str:
    return f" ({one_line(entry.place)} {entry.reason})" if entry else ""


def _manifest_beside_classes(entry: LeftOut) -> str:
    return entry.place if entry.label_name == "" and is_manifest_name(entry.place) else ""


def _manifest_hint(address: str, place: str) -> str:
    """What to do with the list of labels that lies beside photos in no class folder."""
    if not place:
        return ""
    name = one_line(place)
    if local_kind(address) == "folder":
        path = Path(address) / place
        if path.suffix.lower() == ".csv" and not is_csv_manifest(path):
            return ""
    elif not address.startswith(BUCKET_SCHEMES) or is_archive_name(address):
        return f" {name} looks like a manifest: unpack the archive, and give that file as data_dir."
    return f" {address}/{name} looks like a manifest: give that file as data_dir."


def _inner_folder_hint(address: str, name: str) -> str:
    """The folder that was meant, if that folder has folders."""
    inner = f"{address}/{name}"
    if local_kind(inner) != "folder" or len(list(_folders(inner))) < 2:
        return ""
    return f" The folders in {inner} look like classes: give that one as data_dir."
