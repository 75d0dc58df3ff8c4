"""Text in Markdown that reads as it was written, whatever characters are in it."""

import re
import textwrap
from collections.abc import Iterable, Sequence

# What begins some mark-up of CommonMark or of GitHub's dialect inside a line; a backslash before
# any ASCII punctuation takes its meaning.
_MEANS_SOMETHING = re.compile(r"([\\`*_{}\[\]()<>#|~&!$^@:.])")
_CODE = re.compile(r"`[^`]*`")
_GLUE = "\0"
_COLUMNS = 100


def escaped(text: str) -> str:
    """Text for a place inside a line; `|` too, so it may stand in a table.

    Args:
        text: one line, without white space at its ends.
    """
    # Runs of spaces would show as one.
    return _MEANS_SOMETHING.sub(r"\\\1", text).replace("  ", " &nbsp;")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of GitHub's dialect, of cells that are Markdown already.

    Args:
        head: the columns' titles.
        rows: cells, as many in each row.
    """
    rule = [":--"] * len(head)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def paragraph(text: str, *, indent: int = 0) -> str:
    """Text in lines of at most 100 columns, with an end of line behind it.

    Args:
        text: words and code spans; how it is broken into lines does not matter.
        indent: columns before each line but the first, for the items of a list.
    """
    # A line must not begin inside code: what stands there might begin a list.
    words = _CODE.sub(lambda code: code[0].replace(" ", _GLUE), " ".join(text.split()))
    lines = textwrap.fill(
        words,
        _COLUMNS,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines.replace(_GLUE, " ") + "\n"
