"""A dataset as tar files in WebDataset layout: each image with its label and its parameters."""

from collections.abc import Sequence
from pathlib import Path

from .archive import Archive, part_of
from .errors import DatasetError
from .record import Record
from .samples import Samples

SUFFIX = ".tar"


class Tar:
    """`digits.tar`, or shards `digits-000000.tar`, `digits-000001.tar` …"""

    def __init__(self, path: Path) -> None:
        self.record_path = path.with_suffix(".mirage.json")
        self._path = path
        self._archives: dict[int, Archive] = {}  # by shard

    def occupied(self) -> bool:
        """Whether an archive or its first shard exists, complete or partial."""
        return any(map(_exists, (self._path, self._shard_path(0))))

    def check(self, record: Record) -> None:
        """Accept any dataset."""

    def missing(self, record: Record, count: int) -> Sequence[range]:
        """The missing indices below `count`, shard by shard; raises DatasetError."""
        self._samples = Samples(record)
        self._size = record.shard_size or count
        spans = [
            range(start, min(start + self._size, count)) for start in range(0, count, self._size)
        ]
        if record.shard_size and _exists(self._shard_path(len(spans))):
            raise DatasetError(f"count is {count}; {self._path} has more shards already")
        for shard, span in enumerate(spans):
            path = self._shard_path(shard) if record.shard_size else self._path
            self._archives[shard] = Archive(path, span, self._samples.suffixes)
        return [gap for archive in self._archives.values() if (gap := archive.survey())]

    def add(self, index: int, data: bytes) -> None:
        """Append an image; the indices of a shard must be consecutive."""
        self._archives[index // self._size].add(self._samples.contents(index, data))

    def finish(self) -> None:
        """Do nothing: an archive finishes with its last sample."""

    def close(self) -> None:
        """Close open files."""
        for archive in self._archives.values():
            archive.close()

    def _shard_path(self, shard: int) -> Path:
        return self._path.with_name(f"{self._path.stem}-{shard:06}{SUFFIX}")


def _exists(path: Path) -> bool:
    return path.exists() or part_of(path).exists()
