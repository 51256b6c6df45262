"""Shards as tar files of WebDataset samples, with the bytes of the command `generate`."""

import io
import wave
from collections.abc import Callable, Iterable, Mapping
from typing import BinaryIO

import PIL.Image

from ..archive import BLOCK, SIZE_FIELD, ending
from ..errors import DatasetError
from ..item import GeneratedFile
from ..record import Record
from ..samples import Samples


class TarShards:
    """Writes and checks the tar files of a dataset."""

    def __init__(self, record: Record) -> None:
        self._samples = Samples(record)
        self._check_file = CHECKS[record.suffix]

    def write(self, file: BinaryIO, images: Iterable[GeneratedFile]) -> None:
        """Write the images of a shard, one by one."""
        for image in images:
            file.write(self._samples.pack(image.index, image.data))
        file.write(ending(file.tell()))

    def check(self, file: BinaryIO, span: range) -> None:
        """Raise DatasetError unless a file has exactly the images with the indices of `span`.

        Names, labels and parameters must be those of the record, and each file intact.
        """
        for index in span:
            header = file.read(BLOCK)
            size = header[SIZE_FIELD].rstrip(b"\0 ")
            data = file.read(int(size, 8)) if size.isdigit() else b""
            sample = self._samples.pack(index, data)
            rest = sample[BLOCK + len(data) :]
            if not sample.startswith(header) or file.read(len(rest)) != rest:
                raise DatasetError(f"image {index} is missing or damaged")
            self._check_file(index, data)
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


def check_wav(index: int, data: bytes) -> None:
    """Raise DatasetError unless a WAV file has the samples that its header tells."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            frames, frame = file.getnframes(), file.getsampwidth() * file.getnchannels()
            whole = len(file.readframes(frames)) == frames * frame
    except (EOFError, wave.Error) as error:
        raise DatasetError(f"sound {index} is damaged: {error}") from None
    if not whole:
        raise DatasetError(f"sound {index} is cut short")


def check_text(index: int, data: bytes) -> None:
    """Raise DatasetError unless a file is one line of UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise DatasetError(f"sequence {index} is damaged: {error}") from None
    if data.count(b"\n") != 1 or not data.endswith(b"\n"):
        raise DatasetError(f"sequence {index} is not one line")


CHECKS: Mapping[str, Callable[[int, bytes], None]] = {
    ".png": check_png,
    ".wav": check_wav,
    ".txt": check_text,
}
