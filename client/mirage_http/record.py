"""The record of a dataset on disk: all parameters of its images except their number."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from .errors import DatasetError
from .lock import lock_file

FORMAT = 1
MAX_BYTES = 2**24
IMAGES = ".png"  # the suffix that a record does not state
END = b"}\n"  # of a complete record


@dataclass(frozen=True)
class Record:
    """Parameters of a dataset; image i is determined by (seed, i) and `labels[i % len(labels)]`.

    `sha256` is the hash of the model's graph, and `runtime` lists the software that image bytes
    depend on. `labels` are class indices and `classes` all class names in order; both are empty for
    a model without classes. `by_class` and `shard_size` (images, or None for one archive) determine
    the file of an image. `suffix` is that of the files of one item.
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
    suffix: str = IMAGES

    def label(self, index: int) -> int:
        """The class index of an image; only for models with classes."""
        return self.labels[index % len(self.labels)]

    def caption(self, index: int) -> dict[str, Any]:
        """The parameters that reproduce an image, and its class."""
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
        """Serialize as JSON; the seed is a string, because many readers lack 64-bit integers."""
        fields = {"format": FORMAT, **asdict(self), "seed": str(self.seed)}
        if self.suffix == IMAGES:  # as before there were others
            del fields["suffix"]
        return json.dumps(fields, indent=1).encode() + b"\n"


def read_record(path: Path) -> Record | None:
    """Read a record; None if the file is missing or incomplete.

    Images are written after the record, so an incomplete record has none. Raises DatasetError for
    an invalid file.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES)
    except FileNotFoundError:
        return None
    return parse_record(raw, path) if raw.endswith(END) else None


def parse_record(raw: bytes, path: object) -> Record:
    """Parse a complete record; `path` is its name in the DatasetError for an invalid one."""
    try:
        fields = json.loads(raw)
        if fields.pop("format") != FORMAT:
            raise ValueError
        fields["seed"] = int(fields["seed"])
        lists = {name: tuple(fields[name]) for name in ("labels", "classes")}
        return Record(**fields | lists)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise DatasetError(f"{path} is not a record of a dataset that this version reads") from None


@contextmanager
def lock_dataset(path: Path, record: Record) -> Iterator[None]:
    """Lock the dataset of the record file `path`, and write the record if it is new.

    The operating system releases the lock when the process ends. Raises Locked if another process
    holds it, and DatasetError if the existing record differs.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o666), "r+b") as file:
        lock_file(file.fileno(), f"another process is writing to the dataset of {path}")
        found = read_record(path)
        if found is None:
            _write(file, record)
        else:
            agree(asdict(record), asdict(found), path)
        yield


def _write(file: BinaryIO, record: Record) -> None:
    file.truncate()
    file.write(record.to_bytes())
    file.flush()
    os.fsync(file.fileno())


def agree(now: Mapping[str, Any], then: Mapping[str, Any], path: object) -> None:
    """Raise DatasetError that names what differs from the dataset of the file `path`."""
    for name, value in now.items():
        if value != then[name]:
            raise DatasetError(
                f"{name} is {_shown(value)}; the dataset of {path} was started with"
                f" {_shown(then[name])}. Use another output for other images"
            )


def _shown(value: object) -> str:
    return f"{value!r:.200}"
