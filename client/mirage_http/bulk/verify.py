"""Checks that a dataset in shards is complete, and writes its index."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

from ..errors import DatasetError
from .dataset import Dataset
from .place import claim
from .plan import INDEX
from .pool import Report, Work

SHOWN = 5  # faults in an error message
CHUNK = 2**18  # bytes that are hashed at once


@dataclass(frozen=True)
class Entry:
    """A shard in the index: its file, and its first image and their number."""

    name: str
    first: int
    images: int
    bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class Fault:
    """Why a shard cannot be in the index."""

    name: str
    text: str


@dataclass(frozen=True)
class VerifyJob:
    """Reads shards, and compares their images with the record."""

    dataset: Dataset

    @contextmanager
    def start(self, worker: int) -> Iterator[Work]:
        """Open the place; all processes do the same."""
        place, shards, plan = (
            self.dataset.open_place(),
            self.dataset.open_shards(),
            self.dataset.plan,
        )

        def verify(shard: int, report: Report) -> Entry | Fault:
            name, span = plan.name(shard), plan.span(shard)
            try:
                with place.open(name) as file:
                    shards.check(file, span)
                    size, digest = measure(file)
            except FileNotFoundError:
                return Fault(name, "is missing")
            except DatasetError as error:
                return Fault(name, f"is damaged: {error}")
            report.advance(len(span))
            return Entry(name, span.start, len(span), size, digest)

        yield verify


def measure(file: BinaryIO) -> tuple[int, str]:
    """The bytes of a file and its SHA-256."""
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return file.tell(), digest.hexdigest()


def write_index(dataset: Dataset, results: Sequence[Entry | Fault]) -> int:
    """Write the index of a complete dataset; returns the bytes of all shards.

    Raises DatasetError that names the shards which are missing, damaged, or not as an existing
    index says.
    """
    _raise_faults(dataset, [result for result in results if isinstance(result, Fault)])
    entries = sorted(
        (result for result in results if isinstance(result, Entry)), key=lambda one: one.first
    )
    path = f"{dataset.output}/{INDEX}"
    found = _parse(claim(dataset.open_place(), INDEX, _to_bytes(dataset, entries)), path)
    differing = [
        Fault(entry.name, f"is not the file that {INDEX} lists")
        for entry, listed in zip(entries, found, strict=True)
        if asdict(entry) != listed
    ]
    _raise_faults(dataset, differing)
    return sum(entry.bytes for entry in entries)


def _raise_faults(dataset: Dataset, faults: Sequence[Fault]) -> None:
    if not faults:
        return
    shown = "; ".join(f"{fault.name} {fault.text}" for fault in faults[:SHOWN])
    more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    raise DatasetError(
        f"{len(faults)} of {dataset.plan.total} shards of {dataset.output} are missing or damaged:"
        f" {shown}{more}. Remove damaged shards and draw again"
    )


def _to_bytes(dataset: Dataset, entries: Sequence[Entry]) -> bytes:
    fields = {"images": dataset.plan.count, "shards": [asdict(entry) for entry in entries]}
    return json.dumps(fields, indent=1).encode() + b"\n"


def _parse(raw: bytes, path: str) -> list[Any]:
    try:
        shards: list[Any] = json.loads(raw)["shards"]
    except (KeyError, TypeError, ValueError):
        raise DatasetError(f"{path} is not an index of a dataset") from None
    return shards
