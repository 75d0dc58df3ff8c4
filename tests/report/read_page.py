"""Reads a page back: its sections' texts, its tables, and the data of its charts."""

import json
import re
from html.parser import HTMLParser
from typing import Any

_NUMBER = re.compile(r"(?<![\w.])[−+-]?\d[\d,]*(?:\.\d+)?(?:e-\d+)?%?")


class ReadPage(HTMLParser):
    """`sections`: {heading: its text}; what stands above the first is at "top".

    `tables`: {heading: {title of a table: rows of cells, its head first}}; `charts`: {heading:
    {title: data}}. A title that stands twice in a section fails.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sections: dict[str, str] = {"top": ""}
        self.tables: dict[str, dict[str, list[list[str]]]] = {}
        self.charts: dict[str, dict[str, Any]] = {}
        self._section, self._title, self._chart = "top", "", ""
        self._inside: list[str] = []
        self._json = False
        self._rows: list[list[str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside.append(tag)
        values = dict(attrs)
        if tag in {"h2", "h3", "caption", "summary"}:
            self._title = ""
        elif tag == "table":
            self._rows = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in {"td", "th"}:
            self._rows[-1].append("")
        elif tag == "script":
            self._json = values.get("type") == "application/json"
        self._text(" ")

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass  # what is never closed: meta, img, input
        if tag == "h2":
            self._section = self._title
            assert self._section not in self.sections, self._section
            self.sections[self._section] = ""
            self.tables[self._section] = {}
            self.charts[self._section] = {}
        elif tag == "h3":
            self._chart = self._title
        elif tag == "table":
            tables = self.tables[self._section]
            name = self._title if self._title != self._section else ""
            assert name not in tables, (self._section, name)
            tables[name] = self._rows
            self._title = ""

    def handle_data(self, data: str) -> None:
        tag = self._inside[-1] if self._inside else ""
        if tag == "script":
            if self._json:
                assert self._chart not in self.charts[self._section]
                self.charts[self._section][self._chart] = json.loads(data)
        elif tag != "style":
            if tag in {"h2", "h3", "caption", "summary"}:
                self._title += data
            if {"td", "th"} & set(self._inside):
                self._rows[-1][-1] += data
            self._text(data)

    def _text(self, data: str) -> None:
        self.sections[self._section] += data


def numbers(text: str) -> set[str]:
    """The numbers in a text, as they are written, without sign."""
    return {found.lstrip("−+-").rstrip(",") for found in _NUMBER.findall(text)}


def figures(document: Any) -> list[float]:
    """Every number of a document."""
    if isinstance(document, bool) or document is None:
        return []
    if isinstance(document, int | float):
        return [document]
    if isinstance(document, dict):
        return [n for value in document.values() for n in figures(value)]
    if isinstance(document, str):
        return []
    return [n for value in document for n in figures(value)]


def texts(document: Any) -> list[str]:
    """Every text of a document, names of keys too."""
    if isinstance(document, str):
        return [document]
    if isinstance(document, dict):
        return [t for pair in document.items() for part in pair for t in texts(part)]
    if isinstance(document, list | tuple):
        return [t for value in document for t in texts(value)]
    return []


def forms(figure: float) -> set[str]:
    """How a number may be written; without its sign, which differences have besides."""
    size = abs(figure)
    written = {f"{size:,}", f"{size:g}", f"{size:.6g}"}
    if isinstance(figure, float):
        written |= {f"{size:.2f}", f"{size:.3f}", f"{size:.1%}", f"{100 * size:.1f}", f"{size:.0%}"}
        if size < 0.001:
            written.add("0.001")  # as in "< 0.001"
    return written
