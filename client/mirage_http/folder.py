"""A dataset as PNG files in one folder with a table of labels, or in a folder per class."""

import csv
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from .errors import DatasetError
from .record import Record

TABLE = "labels.csv"
FORBIDDEN = set("/\\\0")  # in the name of a folder


class Folder:
    """Files `000000.png`, `000001.png` …, in a folder per class if `by_class` is set.

    Sounds are `.wav`, and sequences `.txt`.
    """

    def __init__(self, root: Path) -> None:
        self.record_path = root / "mirage.json"
        self._root = root

    def occupied(self) -> bool:
        """Whether the folder has anything except a record."""
        return self._root.exists() and any(
            path != self.record_path for path in self._root.iterdir()
        )

    def check(self, record: Record) -> None:
        """Raise DatasetError if `by_class` is set and a class name is not a valid folder name."""
        if not record.by_class:
            return
        if not record.labels:
            raise DatasetError(f"{record.model} has no classes for --by-class")
        for name in class_names(record):
            if name.startswith(".") or not name or set(name) & FORBIDDEN:
                raise DatasetError(f"class name is {name!r:.100}; it cannot name a folder")

    def missing(self, record: Record, count: int) -> list[range]:
        """The indices below `count` that have no file; raises DatasetError."""
        self._record, self._count = record, count
        for name in class_names(record) if record.by_class else ():
            (self._root / name).mkdir(exist_ok=True)
        if self._path(count).exists():
            raise DatasetError(f"count is {count}; {self._root} has more images already")
        absent = (index for index in range(count) if not self._path(index).exists())
        return list(runs(absent))

    def add(self, index: int, data: bytes) -> None:
        """Write a temporary file and rename it."""
        _replace(self._path(index), data)

    def finish(self) -> None:
        """Write the table of labels, except with a folder per class."""
        if not self._record.labels or self._record.by_class:
            return
        temporary = self._root / f".{TABLE}"
        with temporary.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("file", "label", "class"))
            for index in range(self._count):
                label = self._record.label(index)
                table.writerow((self._path(index).name, label, self._record.classes[label]))
        os.replace(temporary, self._root / TABLE)

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _path(self, index: int) -> Path:
        folder = self._root
        if self._record.by_class:
            folder /= self._record.classes[self._record.label(index)]
        return folder / f"{index:06}{self._record.suffix}"


def class_names(record: Record) -> set[str]:
    """The names of the classes of a dataset."""
    return {record.classes[label] for label in record.labels}


def runs(numbers: Iterable[int]) -> Iterator[range]:
    """Group ascending numbers into ranges without gaps."""
    for _, run in itertools.groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        (_, first), *others = run
        yield range(first, first + 1 + len(others))


def _replace(path: Path, contents: bytes) -> None:
    temporary = path.with_name(f".{path.name}")
    temporary.write_bytes(contents)
    os.replace(temporary, path)
