"""The file formats of shards."""

from collections.abc import Iterable
from typing import BinaryIO, Protocol

from ..item import GeneratedFile
from ..record import Record
from .parquet_shards import ParquetShards
from .tar_shards import TarShards


class Shards(Protocol):
    """A file format of the shards of a dataset; the bytes of a file depend only on its images."""

    def write(self, file: BinaryIO, images: Iterable[GeneratedFile]) -> None:
        """Write the images of a shard to a new file, with bounded memory."""

    def check(self, file: BinaryIO, span: range) -> None:
        """Raise DatasetError unless a file has exactly the images with the indices of `span`."""


def make_shards(format: str, record: Record) -> Shards:
    """The format with a name; raises MissingPackage."""
    return ParquetShards(record) if format == "parquet" else TarShards(record)
