"""Folders that were meant as splits, but not in the shape of a split: refused, never classes."""

from collections.abc import Sequence

from edgedistill.errors import DatasetError
from edgedistill.scan.sources.class_names import quoted
from edgedistill.scan.sources.listing import looks_like_split, split_of
from edgedistill.storage.files import FoundFile, RefusedFile
from edgedistill.storage.places import one_line

_MOST_KEPT = 1000  # names below one folder; splits with more classes share some of the first too
_MOST_SHOWN = 3


class InnerFolders:
    """The first folders of a tree and the names of the folders in them, as its files pass by."""

    def __init__(self, root: str, *, is_split: bool):
        self._root = root
        self._is_split = is_split
        self._inner: dict[str, set[str]] = {}
        self._links: dict[str, str] = {}  # first folders that are links, and why they are refused

    def add(self, folders: Sequence[str], file: FoundFile | RefusedFile) -> None:
        """Takes in a file, and the folders that lead to it.

        Raises:
            DatasetError: it is a link in place of a folder of a split that is one.
        """
        if not folders:
            return
        if isinstance(file, RefusedFile):
            # What tells that it is a link to a folder is the slash at its end.
            if file.place.endswith("/"):
                self._add_link(folders, file)
            return
        names = self._inner.setdefault(folders[0], set())
        if len(folders) > 1 and len(names) < _MOST_KEPT:
            names.add(folders[1])

    def _add_link(self, folders: Sequence[str], link: RefusedFile) -> None:
        if len(folders) == 1:
            self._links[folders[0]] = link.reason
        is_of_split = len(folders) <= 2 and split_of(folders[0]) is not None
        if self._is_split and is_of_split:
            raise self._linked("/".join(folders), link.reason)

    def check(self) -> None:
        """To be called after the last file.

        Raises:
            DatasetError: the tree is not split, but has folders that look like splits.
        """
        words = [name for name in sorted(self._inner) if looks_like_split(name)]
        divided = [name for name in words if self._inner[name]]
        if self._is_split or not divided:
            return
        for name, reason in sorted(self._links.items()):
            if looks_like_split(name):
                raise self._linked(name, reason)
        for name in divided:
            self._refuse_same_inside(name)
        if len(words) > 1:
            self._refuse_words(words, divided[0])

    def _refuse_same_inside(self, name: str) -> None:
        for other in sorted(self._inner, key=lambda other: (not looks_like_split(other), other)):
            same = self._inner[name] & self._inner[other]
            if other == name or not same:
                continue
            if not self._has_train() and split_of(name) and split_of(other):
                raise self._without_train([name, other])
            folders = "folder" if len(same) == 1 else "folders"
            raise DatasetError(
                f"data_dir {self._root} has the folders {quoted(name)} and {quoted(other)}, which "
                f"hold the same {folders} {_some(same)}: they look like splits; name them train, "
                "val and test, with no other folder beside them."
            )

    def _refuse_words(self, words: list[str], divided: str) -> None:
        if not self._has_train() and all(split_of(word) for word in words):
            raise self._without_train(words)
        raise DatasetError(
            f"data_dir {self._root} has the folders {_some(map(quoted, words))}, and there are "
            f"folders in {quoted(divided)}: they look like splits; name them train, val and test, "
            "each with one folder of photos a class."
        )

    def _has_train(self) -> bool:
        return any(split_of(name) == "train" for name in self._inner)

    def _without_train(self, words: list[str]) -> DatasetError:
        return DatasetError(
            f"data_dir {self._root} has {' and '.join(sorted(words))} but no train; a collection "
            "that is split beforehand must have the folder train."
        )

    def _linked(self, place: str, reason: str) -> DatasetError:
        return DatasetError(
            f"data_dir {self._root}: {one_line(place)} {reason}; a folder of a split must lie "
            "there itself."
        )


def _some(names: "set[str] | map[str]") -> str:
    ordered = sorted(names)
    more = ", ..." if len(ordered) > _MOST_SHOWN else ""
    return ", ".join(one_line(name) for name in ordered[:_MOST_SHOWN]) + more
