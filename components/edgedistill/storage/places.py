"""Names of files below a root: which are left out, which are refused, which come twice."""

import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable
from copy import copy
from hashlib import blake2b
from itertools import pairwise
from typing import Self

_OF_THE_SYSTEM = frozenset({"lost+found", "__macosx", "thumbs.db", "desktop.ini"})
_DRIVE = re.compile(r"[A-Za-z]:")

REPLACED = "is replaced by a later file of the same name in the archive"
"""Why the first of two members of one name is left out; unpacking would keep the last."""


def is_hidden(place: str) -> bool:
    """Whether a component begins with a dot, or is one that systems leave behind.

    The components "." and ".." hide nothing.
    """
    return any(
        name.startswith(".") or name.lower() in _OF_THE_SYSTEM
        for name in place.split("/")
        if name not in (".", "..")
    )


def plain_place(name: str) -> str:
    """`name` without empty components and dots: "./a//b" is "a/b"; ".." and a root stay."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return ("/" if name.startswith("/") else "") + "/".join(parts)


def shown_place(name: str) -> str:
    """`name` as text that can be written: bytes that are not UTF-8 become escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def one_line(name: str) -> str:
    """`name` for a sentence: everything but visible characters and spaces becomes escapes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown_place(name))


def why_unsafe(name: str) -> str | None:
    """Why a member of an archive must not be read, or None: its name leads out, or is no name."""
    if not name:
        return "it has no name"
    if not is_utf8(name):
        return "its name is not UTF-8"
    if any(unicodedata.category(character) == "Cc" for character in name):
        return "its name has a control character"
    if "\\" in name:
        return "its name has a backslash"
    if name.startswith("/") or _DRIVE.match(name):
        return "its name is absolute"
    if ".." in name.split("/"):
        return "its name leads out of the archive"
    return None


def is_utf8(name: str) -> bool:
    """Whether a name can be written as UTF-8: bytes that were not are surrogates in it."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


class Replacements:
    """Which files come again later under the same name, known after one pass over the names.

    Eight bytes a name while it counts, then the repeated names alone. Two of n names are taken
    for one by chance with probability n**2 / 2**65: 3e-8 for a million.
    """

    def __init__(self, places: Iterable[str]):
        keys = array("Q", map(_key, places))
        ordered = sorted(keys)
        self._to_come = Counter(key for key, following in pairwise(ordered) if key == following)

    def afresh(self) -> Self:
        """The same, for another pass."""
        other = copy(self)
        other._to_come = self._to_come.copy()
        return other

    def is_replaced(self, place: str) -> bool:
        """To be asked once a file, in the order of the first pass."""
        key = _key(place)
        if not self._to_come[key]:
            return False
        self._to_come[key] -= 1
        return True


def _key(place: str) -> int:
    name = place.encode("utf-8", "surrogateescape")
    return int.from_bytes(blake2b(name, digest_size=8).digest(), "little")
