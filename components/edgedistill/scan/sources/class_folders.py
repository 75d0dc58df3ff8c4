"""A tree of class folders, split beforehand or not, becomes listed photos."""

from collections.abc import Iterator, Mapping

from edgedistill.artifacts import UNKNOWN_LABEL
from edgedistill.errors import DatasetError
from edgedistill.scan.sources.inner_folders import InnerFolders
from edgedistill.scan.sources.listing import LeftOut, ListedPhoto, split_of
from edgedistill.storage.files import FoundFile, RefusedFile, Tree
from edgedistill.storage.places import why_unsafe

IN_NO_CLASS = "lies in no class folder"
"""Why a file beside the class folders is left out."""


def list_class_folders(
    tree: Tree, *, root: str, may_descend: bool
) -> Iterator[ListedPhoto | LeftOut]:
    """Every file of the tree; its class is the first folder, or the second below a split.

    Those below `_unknown`, in the place of a class or beside the splits, are of no class.

    The tree is walked once more to see whether its folders are splits; that ends at the first
    file of a folder that is none.

    Args:
        tree: the files.
        root: what the photos call the tree.
        may_descend: take the one folder that holds all others for the root, as in photos.zip made
            of the folder photos.

    Raises:
        DatasetError: two folders for one split, folders that are splits of another shape, or a
            link in place of a split's folder.
    """
    prefix = inner_folder(tree) if may_descend else ""
    splits = split_folders(tree, prefix)
    inner = InnerFolders(tree.root, is_split=bool(splits))
    for file in tree.files():
        below = file.place.removeprefix(prefix) if file.place.startswith(prefix) else ""
        folders = below.split("/")[:-1]
        is_unknown = folders[:1] == [UNKNOWN_LABEL]  # beside classes, or beside splits
        if not is_unknown:
            inner.add(folders, file)
        split = splits.get(folders[0], "") if folders else ""
        if splits and not is_unknown:
            folders = folders[1:]
        label_name = folders[0] if folders else ""
        if isinstance(file, RefusedFile):
            label_name = "" if why_unsafe(file.place) else label_name
            yield LeftOut(root, file.place, label_name, file.reason)
        elif folders:
            yield ListedPhoto(root, file.place, label_name, split, "", file.content)
        else:
            yield LeftOut(root, file.place, "", IN_NO_CLASS)
    inner.check()


def inner_folder(tree: Tree) -> str:
    """The folder, with its slash, that holds all folders with files, if two or more; else ""."""
    prefix = ""
    while len(names := _two_folders(tree, prefix)) == 1:
        prefix += f"{names.pop()}/"
    return prefix if names else ""


def _two_folders(tree: Tree, prefix: str) -> set[str]:
    """Names of folders with files below `prefix`; no more than two are looked for."""
    names: set[str] = set()
    for parts in _paths_below(tree, prefix):
        if len(parts) > 1:
            names.add(parts[0])
        if len(names) == 2:
            break
    return names


def split_folders(tree: Tree, prefix: str = "") -> Mapping[str, str]:
    """The split of each first folder below `prefix`; empty where the folders are classes.

    They are splits where all are words for splits, one of them for train, and train has folders.

    Raises:
        DatasetError: two folders for one split.
    """
    splits: dict[str, str] = {}
    train_has_folders = False
    for parts in _paths_below(tree, prefix):
        if len(parts) == 1 or parts[0] == UNKNOWN_LABEL:
            continue
        split = split_of(parts[0])
        if split is None:
            return {}
        splits[parts[0]] = split
        train_has_folders |= split == "train" and len(parts) > 2
    if not train_has_folders or len(splits) < 2:
        return {}
    _refuse_two_of_one_split(splits, tree.root)
    return splits


def _refuse_two_of_one_split(splits: Mapping[str, str], root: str) -> None:
    first_of: dict[str, str] = {}
    for folder, split in sorted(splits.items()):
        if split in first_of:
            raise DatasetError(
                f"data_dir {root} has two folders for the split {split}, '{first_of[split]}' and "
                f"'{folder}'; put their photos together."
            )
        first_of[split] = folder


def _paths_below(tree: Tree, prefix: str) -> Iterator[list[str]]:
    for file in tree.files():
        if isinstance(file, FoundFile) and file.place.startswith(prefix):
            yield file.place[len(prefix) :].split("/")
