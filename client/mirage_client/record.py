"""What a dataset on disk remembers: everything that determines its images but their number."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mirage_client.errors import DatasetError, Locked

FORMAT = 1
MOST_BYTES = 2**24
END = b"}\n"  # of a record that is whole


@dataclass(frozen=True)
class Record:
    """Image i is that of (seed, i) by model@version, with the label `labels[i % len(labels)]`.

    `sha256` is the hash of the model's graph, `runtime` what else its bytes depend on. `labels`
    are class indices and `classes` all class names in order; both are empty for a model without
    classes. `by_class` and `shard_size` (images, or None for one archive) say where an image lies.
    """

    model: str
    version: int
    sha256: str
    runtime: dict[str, str]
    seed: int
    truncation: float
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    by_class: bool
    shard_size: int | None

    def label(self, index: int) -> int:
        """The class index of an image of a model with classes."""
        return self.labels[index % len(self.labels)]

    def caption(self, index: int) -> dict[str, Any]:
        """What makes an image again, and its class."""
        caption: dict[str, Any] = {
            "model": f"{self.model}@{self.version}",
            "seed": str(self.seed),
            "index": index,
            "truncation": self.truncation,
        }
        if self.labels:
            label = self.label(index)
            caption |= {"label": label, "class": self.classes[label]}
        return caption

    def to_bytes(self) -> bytes:
        """As JSON; the seed as a decimal string, for not every reader has such integers."""
        fields = {"format": FORMAT, **asdict(self), "seed": str(self.seed)}
        return json.dumps(fields, indent=1).encode() + b"\n"


def read_record(path: Path) -> Record | None:
    """The record at `path`; None when there is none, or one that was not written to its end.

    Images come after it, so a torn one has none. Raises DatasetError for anything else.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES)
    except FileNotFoundError:
        return None
    return _parse(raw, path) if raw.endswith(END) else None


@contextmanager
def held(path: Path, record: Record) -> Iterator[None]:
    """Keep other processes from the dataset of `path`, which is, or becomes, that of `record`.

    The system frees it when the process ends in whatever way. Raises Locked, and DatasetError when
    the dataset was begun otherwise.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o666), "r+b") as file:
        _lock(file, path)
        found = read_record(path)
        if found is None:
            _write(file, record)
        else:
            _agree(record, found, path)
        yield


def _lock(file: BinaryIO, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Locked(f"another process is writing to the dataset of {path}") from None


def _write(file: BinaryIO, record: Record) -> None:
    file.truncate()
    file.write(record.to_bytes())
    file.flush()
    os.fsync(file.fileno())


def _parse(raw: bytes, path: Path) -> Record:
    try:
        fields = json.loads(raw)
        if fields.pop("format") != FORMAT:
            raise ValueError
        fields["seed"] = int(fields["seed"])
        lists = {name: tuple(fields[name]) for name in ("labels", "classes")}
        return Record(**fields | lists)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise DatasetError(f"{path} is no record of a dataset that this version reads") from None


def _agree(record: Record, found: Record, path: Path) -> None:
    now, then = asdict(record), asdict(found)
    for name, value in now.items():
        if value != then[name]:
            raise DatasetError(
                f"{name} would be {_shown(value)}; the dataset of {path} was begun with"
                f" {_shown(then[name])}, and other images need another output"
            )


def _shown(value: object) -> str:
    return f"{value!r:.200}"
