"""Encodes an enlarged picture from the images of its tiles, row by row or as a whole."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from mirage.bundle.format.manifest import PictureModel
from mirage.service.errors import InvalidValue
from mirage.service.media.encoding import PNG, WEBP, Compression
from mirage.service.media.png_stream import PngWriter
from mirage.service.media.resizing import Pixels, RowResizer, encode_picture_webp
from mirage.service.tasks.upscale import MAX_CHANNELS, StripJoiner, UpscaleJob


class Size(NamedTuple):
    """Height and width in pixels."""

    height: int
    width: int


@dataclass(frozen=True)
class Wanted:
    """The requested scale and media type, and the compression of PNGs."""

    scale: float
    media: str
    compression: Compression = "fast"

    @property
    def is_streamed(self) -> bool:
        """Whether the answer is encoded row by row, with memory for a row of tiles."""
        return self.media == PNG

    def held_bytes(self, size: Size) -> int:
        """Memory of the decoded picture, and of the enlarged one unless streamed, in bytes."""
        pixels = size.height * size.width * MAX_CHANNELS
        return pixels if self.is_streamed else math.ceil(pixels * (1 + 2 * self.scale**2))


def plain(scale: float) -> str:
    """Return a scale with all its digits, and whole ones without a point: 3, 2.5."""
    return repr(scale).removesuffix(".0")


def settle_scale(scale: float | None, name: str, model: PictureModel) -> float:
    """Return the requested scale, by default the model's. Raises InvalidValue above it."""
    most = model.scale
    if scale is not None and scale > most:
        raise InvalidValue.of(
            "scale",
            f"scale is {plain(scale)}; {name} enlarges {most} times, and 1 … {most} are allowed",
        )
    return float(most if scale is None else scale)


class Sink(Protocol):
    """Encodes the images of a job."""

    def add(self, images: Pixels) -> list[bytes]:
        """Add images, and return the bytes that are ready."""

    def end(self) -> list[bytes]:
        """Return the last bytes."""


class LargerRows:
    """Joins the images of a job of one picture to rows of the larger picture, in its final size."""

    def __init__(self, job: UpscaleJob, scale: float) -> None:
        self._joiner = StripJoiner(job)
        height, width, channels = self.shape = job.result_shape
        self._resizer: RowResizer | None = None
        if scale != job.model.scale:
            height, width = (max(1, round(scale * side)) for side in (job.height, job.width))
            has_alpha = job.alphas[0] is not None
            self._resizer = RowResizer(self.shape, height, width, has_alpha=has_alpha)
            self.shape = height, width, channels

    def add(self, images: Pixels) -> Iterator[Pixels]:
        """Add images, and yield the rows that are ready, uint8 `[h, W, C]`."""
        for strip in self._joiner.add(images):
            yield from [strip] if self._resizer is None else self._resizer.add(strip)


class PngSink:
    """Encodes a PNG row by row."""

    def __init__(self, rows: LargerRows, icc: bytes | None, compression: Compression) -> None:
        self._rows = rows
        self._writer = PngWriter(*rows.shape, icc, compression)
        self._head = self._writer.begin()

    def add(self, images: Pixels) -> list[bytes]:
        """Add images, and return the bytes that are ready. The first ones include the header."""
        ready = [self._head] if self._head else []
        self._head = b""
        for rows in self._rows.add(images):
            ready += self._writer.add(rows)
        return ready

    def end(self) -> list[bytes]:
        """Return the last bytes."""
        return self._writer.end()


class WebpSink:
    """Collects the whole picture, which WebP is made of."""

    def __init__(self, rows: LargerRows, icc: bytes | None) -> None:
        self._rows, self._icc = rows, icc
        self._pixels = np.empty(rows.shape, np.uint8)
        self._filled = 0

    def add(self, images: Pixels) -> list[bytes]:
        """Add images. Returns no bytes."""
        for rows in self._rows.add(images):
            self._pixels[self._filled : self._filled + len(rows)] = rows
            self._filled += len(rows)
        return []

    def end(self) -> list[bytes]:
        """Return the whole answer."""
        return [encode_picture_webp(self._pixels, self._icc)]


def make_sink(job: UpscaleJob, icc: bytes | None, wanted: Wanted) -> Sink:
    """The sink for a job of one picture; `icc` is the colour profile of the larger one."""
    rows = LargerRows(job, wanted.scale)
    if wanted.media == WEBP:
        return WebpSink(rows, icc)
    return PngSink(rows, icc, wanted.compression)
