"""What a listing of a collection consists of, before any photo is read."""

import re
from dataclasses import dataclass

from edgedistill.storage.files import Content

SAMPLE = "sample"
"""This word stands for the digits of scikit-learn; a folder of that name is ./sample."""

SPLIT_OF_WORD = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "calib": "calib",
}
"""Words for the splits, in small letters, as folders, files and columns name them."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")
_OTHER_SPLIT_WORDS = frozenset({"training", "testing", "dev", "eval", "evaluation", "calibration"})


@dataclass(frozen=True, slots=True)
class ListedPhoto:
    """A file that is taken for a photo of a class until it is read.

    `root`: what `place` is relative to, an absolute address or `sample`; "" where `place` is an
    absolute address itself. `root` and `place` are what a manifest calls data_dir and filepath.
    `split`: train, val, test or calib; `group`: photos that must stay together; "" where not given.
    """

    root: str
    place: str
    label_name: str
    split: str
    group: str
    content: Content


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that is not read, and why, in one line; `label_name` is "" where it has none."""

    root: str
    place: str
    label_name: str
    reason: str


def split_of(word: str) -> str | None:
    """train, val, test or calib for one of their words in any case, else None."""
    return SPLIT_OF_WORD.get(word.casefold())


def has_scheme(text: str) -> bool:
    """Whether it is an address such as gs://bucket or https://host, of any kind."""
    return _SCHEME.match(text) is not None


def looks_like_split(word: str) -> bool:
    """Whether somebody may mean a split by it: a word for one, or one that is not taken as such."""
    return split_of(word) is not None or word.casefold() in _OTHER_SPLIT_WORDS
