"""Sections of text, tables, charts and pictures, as one self-contained HTML page.

The Kubeflow dashboard shows HTML in an iframe with sandbox="allow-scripts", 600 px high: the page
must be one file below 2 MB, without links; pictures are data URIs. Scripts are in a page only where
it has charts, and the page itself forbids the browser to load anything.
"""

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from edgedistill.report.charts import Chart, chart_html, scripts_html
from edgedistill.report.matrix import Matrix, matrix_html
from edgedistill.report.style import STYLE

_JPEG_START = b"\xff\xd8"
_WEBP_START = b"RIFF"
_NUMBER = re.compile(r"(< )?[+\-−]?[\d,.]+( ?(%|px|s|min|h|kB|MB|GB|points?))?")
_LONGEST_WORD = 24
_NO_VALUE = ("", "–")
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


@dataclass(frozen=True)
class Picture:
    """A PNG, JPEG or WebP file, with what it shows in words; a wide one takes the full width."""

    data: bytes
    alt: str
    caption: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Table:
    """Cells of text, row by row; a column of numbers is set flush right.

    A `folded` table shows its title only, until the reader opens it.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    folded: bool = False


def folded_after(
    n_shown: int, header: Sequence[str], rows: Sequence[Sequence[str]], what: str
) -> list[Table]:
    """The first rows as a table, and the rest, if any, as a folded one that says how many of what.

    Args:
        n_shown: rows that are always seen.
        header: of both tables.
        rows: all of them, the most telling first.
        what: what a row is about, in the plural.
    """
    first, rest = rows[:n_shown], rows[n_shown:]
    tables = [Table(header, first)]
    if rest:
        tables.append(Table(header, rest, title=f"The other {len(rest):,} {what}", folded=True))
    return tables


@dataclass(frozen=True)
class Shot:
    """A small picture, and below it a name and a line of text; None: a blank says there is none."""

    picture: Picture | None
    name: str = ""
    text: str = ""


@dataclass(frozen=True)
class Exhibit:
    """Small pictures that belong together, with a line of text; framed where it has no title."""

    shots: Sequence[Shot]
    title: str = ""
    text: str = ""


@dataclass(frozen=True)
class Gallery:
    """Exhibits in columns at least `cell_px` wide; a `folded` one opens like a folded table."""

    exhibits: Sequence[Exhibit]
    cell_px: int
    title: str = ""
    folded: bool = False


@dataclass(frozen=True)
class Headline:
    """A number that stands large at the top of the page: "91.3 %", what it is, and a remark."""

    value: str
    label: str
    remark: str = ""


@dataclass(frozen=True)
class Section:
    """A titled part of the page, shown in the order of its fields; `table` is a lone table.

    A lone picture that is not wide stands beside text and tables where the screen has room. The
    bullets are numbered where they are `ordered`; tables that are not folded stand `abreast`
    where the screen has room. Charts stand side by side, below paragraphs, bullets and matrix.
    """

    title: str
    paragraphs: Sequence[str] = ()
    bullets: Sequence[str] = ()
    table: Table | None = None
    tables: Sequence[Table] = ()
    images: Sequence[Picture] = ()
    galleries: Sequence[Gallery] = ()
    ordered: bool = False
    abreast: bool = False
    charts: Sequence[Chart] = ()
    matrix: Matrix | None = None

    @property
    def all_tables(self) -> list[Table]:
        """`table`, if there is one, and then `tables`."""
        return [*([self.table] if self.table else []), *self.tables]


def render_page(
    title: str,
    lead: str,
    sections: Sequence[Section],
    headlines: Sequence[Headline] = (),
    *,
    tone: str = "",
) -> str:
    """The page as HTML; every text is plain and is escaped here.

    Args:
        title: the page's heading.
        lead: the sentence that a hurried reader reads.
        sections: what follows, in order.
        headlines: numbers shown large between lead and sections.
        tone: of the lead: "good", "warning", "bad", or plain.
    """
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body><main>",
        f'<h1>{html.escape(title)}</h1><p class="{f"lead {tone}".strip()}">{html.escape(lead)}</p>',
        _headlines_html(headlines),
        *map(_section_html, sections),
        "</main>",
        scripts_html([chart.kind for section in sections for chart in section.charts]),
        "</body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _headlines_html(headlines: Sequence[Headline]) -> str:
    if not headlines:
        return ""
    cards = "".join(
        f'<div class="card"><span class="label">{html.escape(h.label)}</span>'
        f'<span class="value">{html.escape(h.value)}</span>'
        f'<span class="remark">{html.escape(h.remark)}</span></div>'
        for h in headlines
    )
    return f'<div class="cards">{cards}</div>'


def _section_html(section: Section) -> str:
    parts = [f"<p>{html.escape(text)}</p>" for text in section.paragraphs]
    if section.bullets:
        items = "".join(f"<li>{html.escape(text)}</li>" for text in section.bullets)
        tag = "ol" if section.ordered else "ul"
        parts.append(f"<{tag}>{items}</{tag}>")
    if section.matrix:
        parts.append(matrix_html(section.matrix))
    if section.charts:
        charts = "\n".join(chart_html(chart, _numbers_html(chart)) for chart in section.charts)
        parts.append(f'<div class="charts">{charts}</div>')
    parts += _tables_html(section)
    parts += map(_gallery_html, section.galleries)
    pictures = "".join(map(_picture_html, section.images))
    if pictures:
        pictures = f'<div class="pictures">{pictures}</div>'
    text = "\n".join(parts)
    if len(section.images) == 1 and section.all_tables and not section.images[0].wide:
        body = f'<div class="beside"><div>{text}</div>{pictures}</div>'
    else:
        body = text + pictures
    return f"<section><h2>{html.escape(section.title)}</h2>\n{body}</section>"


def _numbers_html(chart: Chart) -> str:
    title = f"Numbers of: {chart.title}"
    return _table_html(Table(chart.header, chart.rows, title=title, folded=True))


def _tables_html(section: Section) -> list[str]:
    tables = section.all_tables
    if not section.abreast:
        return [_table_html(table) for table in tables]
    open_ones = "".join(f"<div>{_table_html(table)}</div>" for table in tables if not table.folded)
    folded = [_table_html(table) for table in tables if table.folded]
    return [f'<div class="abreast">{open_ones}</div>', *folded]


def _table_html(table: Table) -> str:
    classes = [' class="number"' if number else "" for number in _number_columns(table)]
    cells = zip(classes, table.header, strict=True)
    head = "".join(f'<th scope="col"{c}>{html.escape(text)}</th>' for c, text in cells)
    body = "\n".join(f"<tr>{_row_html(classes, row)}</tr>" for row in table.rows)
    top = f"<thead><tr>{head}</tr></thead>" if any(table.header) else ""
    grid = f'<div class="scroll"><table>{top}<tbody>\n{body}\n</tbody></table></div>'
    return _titled(table, grid)


def _titled(part: Table | Gallery, body: str) -> str:
    """The body below its title, or folded into it."""
    if part.folded:
        return f"<details><summary>{html.escape(part.title)}</summary>{body}</details>"
    return (f"<h3>{html.escape(part.title)}</h3>" if part.title else "") + body


def _gallery_html(gallery: Gallery) -> str:
    exhibits = "\n".join(map(exhibit_html, gallery.exhibits))
    cell = f'style="--cell:{gallery.cell_px}px"'
    return _titled(gallery, f'<div class="gallery" {cell}>{exhibits}</div>')


def exhibit_html(exhibit: Exhibit) -> str:
    """An exhibit as it stands in the page: whoever fills a page up to its limit can measure it."""
    shots = f'<div class="shots">{"".join(map(_shot_html, exhibit.shots))}</div>'
    title = f"<b>{html.escape(exhibit.title)}</b>" if exhibit.title else ""
    text = f"<span>{html.escape(exhibit.text)}</span>" if exhibit.text else ""
    caption = f"<figcaption>{title}{text}</figcaption>" if title or text else ""
    if title:
        return f"<figure>{caption}{shots}</figure>"
    return f'<figure class="tile">{shots}{caption}</figure>'


def _shot_html(shot: Shot) -> str:
    image = _image_html(shot.picture) if shot.picture else '<i class="blank">no picture</i>'
    if not shot.name and not shot.text:
        return image
    name = f"<b>{html.escape(shot.name)}</b>" if shot.name else ""
    return f'<div class="shot">{image}{name}<span>{html.escape(shot.text)}</span></div>'


def _row_html(classes: Sequence[str], row: Sequence[str]) -> str:
    """The cells; one with a word that no phone is wide enough for may break anywhere."""
    cells = []
    for attribute, text in zip(classes, row, strict=True):
        is_long = max(map(len, text.split()), default=0) > _LONGEST_WORD
        cells.append(f"<td{' class=long' if is_long else attribute}>{html.escape(text)}</td>")
    return "".join(cells)


def _number_columns(table: Table) -> list[bool]:
    """Whether each column holds numbers, but for cells without a value."""
    flags = []
    for column in range(len(table.header)):
        cells = [row[column] for row in table.rows if row[column] not in _NO_VALUE]
        flags.append(bool(cells) and all(_NUMBER.fullmatch(cell) for cell in cells))
    return flags


def _image_html(picture: Picture) -> str:
    kind = "png"
    if picture.data.startswith(_JPEG_START):
        kind = "jpeg"
    elif picture.data.startswith(_WEBP_START):
        kind = "webp"
    source = f"data:image/{kind};base64,{base64.b64encode(picture.data).decode('ascii')}"
    return f'<img src="{source}" alt="{html.escape(picture.alt)}">'


def _picture_html(picture: Picture) -> str:
    caption = f"<figcaption>{html.escape(picture.caption)}</figcaption>" if picture.caption else ""
    wide = ' class="wide"' if picture.wide else ""
    return f"<figure{wide}>{_image_html(picture)}{caption}</figure>"
