"""Tables of file names and labels: CSV, with or without a header, and JSON lines.

Cells of CSV are separated by commas, by tabs, or by semicolons, which Excel writes in countries
where numbers have commas.
"""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

METADATA = ("metadata.csv", "metadata.jsonl")
"""Hugging Face's tables of the pictures in a folder, in which a single text need not be a class."""
NAME_COLUMNS = (
    *("file_name", "filename", "file", "image", "path", "image_path", "name"),
    *("image_id", "image_name", "id"),
)
"""Of file names, in order of preference."""
SEPARATORS = ",;\t"
LABEL_COLUMNS = ("label", "class", "category", "target", "class_name", "label_name")


def pairs_of(name: str, text: str) -> Iterable[Sequence[Any]]:
    """Names and labels in the text of the file `name`; raises ValueError or csv.Error."""
    if name.lower().endswith(".jsonl"):
        return _pairs_of_json_lines(text)
    rows = _rows(text)
    if not rows or not (_is_header(rows[0], rows[1:]) or name in METADATA):
        return rows
    plain = len(rows[0]) == 2 and rows[0][1].lower() not in NAME_COLUMNS
    return rows[1:] if plain and name not in METADATA else _labels(rows[0], rows[1:])


def _rows(text: str) -> list[list[str]]:
    """The cells of a table, separated as in its first reading that has equally long rows."""
    for separator in SEPARATORS:
        with suppress(csv.Error):
            rows = _separated(text, separator)
            if len({len(row) for row in rows}) == 1 and len(rows[0]) > 1:
                return rows
    return _separated(text, SEPARATORS[0])


def _separated(text: str, separator: str) -> list[list[str]]:
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    return [[cell.strip() for cell in row] for row in lines if row]


def _pairs_of_json_lines(text: str) -> Iterable[Sequence[Any]]:
    """Names and labels in lines, which `splitlines` would cut at a U+2028 in a string."""
    rows = [json.loads(line) for line in text.split("\n") if line.strip()]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("expected one JSON object in each line")
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return _labels(columns, [[row.get(column, "") for column in columns] for row in rows])


def _is_header(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether the first line of a CSV file names the columns."""
    if PurePosixPath(first[0]).suffix:
        return False
    if {cell.lower() for cell in first} & {*LABEL_COLUMNS, *NAME_COLUMNS}:
        return True
    return bool(rest) and all(PurePosixPath(row[0]).suffix for row in rest)


def _labels(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[tuple[str, Any]]:
    """Names and labels from a table with a column of file names.

    The label is the only column named as in `LABEL_COLUMNS`; else one of several columns of 0 and 1
    with one 1 in each row; else the only column in which values repeat. Raises ValueError if there
    is none or several.
    """
    if odd := [row for row in rows if len(row) != len(columns)]:
        raise ValueError(f"the line {odd[0]!s:.60} has {len(odd[0])} columns, not {len(columns)}")
    lower = [column.lower() for column in columns]
    names = [lower.index(name) for name in NAME_COLUMNS if name in lower]
    if not names:
        raise ValueError(
            f"none of its columns {', '.join(columns):.200} has file names; "
            f"call it {NAME_COLUMNS[0]}"
        )
    others = [place for place in range(len(columns)) if place != names[0]]
    named = [place for place in others if lower[place] in LABEL_COLUMNS]
    if not named and len(others) > 1 and rows and all(_is_one_hot(row, others) for row in rows):
        hot = [next(place for place in others if str(row[place]) == "1") for row in rows]
        return [(row[names[0]], columns[place]) for row, place in zip(rows, hot, strict=True)]
    chosen = named or [place for place in others if _repeats([row[place] for row in rows])]
    if len(chosen) != 1:
        found = ", ".join(columns[place] for place in chosen or others)
        which = "several columns may be" if chosen else "no column is"
        raise ValueError(f"{which} the label ({found:.200}); call one of them {LABEL_COLUMNS[0]}")
    return [(row[names[0]], row[chosen[0]]) for row in rows]


def _is_one_hot(row: Sequence[Any], places: Sequence[int]) -> bool:
    return sorted(str(row[place]) for place in places) == ["0"] * (len(places) - 1) + ["1"]


def _repeats(values: Sequence[Any]) -> bool:
    """Whether values look like classes: names or numbers, each given twice on average."""
    plain = all(isinstance(value, (str, int)) and value != "" for value in values)
    return plain and 2 * len(set(values)) <= len(values)
