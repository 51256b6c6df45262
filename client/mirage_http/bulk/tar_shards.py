"""Shards as tar files of WebDataset samples, with the bytes of the command `generate`."""

import io
from collections.abc import Iterable
from typing import BinaryIO

import PIL.Image

from ..archive import BLOCK, SIZE_FIELD, ending
from ..errors import DatasetError
from ..image import GeneratedImage
from ..record import Record
from ..samples import Samples


class TarShards:
    """Writes and checks the tar files of a dataset."""

    def __init__(self, record: Record) -> None:
        self._samples = Samples(record)

    def write(self, file: BinaryIO, images: Iterable[GeneratedImage]) -> None:
        """Write the images of a shard, one by one."""
        for image in images:
            file.write(self._samples.pack(image.index, image.png))
        file.write(ending(file.tell()))

    def check(self, file: BinaryIO, span: range) -> None:
        """Raise DatasetError unless a file has exactly the images with the indices of `span`.

        Names, labels and parameters must be those of the record, and each PNG intact.
        """
        for index in span:
            header = file.read(BLOCK)
            size = header[SIZE_FIELD].rstrip(b"\0 ")
            png = file.read(int(size, 8)) if size.isdigit() else b""
            sample = self._samples.pack(index, png)
            rest = sample[BLOCK + len(png) :]
            if not sample.startswith(header) or file.read(len(rest)) != rest:
                raise DatasetError(f"image {index} is missing or damaged")
            check_png(index, png)
        end = ending(file.tell())
        if file.read(len(end) + 1) != end:
            raise DatasetError("it does not end after its last image")


def check_png(index: int, png: bytes) -> None:
    """Raise DatasetError unless the checksums of a PNG file are right."""
    try:
        with PIL.Image.open(io.BytesIO(png), formats=("PNG",)) as image:
            image.verify()
    except (OSError, SyntaxError) as error:
        raise DatasetError(f"image {index} is damaged: {error}") from None
