"""Draws the missing shards of a dataset."""

import secrets
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ..dataset import stream_dataset
from ..item import GeneratedFile
from ..local import open_local
from ..record import agree
from ..resolve import DatasetOptions, resolve
from ..source import Source
from .dataset import Dataset
from .plan import RECORD
from .pool import Report, Work


@dataclass(frozen=True)
class DrawJob:
    """Draws shards with a model of the folder `models`, by default the service's."""

    dataset: Dataset
    models: Path | None
    model: str

    @contextmanager
    def start(self, worker: int) -> Iterator[Work]:
        """Load the model; raises DatasetError if it would make other images here."""
        record = self.dataset.record
        with closing(open_local(self.models, self.model, record.version, worker)) as source:
            yield self.work(source)

    def work(self, source: Source) -> Work:
        """The work of a process that has loaded the model."""
        dataset, record = self.dataset, self.dataset.record
        found = asdict(resolve(source, DatasetOptions(), record))
        found["runtime"] = record.runtime | found["runtime"]  # which lacks what writes files
        agree(found, asdict(record), f"{dataset.output}/{RECORD}")
        place, shards, plan = dataset.open_place(), dataset.open_shards(), dataset.plan

        def draw(shard: int, report: Report) -> None:
            name, span = plan.name(shard), plan.span(shard)
            if place.exists(name):
                report.skip(len(span))
                return
            with place.new(name) as file:
                images = stream_dataset(source, record, span)
                shards.write(file, _counted(images, report))

        return draw


def turned(shards: range) -> Iterator[int]:
    """The shards of a part from a random one on, then those before it.

    Two runs of one part that start at the same time then seldom draw the same shard.
    """
    first = secrets.randbelow(len(shards)) if shards else 0
    yield from shards[first:]
    yield from shards[:first]


def _counted(images: Iterable[GeneratedFile], report: Report) -> Iterator[GeneratedFile]:
    for image in images:
        yield image
        report.advance()
