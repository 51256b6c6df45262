"""Fills a dataset on disk with the images that it lacks."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

from mirage_client.client import Client
from mirage_client.errors import BadAnswer
from mirage_client.image import GeneratedImage
from mirage_client.progress import Progress
from mirage_client.record import Record


class Output(Protocol):
    """Where the images of a dataset lie; they come in the order of their indices."""

    record_path: Path

    def occupied(self) -> bool:
        """Whether anything but the record lies where the images are to go."""

    def check(self, record: Record) -> None:
        """Raise DatasetError for a dataset that cannot lie here."""

    def missing(self, record: Record, count: int) -> Sequence[range]:
        """The indices below `count` whose images are not there yet; raises DatasetError."""

    def add(self, index: int, png: bytes) -> None:
        """Put an image to the others, so that a kill at any moment leaves it whole or absent."""

    def finish(self) -> None:
        """Do what is left when all images are there."""

    def close(self) -> None:
        """Close what is open, finished or not."""


def fill(client: Client, record: Record, output: Output, count: int, progress: Progress) -> None:
    """Draw what is missing of images 0 … count - 1."""
    with closing(output):
        gaps = output.missing(record, count)
        progress.begin(count, count - sum(map(len, gaps)))
        for gap in gaps:
            for image in _images(client, record, gap):
                output.add(image.index, image.png)
                progress.advance()
        output.finish()
    progress.end()


def _images(client: Client, record: Record, gap: range) -> Iterator[GeneratedImage]:
    images = client.stream(
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
            raise BadAnswer(f"image {image.index} has label {image.label}, not the one asked for")
        yield image
