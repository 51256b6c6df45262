"""Enlarges a picture: decoding, tiles, resizing and encoding."""

import functools
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from mirage.bundle.format.manifest import PictureModel
from mirage.service.api.pictures.upscaler import Upscaler, in_thread
from mirage.service.batching.queue import EntryResult
from mirage.service.errors import InvalidValue, LimitExceeded
from mirage.service.media.encoding import PNG, WEBP, WEBP_SIDE
from mirage.service.media.pictures import decode_picture, read_size
from mirage.service.media.png_stream import PngWriter
from mirage.service.media.resizing import Pixels, encode_picture_webp, resize
from mirage.service.settings import Settings
from mirage.service.tasks.upscale import StripJoiner, UpscaleJob, count_images

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


class Part(NamedTuple):
    """A part of the answer, and the times up to it."""

    data: bytes
    outcome: EntryResult
    encode_s: float


def settle_scale(scale: float | None, upscaler: Upscaler) -> float:
    """Return the requested scale, by default the model's. Raises InvalidValue above it."""
    most = upscaler.model.scale
    if scale is not None and scale > most:
        raise InvalidValue.of(
            "scale",
            f"scale is {scale:g}; {upscaler.name} enlarges {most} times, and 1 … {most} are"
            " allowed",
        )
    return float(most if scale is None else scale)


def measure(data: bytes, settings: Settings) -> Size:
    """Read the size from a picture's header. Raises the errors of `read_size`."""
    width, height = read_size(data, most_pixels=int(1e6 * settings.picture_megapixels))
    return Size(height, width)


class Enlargement:
    """A picture to enlarge, whose size is known and which is not yet decoded.

    Raises LimitExceeded, Overloaded and DeadlineUnreachable at once.
    """

    def __init__(self, upscaler: Upscaler, size: Size, wanted: Wanted) -> None:
        self.upscaler, self.wanted = upscaler, wanted
        self._size = size
        upscaler.check(*size)
        largest = max(size) * upscaler.model.scale
        if wanted.media == WEBP and largest > WEBP_SIDE:
            raise LimitExceeded.of(
                "picture",
                f"the enlarged picture has a side of {largest} pixels; WebP holds {WEBP_SIDE}, and"
                " PNG more",
            )

    @property
    def images(self) -> int:
        """Number of images that it counts as in rate limits."""
        return count_images(*self._size, self.upscaler.model.scale)

    async def parts(self, data: bytes) -> AsyncGenerator[Part]:
        """Decode and enlarge the picture, and yield the bytes of the answer.

        Raises Malformed and UnsupportedBody, and what `Batcher.stream` raises.
        """
        most = self._size.height * self._size.width
        service = self.upscaler.service

        def prepare() -> tuple[UpscaleJob, bytes | None]:
            picture = decode_picture(data, most_pixels=most)
            return self.upscaler.job([picture]), picture.icc

        job, icc = await in_thread(service, prepare)
        is_native = self.wanted.is_native(job.model)
        sink = RowSink(job, icc) if is_native else WholeSink(job, icc, self.wanted)
        stream = self.upscaler.served.stream(job, self.upscaler.deadline)
        encode_s, last = 0.0, EMPTY
        async with aclosing(stream) as outcomes:
            async for last in outcomes:
                ready, seconds = await in_thread(service, functools.partial(_add, sink, last))
                encode_s += seconds
                for piece in ready:  # one by one: each is copied on its way to the client
                    yield Part(piece, last, encode_s)
        ready, seconds = await in_thread(service, functools.partial(_add, sink, None))
        for piece in ready:
            yield Part(piece, last, encode_s + seconds)


EMPTY = EntryResult(np.empty(0), 0.0, 0.0)


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


def _add(sink: Sink, outcome: EntryResult | None) -> tuple[list[bytes], float]:
    """Add images, or end if there are none. Returns the bytes and the seconds it took."""
    started = time.perf_counter()
    ready = sink.end() if outcome is None else sink.add(outcome.rows)
    return ready, time.perf_counter() - started
