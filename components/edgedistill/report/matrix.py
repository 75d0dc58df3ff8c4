"""A small confusion matrix as an HTML table: numbers that can be read, shaded by their share."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

_LEVEL = 6
"""Columns whose names have room beside each other; those of more stand upright."""


@dataclass(frozen=True)
class Matrix:
    """Counts, a row a true class, a column a predicted one, both in the order of `names`."""

    title: str
    names: Sequence[str]
    counts: Sequence[Sequence[int]]


def matrix_html(matrix: Matrix) -> str:
    """The table; rows and columns have header cells, so that a screen reader names both."""
    heads = "".join(f'<th scope="col"><span>{html.escape(n)}</span></th>' for n in matrix.names)
    rows = "\n".join(
        f'<tr><th scope="row">{html.escape(name)}</th>{_cells(row, at)}</tr>'
        for at, (name, row) in enumerate(zip(matrix.names, matrix.counts, strict=True))
    )
    kind = "matrix" if len(matrix.names) <= _LEVEL else "matrix steep"
    corner = '<td class="corner">true, below; predicted, right</td>'
    return (
        f'<div class="scroll"><table class="{kind}"><caption>{html.escape(matrix.title)}</caption>'
        f"<thead><tr>{corner}{heads}</tr></thead><tbody>\n{rows}\n</tbody></table></div>"
    )


def _cells(row: Sequence[int], diagonal: int) -> str:
    """Each count with its share of the true class's photos as shade."""
    total = max(1, sum(row))
    return "".join(
        f'<td class="{"right" if at == diagonal else "wrong"}" style="--share:{n / total:.2f}">'
        f"{n:,}</td>"
        if n
        else "<td>0</td>"
        for at, n in enumerate(row)
    )
