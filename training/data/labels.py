"""Class labels: reading labels files, matching them to images, numbering classes."""

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mirage.training.data.sources.image import read_file
from mirage.training.errors import DataError

SHOWN = 3
"""Image names listed in an error."""


def read_labels_file(path: Path) -> bytes:
    """Read a labels file of at most `MAX_FILE_BYTES`; raises DataError."""
    try:
        return read_file(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"the labels file {path} cannot be read: {reason}") from error


def read_labels(name: str, content: bytes) -> dict[str, str] | None:
    """Parse a labels file to a dict of image names to class names.

    Reads JSON like StyleGAN's dataset.json, {"labels": [[name, label], …]} or
    {"labels": {name: label}}, and CSV lines `name,label` with or without a header that ends in
    `label` or `class`. Returns None for {"labels": null}. Raises DataError naming the file and the
    fault.
    """
    try:
        text = content.decode("utf-8-sig")
        pairs = _pairs_of_json(text) if name.lower().endswith(".json") else _pairs_of_csv(text)
        return None if pairs is None else _collected(pairs)
    except (ValueError, csv.Error, RecursionError) as error:
        raise DataError(f"the labels file {name} cannot be used: {error}") from error


def _pairs_of_json(text: str) -> Iterable[Sequence[Any]] | None:
    content = json.loads(text)
    labels = content.get("labels", ...) if isinstance(content, dict) else ...
    if labels is None:
        return None
    if isinstance(labels, dict):
        return labels.items()
    if not isinstance(labels, list):
        raise ValueError('expected {"labels": [[name, label], …]}')
    return labels


def _pairs_of_csv(text: str) -> Iterable[Sequence[str]]:
    rows = [row for row in csv.reader(io.StringIO(text), strict=True) if row]
    headed = bool(rows) and rows[0][-1].strip().lower() in {"label", "class"}
    return [[cell.strip() for cell in row] for row in rows[headed:]]


def _collected(pairs: Iterable[Sequence[Any]]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for number, pair in enumerate(pairs, 1):
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise ValueError(f"entry {number} is {pair!s:.60}; expected a name and a label")
        name, label = str(pair[0]), pair[1]
        if isinstance(label, bool) or not isinstance(label, (int, str)) or label == "":
            raise ValueError(f"{name} has the label {label!s:.60}; expected a name or a number")
        if labels.setdefault(name, str(label)) != str(label):
            raise ValueError(f"{name} has two labels, {labels[name]} and {label}")
    return labels


def match_labels(labels: dict[str, str], names: Sequence[str], file: str) -> list[str]:
    """The class of each image; raises DataError for missing images and for missing labels."""
    absent = sorted(labels.keys() - set(names))
    if absent:
        raise DataError(
            f"the labels file {file} names {_some(absent)} that --data does not contain"
        )
    missing = [name for name in names if name not in labels]
    if missing:
        raise DataError(f"the labels file {file} lacks {_some(missing)} that --data contains")
    return [labels[name] for name in names]


def _some(names: Sequence[str]) -> str:
    listed = ", ".join(names[:SHOWN])
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} image{'s' if len(names) > 1 else ''} ({listed}{more})"


INTEGER = re.compile("-?[0-9]{1,200}")  # no longer than a bundle's class names


def number_classes(names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Number the class of each image: labels int64 [N], and the class names in order.

    Names that are all integers are in numeric order, others in code-point order.
    """
    classes = sorted(set(names))
    if all(map(INTEGER.fullmatch, classes)):
        classes.sort(key=int)  # stable: 01 stays before 1
    index = {name: number for number, name in enumerate(classes)}
    return np.array([index[name] for name in names], np.int64), classes
