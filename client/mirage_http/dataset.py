"""Generates the missing images of a dataset on disk."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

from .errors import BadAnswer
from .item import GeneratedFile
from .progress import Progress
from .record import Record
from .source import Source


class Output(Protocol):
    """The storage of a dataset; images are added in ascending order of their indices."""

    record_path: Path

    def occupied(self) -> bool:
        """Whether the location has anything except the record."""

    def check(self, record: Record) -> None:
        """Raise DatasetError if the dataset cannot be stored in this format."""

    def missing(self, record: Record, count: int) -> Sequence[range]:
        """The indices below `count` without an image; raises DatasetError."""

    def add(self, index: int, data: bytes) -> None:
        """Add a file; after a crash it is either complete or missing."""

    def finish(self) -> None:
        """Complete the dataset after the last image."""

    def close(self) -> None:
        """Close open files."""


def fill(source: Source, record: Record, output: Output, count: int, progress: Progress) -> None:
    """Generate the missing images of 0 … count - 1."""
    with closing(output):
        gaps = output.missing(record, count)
        progress.begin(count, count - sum(map(len, gaps)))
        for gap in gaps:
            for image in stream_dataset(source, record, gap):
                output.add(image.index, image.data)
                progress.advance()
        output.finish()
    progress.end()


def stream_dataset(source: Source, record: Record, gap: range) -> Iterator[GeneratedFile]:
    """Yield the files of a dataset with some indices; raises BadAnswer for a wrong label."""
    images = source.stream_files(
        len(gap),
        seed=record.seed,
        index=gap.start,
        labels=record.label if record.labels else None,
        truncation=record.truncation,
        model=record.model,
        version=record.version,
    )
    for image in images:
        if record.labels and image.label != record.label(image.index):
            raise BadAnswer(f"image {image.index} has label {image.label}, not the requested one")
        yield image
