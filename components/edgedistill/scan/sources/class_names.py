"""Names of classes: a line each in labels.txt, and folders on every system."""

import unicodedata
from collections.abc import Iterable

from edgedistill.errors import DatasetError
from edgedistill.storage.places import is_utf8, one_line

MOST_NAME_BYTES = 127
"""As many bytes of UTF-8 may a class name have."""


def check_class_names(names: Iterable[str]) -> None:
    """Refuses names that cannot stand in labels.txt, and two that look like one.

    Two names are alike where they differ only in case or Unicode form (NFKC, then case folding):
    a Mac or a Windows disk would put their photos into one folder.

    Raises:
        DatasetError: names the class, or both.
    """
    seen: dict[str, str] = {}
    for name in sorted(set(names)):
        if reason := _why_refused(name):
            raise DatasetError(
                f"class {quoted(name)} {reason}, because labels.txt holds a class a line; "
                "rename it."
            )
        other = seen.setdefault(_folded(name), name)
        if other != name:
            raise DatasetError(
                f"classes {quoted(other)} and {quoted(name)} differ only in case or in their "
                "Unicode form; rename one, or put their photos together."
            )


def _why_refused(name: str) -> str | None:
    if not is_utf8(name):
        return "must have a name of one line of UTF-8"
    if len(name.splitlines()) > 1 or any(
        unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in name
    ):
        return "must have a name of one line without control characters"
    if not name or name != name.strip():
        return "must have a name that neither is blank nor begins or ends with white space"
    n_bytes = len(name.encode("utf-8"))
    if n_bytes > MOST_NAME_BYTES:
        return f"must have a name of at most {MOST_NAME_BYTES} bytes of UTF-8, and has {n_bytes}"
    return None


def _folded(name: str) -> str:
    # Folding can undo the normal form (U+0345), hence once more.
    folded = unicodedata.normalize("NFKC", name).casefold()
    return unicodedata.normalize("NFKC", folded)


def quoted(name: str) -> str:
    """The name of a class for a sentence, on one line."""
    return f"'{one_line(name)}'"
