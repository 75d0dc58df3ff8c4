"""Names of files and classes as a sentence can hold them, and counts with their nouns."""

import unicodedata
from collections.abc import Sequence

LONGEST_PLACE = 120
"""Characters of a path that are shown; a longer one is cut in its middle."""
LONGEST_CLASS = 130
"""A class name has at most 127 bytes; only one that is mostly escapes is cut."""
LONGEST_DETAIL = 240

_CUT = " … "
_RIGHT_TO_LEFT = ("R", "AL", "AN")
# Keeps a name that is written right to left from turning the numbers after it round.
_ISOLATE, _END_OF_ISOLATE = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def visible(text: str, longest: int) -> str:
    """`text` in characters that can be seen, at most `longest` of them.

    Line breaks, control characters, invisible marks and bytes that are no UTF-8 are written as
    escapes, so that two names that differ also look different.
    """
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    if len(text) <= longest:
        return text
    head = (longest - len(_CUT)) // 2
    tail = longest - len(_CUT) - head
    return text[:head] + _CUT + text[-tail:]


def shown_place(filepath: str) -> str:
    """A file's path, as it stands in the page."""
    return visible(filepath, LONGEST_PLACE)


def shown_class(label_name: str) -> str:
    """A class's name, as it stands in the page."""
    return visible(label_name, LONGEST_CLASS)


def shown_detail(detail: str) -> str:
    """A reason or a measure, as it stands in the page."""
    return visible(detail, LONGEST_DETAIL)


def quoted(label_name: str) -> str:
    """A class's name inside a sentence."""
    name = shown_class(label_name)
    if any(unicodedata.bidirectional(c) in _RIGHT_TO_LEFT for c in name):
        name = _ISOLATE + name + _END_OF_ISOLATE
    return f"'{name}'"


def counted(n: int, one: str, more: str = "") -> str:
    """ "1 photo", "1,234 photos"; `more` where the plural is not `one` with an s."""
    return f"{n:,} {one if n == 1 else more or one + 's'}"


def in_words(n: int) -> str:
    """Numbers up to ten as words."""
    return _WORDS[n] if n < len(_WORDS) else f"{n:,}"


def listed(parts: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
