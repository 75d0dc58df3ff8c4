"""Manifests: CSV or JSON lines that name photos and their classes, read a row at a time."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from edgedistill.artifacts import UNKNOWN_LABEL
from edgedistill.errors import DatasetError
from edgedistill.scan.sources.listing import split_of
from edgedistill.storage.places import is_utf8

MANIFEST_SUFFIXES = (".csv", ".jsonl", ".ndjson")
"""How the name of a manifest ends."""

# The first word of each is ours; the second is what the CSVs that split writes say.
_WORDS = {
    "path": ("path", "filepath"),
    "label": ("label", "label_name"),
    "split": ("split",),
    "group": ("group",),
    "data_dir": ("data_dir",),
}
_NEEDED = ("path", "label")
_DELIMITERS = (",", ";", "\t")
_MOST_LINE_CHARACTERS = 1 << 20


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One photo as a manifest names it; `split`, `group`, `data_dir` are "" where not given."""

    line: int
    path: str
    label_name: str
    split: str
    group: str
    data_dir: str


class _RowError(ValueError):
    """What is wrong with a row; the line is told by who knows it."""


def is_manifest_name(address: str) -> bool:
    """Whether an address is that of a manifest, by its name alone."""
    return address.lower().endswith(MANIFEST_SUFFIXES)


def is_csv_manifest(path: Path) -> bool:
    """Whether a local file is a CSV whose header names a path and a label."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            _header(file.readline(_MOST_LINE_CHARACTERS))
    except (OSError, ValueError, csv.Error):
        return False
    return True


def read_manifest(path: Path, name: str) -> Iterator[ManifestRow]:
    """The rows of a CSV (by the name's ending) or of JSON lines, in order, in flat memory.

    Columns: path (or filepath) and label (or label_name); split, group and data_dir if they are
    wanted; others are ignored. UTF-8, with a byte order mark or without; the delimiter is the one
    of the header: comma, semicolon or tab.

    Args:
        path: the local file.
        name: what the user calls it.

    Raises:
        DatasetError: the file cannot be read, or a row is damaged: a sentence with its line.
    """
    rows = _csv_rows if name.lower().endswith(".csv") else _json_rows
    try:
        # Bytes that are not UTF-8 become surrogates, and are found in their row.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            yield from _same_splits(rows(file, name), name)
    except OSError as error:
        raise DatasetError(f"{name} cannot be read: {error.strerror}.") from None


def _same_splits(rows: Iterator[ManifestRow], name: str) -> Iterator[ManifestRow]:
    """The same rows; a split must stand in each that has a class, or in none."""
    with_split = None
    for row in rows:
        if row.label_name == UNKNOWN_LABEL:
            yield row  # of no class: in no split whatever stands there
            continue
        if with_split is None:
            with_split = bool(row.split)
        if bool(row.split) != with_split:
            has, others = ("a", "none") if row.split else ("no", "one")
            raise _damaged(name, row.line, f"has {has} split where the rows above have {others}")
        yield row


def _csv_rows(file: TextIO, name: str) -> Iterator[ManifestRow]:
    lines = _lines(file, name)
    header_text = next(lines, "")
    try:
        columns, n_fields, delimiter = _header(header_text)
    except (_RowError, csv.Error) as error:
        raise _damaged(name, 1, str(error)) from None
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    line = 2
    try:
        for fields in reader:
            if fields:
                yield _csv_row(fields, columns, n_fields, line)
            line = reader.line_num + 2  # where the next one begins
    except (_RowError, csv.Error) as error:
        raise _damaged(name, line, str(error)) from None


def _csv_row(
    fields: Sequence[str], columns: Mapping[str, int], n_fields: int, line: int
) -> ManifestRow:
    if len(fields) != n_fields:
        raise _RowError(f"must have {n_fields} fields, as the header has, and has {len(fields)}")
    return _row(lambda key: fields[columns[key]] if key in columns else "", line)


def _header(text: str) -> tuple[dict[str, int], int, str]:
    """Which field holds what, how many there are, and the delimiter."""
    for delimiter in _DELIMITERS:
        names = next(csv.reader([text], delimiter=delimiter, strict=True), [])
        columns = _columns([name.strip().casefold() for name in names])
        if all(key in columns for key in _NEEDED):
            return columns, len(names), delimiter
    raise _RowError("must be a header with the columns path and label (or filepath and label_name)")


def _columns(names: Sequence[str]) -> dict[str, int]:
    columns: dict[str, int] = {}
    for key, words in _WORDS.items():
        places = [place for place, name in enumerate(names) if name in words]
        if len(places) > 1:
            raise _RowError(f"must have one column of {' or '.join(words)}, and has {len(places)}")
        if places:
            columns[key] = places[0]
    return columns


def _json_rows(file: TextIO, name: str) -> Iterator[ManifestRow]:
    for line, text in enumerate(_lines(file, name), start=1):
        if not text.strip():
            continue
        try:
            yield _json_row(text, line)
        except _RowError as error:
            raise _damaged(name, line, str(error)) from None


def _json_row(text: str, line: int) -> ManifestRow:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise _RowError("is no JSON") from None
    if not isinstance(value, dict):
        raise _RowError("must be a JSON object with the keys path and label")
    given = _columns(list(value))
    keys = list(value)
    return _row(lambda key: _json_text(value, keys[given[key]]) if key in given else "", line)


def _json_text(value: Mapping[str, object], key: str) -> str:
    """A text, or a whole number as one; null is as if the key were not there."""
    found = value[key]
    if found is None:
        return ""
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    if not isinstance(found, str):
        raise _RowError(f"must have a text as {key}, and has {json.dumps(found)[:40]}")
    return found


def _row(field: Callable[[str], str], line: int) -> ManifestRow:
    values = {key: field(key) for key in _WORDS}
    for key, text in values.items():
        if not is_utf8(text):
            raise _RowError(f"has a {key} that is not UTF-8")
        if "\0" in text:
            raise _RowError(f"has a NUL byte in its {key}")
    for key in _NEEDED:
        if not values[key].strip():
            raise _RowError(f"has no {key}")
    split = split_of(values["split"])
    if values["split"] and split is None:
        raise _RowError(
            f"must have train, val, test or calib as split, and has '{values['split'][:40]}'"
        )
    return ManifestRow(
        line, values["path"], values["label"], split or "", values["group"], values["data_dir"]
    )


def _lines(file: TextIO, name: str) -> Iterator[str]:
    """Lines with their ends; one without end would fill the memory."""
    line = 0
    while text := file.readline(_MOST_LINE_CHARACTERS):
        line += 1
        if len(text) == _MOST_LINE_CHARACTERS:
            raise _damaged(name, line, "is longer than a million characters")
        yield text


def _damaged(name: str, line: int, what: str) -> DatasetError:
    return DatasetError(f"{name}: line {line} {what}.")
