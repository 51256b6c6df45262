"""Class labels: reading labels files, matching them to images, numbering classes."""

import codecs
import csv
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from mirage.bundle.format.manifest import MAX_CLASSES, ClassName
from mirage.training.data.labels_table import METADATA, pairs_of
from mirage.training.data.sources.image import read_file
from mirage.training.errors import DataError

WHOLE = re.compile(r"-?[0-9]+\.0+")
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
    {"labels": {name: label}}; CSV lines `name,label` with or without a header; and tables with a
    header or of JSON lines, as `labels_table` does. Returns None for {"labels": null}. Raises
    DataError naming the file and the fault.
    """
    try:
        text = _text(content)
        pairs = _pairs_of_json(text) if name.lower().endswith(".json") else pairs_of(name, text)
        return None if pairs is None else _collected(pairs)
    except (ValueError, csv.Error, RecursionError) as error:
        raise DataError(f"the labels file {name} cannot be used: {error}") from error


def _text(content: bytes) -> str:
    """The text of a labels file in UTF-8, or in UTF-16 with a byte order mark, as Excel writes."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 at byte {error.start}; save it as UTF-8") from error


def found_labels(name: str, content: bytes) -> tuple[dict[str, str] | None, str]:
    """As `read_labels` for a file that was found beside the images, and a note.

    A metadata file that is no table with one column of classes gives no labels, and the note says
    so; "" if there is nothing to say.
    """
    if name not in METADATA:
        if _has_no_labels(content):
            return None, f"{name} has no entry labels, and is not read"
        return read_labels(name, content), ""
    try:
        return read_labels(name, content), f"classes are in {name}"
    except DataError as error:
        return None, f"{error}; it is not read, name another file with --labels"


def _has_no_labels(content: bytes) -> bool:
    """Whether a JSON file is an object without labels, as other programs write it."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and "labels" not in found


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


def _collected(pairs: Iterable[Sequence[Any]]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for number, pair in enumerate(pairs, 1):
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise ValueError(
                f"entry {number} is {pair!s:.60}; expected a name and a label, separated by "
                "a comma, a semicolon or a tab"
            )
        name, label = _plain(str(pair[0])), _whole(pair[1])
        if isinstance(label, bool) or not isinstance(label, (int, str)) or label == "":
            raise ValueError(f"{name} has the label {label!s:.60}; expected a name or a number")
        label = unicodedata.normalize("NFC", str(label))
        if labels.setdefault(name, label) != label:
            raise ValueError(f"{name} has two labels, {labels[name]} and {label}")
    return _whole_all(labels)


def _plain(name: str) -> str:
    """A file name with forward slashes, without a leading `./`, in Unicode's normal form C."""
    return unicodedata.normalize("NFC", name.replace("\\", "/").removeprefix("./"))


def _whole(label: Any) -> Any:
    return int(label) if isinstance(label, float) and label.is_integer() else label


def _whole_all(labels: dict[str, str]) -> dict[str, str]:
    """Read 0.0 and 1.0 as 0 and 1, since pandas writes them so, if all labels are such numbers."""
    if not labels or not all(map(WHOLE.fullmatch, labels.values())):
        return labels
    return {name: label.partition(".")[0] for name, label in labels.items()}


def match_labels(
    labels: dict[str, str],
    names: Sequence[str],
    file: str,
    prefix: str = "",
    others: tuple[str, ...] = (),
    noun: str = "images",
) -> list[str]:
    """The class of each image; raises DataError for missing images and for missing labels.

    prefix: folder of the images, with which, or with the end of which, the file may name them.
    others: folders whose images the file may name too. The file may also leave out the suffixes of
    all images, or name unique files without their folders. noun: what the images are called.
    """
    called = _as_called(labels, names, prefix)
    elsewhere = tuple(_plain(other) for other in others)
    elsewhere += tuple(other[len(above) :] for above in _above(prefix) for other in elsewhere)
    absent = sorted(name for name in labels.keys() - set(called) if not name.startswith(elsewhere))
    if absent:
        raise DataError(
            f"the labels file {file} names {_some(absent, noun)} that --data does not contain"
        )
    missing = [name for name, own in zip(names, called, strict=True) if own not in labels]
    if missing:
        raise DataError(f"the labels file {file} lacks {_some(missing, noun)} that --data contains")
    return [labels[name] for name in called]


def _as_called(labels: dict[str, str], names: Sequence[str], prefix: str) -> list[str]:
    """The names under which a labels file has the images, as far as it has them."""
    plain = [_plain(name) for name in names]
    spellings = [[start + name for name in plain] for start in _ends(_plain(prefix))]
    files = [PurePosixPath(name).name for name in plain]
    if len(set(files)) == len(files):
        spellings.append(files)
    for spelling in list(spellings):
        bare = [str(PurePosixPath(name).with_suffix("")) for name in spelling]
        if len(set(bare)) == len(bare):
            spellings.append(bare)
    return max(spellings, key=lambda spelling: sum(name in labels for name in spelling))


def _ends(prefix: str) -> list[str]:
    """The ends of a folder's path: of `a/b/`, "", `b/` and `a/b/`."""
    parts = prefix.split("/")[:-1]
    return ["".join(f"{part}/" for part in parts[start:]) for start in range(len(parts), -1, -1)]


def _above(prefix: str) -> list[str]:
    """The folders that a path begins with: of `a/b/`, `a/`."""
    parts = _plain(prefix).split("/")[:-1]
    return ["".join(f"{part}/" for part in parts[:stop]) for stop in range(1, len(parts))]


def _some(names: Sequence[str], noun: str) -> str:
    listed = ", ".join(names[:SHOWN])
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} {noun if len(names) > 1 else noun[:-1]} ({listed}{more})"


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


def odd_classes(classes: Sequence[str], count: int, noun: str = "images") -> tuple[str, ...]:
    """Notes on classes that may be meant otherwise: alike in name, or hardly fewer than samples.

    count: of the samples. noun: what they are called.
    """
    folded = Counter(name.strip().casefold() for name in classes)
    same = [repr(name) for name in classes if folded[name.strip().casefold()] > 1]
    notes = [f"classes differ only in case or spaces: {', '.join(same[:SHOWN])}"] if same else []
    if len(classes) > 1 and count < 2 * len(classes):
        notes.append(
            f"{len(classes):,} classes for {count:,} {noun} are hardly classes; "
            "--labels none trains without them"
        )
    return tuple(notes)


def check_class_names(place: str, classes: Sequence[str]) -> None:
    """Raise DataError for classes that a bundle cannot have: their number, or their names."""
    if len(classes) > MAX_CLASSES:
        raise DataError(
            f"{place} has {len(classes):,} classes, at most {MAX_CLASSES:,} are allowed; "
            "pass --labels none to train without"
        )
    for name in classes:
        try:
            TypeAdapter(ClassName).validate_python(name)
        except ValidationError as error:
            raise DataError(
                f"{place} has the class {name!a:.80}; names of classes are UTF-8 of 1 to 200 "
                "characters without tabs and other control characters; rename it"
            ) from error
