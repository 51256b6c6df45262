"""Encodes an enlarged picture from the images of its tiles, row by row or as a whole."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from mirage.bundle.format.manifest import PictureModel
from mirage.service.errors import InvalidValue
from mirage.service.media.encoding import PNG, WEBP
from mirage.service.media.png_stream import PngWriter
from mirage.service.media.resizing import Pixels, encode_picture_webp, resize
from mirage.service.tasks.upscale import StripJoiner, UpscaleJob

CHANNELS = 4  # of a decoded picture, at most


class Size(NamedTuple):
    """Height and width in pixels."""

    height: int
    width: int


@dataclass(frozen=True)
class Wanted:
    """The requested scale and media type."""

    scale: float
    media: str

    def is_native(self, model: PictureModel) -> bool:
        """Whether the answer is a PNG at the model's scale, which can be streamed."""
        return self.media == PNG and self.scale == model.scale

    def held_bytes(self, size: Size, model: PictureModel) -> int:
        """Memory of the decoded picture, and of the enlarged one unless streamed, in bytes."""
        pixels = size.height * size.width * CHANNELS
        return pixels if self.is_native(model) else pixels * (1 + 2 * model.scale**2)


def settle_scale(scale: float | None, name: str, model: PictureModel) -> float:
    """Return the requested scale, by default the model's. Raises InvalidValue above it."""
    most = model.scale
    if scale is not None and scale > most:
        raise InvalidValue.of(
            "scale", f"scale is {scale:g}; {name} enlarges {most} times, and 1 … {most} are allowed"
        )
    return float(most if scale is None else scale)


class Sink(Protocol):
    """Encodes the images of a job."""

    def add(self, images: Pixels) -> list[bytes]:
        """Add images, and return the bytes that are ready."""

    def end(self) -> list[bytes]:
        """Return the last bytes."""


class RowSink:
    """Encodes a PNG row by row."""

    def __init__(self, job: UpscaleJob, icc: bytes | None) -> None:
        self._joiner = StripJoiner(job)
        self._writer = PngWriter(*job.result_shape, icc)
        self._head = self._writer.begin()

    def add(self, images: Pixels) -> list[bytes]:
        """Add images, and return the bytes that are ready. The first ones include the header."""
        ready = [self._head] if self._head else []
        self._head = b""
        for strip in self._joiner.add(images):
            ready += self._writer.add(strip)
        return ready

    def end(self) -> list[bytes]:
        """Return the last bytes."""
        return self._writer.end()


class WholeSink:
    """Collects the whole picture, then resizes and encodes it."""

    def __init__(self, job: UpscaleJob, icc: bytes | None, wanted: Wanted) -> None:
        self._job, self._icc, self._wanted = job, icc, wanted
        self._joiner = StripJoiner(job)
        self._pixels = np.empty(job.result_shape, np.uint8)
        self._rows = 0

    def add(self, images: Pixels) -> list[bytes]:
        """Add images. Returns no bytes."""
        for strip in self._joiner.add(images):
            self._pixels[self._rows : self._rows + len(strip)] = strip
            self._rows += len(strip)
        return []

    def end(self) -> list[bytes]:
        """Return the whole answer."""
        job, scale = self._job, self._wanted.scale
        pixels = self._pixels
        if scale != job.model.scale:
            height, width = (max(1, round(scale * side)) for side in (job.height, job.width))
            pixels = resize(pixels, height, width, has_alpha=job.alphas[0] is not None)
        if self._wanted.media == WEBP:
            return [encode_picture_webp(pixels, self._icc)]
        writer = PngWriter(*pixels.shape, self._icc)
        return [writer.begin(), *writer.add(pixels), *writer.end()]


def make_sink(job: UpscaleJob, icc: bytes | None, wanted: Wanted) -> Sink:
    """The sink for a job of one picture; `icc` is the colour profile of the larger one."""
    is_native = wanted.is_native(job.model)
    return RowSink(job, icc) if is_native else WholeSink(job, icc, wanted)
