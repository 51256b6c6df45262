"""From a posted picture to the bytes of the larger one, whole or in parts."""

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
    """How a larger picture is to be: how many times as large, and of which type."""

    scale: float
    media: str

    def is_native(self, model: PictureModel) -> bool:
        """Whether it is a PNG of the model's own pixels, which can be written row by row."""
        return self.media == PNG and self.scale == model.scale

    def held_bytes(self, size: Size, model: PictureModel) -> int:
        """The memory of a decoded picture, and of the larger one if that is made whole."""
        pixels = size.height * size.width * CHANNELS
        return pixels if self.is_native(model) else pixels * (1 + 2 * model.scale**2)


class Part(NamedTuple):
    """The next bytes of an answer, and the seconds up to them."""

    data: bytes
    outcome: EntryResult
    encode_s: float


def settle_scale(scale: float | None, upscaler: Upscaler) -> float:
    """The scale that is wanted, by default the model's; raises InvalidValue for a larger one."""
    most = upscaler.model.scale
    if scale is not None and scale > most:
        raise InvalidValue.of(
            "scale",
            f"scale is {scale:g}; {upscaler.name} enlarges {most} times, and 1 … {most} are"
            " allowed",
        )
    return float(most if scale is None else scale)


def measure(data: bytes, settings: Settings) -> Size:
    """The size that a picture's header tells; raises as `read_size`."""
    width, height = read_size(data, most_pixels=int(1e6 * settings.picture_megapixels))
    return Size(height, width)


class Enlargement:
    """One picture that is enlarged, from its checked size on.

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
        """As how many images it counts."""
        return count_images(*self._size, self.upscaler.model.scale)

    async def parts(self, data: bytes) -> AsyncGenerator[Part]:
        """Decode the picture and enlarge it; the bytes of the answer come as they are made.

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
                yield Part(ready, last, encode_s)
        ready, seconds = await in_thread(service, functools.partial(_add, sink, None))
        yield Part(ready, last, encode_s + seconds)


EMPTY = EntryResult(np.empty(0), 0.0, 0.0)


class Sink(Protocol):
    """Makes the bytes of an answer of the images of a job's items."""

    def add(self, images: Pixels) -> bytes:
        """Take the next images; returns the bytes that are ready."""

    def end(self) -> bytes:
        """The last bytes."""


class RowSink:
    """A PNG of the model's own pixels, row by row."""

    def __init__(self, job: UpscaleJob, icc: bytes | None) -> None:
        self._joiner = StripJoiner(job)
        self._writer = PngWriter(*job.result_shape, icc)
        self._head = self._writer.begin()

    def add(self, images: Pixels) -> bytes:
        """Take the next images; returns the bytes that are ready, at first what begins a PNG."""
        ready = [self._head, *map(self._writer.add, self._joiner.add(images))]
        self._head = b""
        return b"".join(ready)

    def end(self) -> bytes:
        """The last bytes."""
        return self._writer.end()


class WholeSink:
    """A picture that must be whole before it is resized, or encoded as WebP."""

    def __init__(self, job: UpscaleJob, icc: bytes | None, wanted: Wanted) -> None:
        self._job, self._icc, self._wanted = job, icc, wanted
        self._joiner = StripJoiner(job)
        self._pixels = np.empty(job.result_shape, np.uint8)
        self._rows = 0

    def add(self, images: Pixels) -> bytes:
        """Take the next images; nothing is ready."""
        for strip in self._joiner.add(images):
            self._pixels[self._rows : self._rows + len(strip)] = strip
            self._rows += len(strip)
        return b""

    def end(self) -> bytes:
        """The whole answer."""
        job, scale = self._job, self._wanted.scale
        pixels = self._pixels
        if scale != job.model.scale:
            height, width = (max(1, round(scale * side)) for side in (job.height, job.width))
            pixels = resize(pixels, height, width, has_alpha=job.alphas[0] is not None)
        if self._wanted.media == WEBP:
            return encode_picture_webp(pixels, self._icc)
        writer = PngWriter(*pixels.shape, self._icc)
        return writer.begin() + writer.add(pixels) + writer.end()


def _add(sink: Sink, outcome: EntryResult | None) -> tuple[bytes, float]:
    """The bytes that are ready after the next images, or the last ones, and the seconds."""
    started = time.perf_counter()
    ready = sink.end() if outcome is None else sink.add(outcome.rows)
    return ready, time.perf_counter() - started
