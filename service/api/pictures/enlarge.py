"""Enlarges a picture: decoding, tiles, resizing and encoding."""

import functools
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import NamedTuple

import numpy as np

from mirage.service.api.pictures.upscaler import Upscaler, in_thread
from mirage.service.batching.queue import EntryResult
from mirage.service.errors import LimitExceeded
from mirage.service.media.encoding import WEBP, WEBP_SIDE
from mirage.service.media.pictures import decode_picture, read_size
from mirage.service.settings import Settings
from mirage.service.tasks.larger_picture import Sink, Size, Wanted, make_sink
from mirage.service.tasks.upscale import UpscaleJob, count_images


class Part(NamedTuple):
    """A part of the answer, and the times up to it."""

    data: bytes
    outcome: EntryResult
    encode_s: float


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
        self._decoded: tuple[UpscaleJob, Sink] | None = None
        upscaler.check(*size)
        largest = max(size) * wanted.scale
        if wanted.media == WEBP and largest > WEBP_SIDE:
            raise LimitExceeded.of(
                "picture",
                f"the enlarged picture has a side of {largest:g} pixels; WebP holds {WEBP_SIDE},"
                " and PNG more",
            )

    @property
    def images(self) -> int:
        """Number of images that it counts as in rate limits."""
        return count_images(*self._size, self.upscaler.model.scale)

    async def decode(self, take: Callable[[], bytes]) -> None:
        """Decode the file that `take` returns. Raises Malformed and UnsupportedBody."""
        most = self._size.height * self._size.width

        def prepare() -> tuple[UpscaleJob, Sink]:
            picture = decode_picture(take(), most_pixels=most)
            job = self.upscaler.job([picture])
            return job, make_sink(job, picture.icc, self.wanted)

        self._decoded = await in_thread(self.upscaler.service, prepare)

    @property
    def has_parts(self) -> bool:
        """Whether a decoded picture is answered in parts, as it has several rows of tiles."""
        assert self._decoded is not None
        return self.wanted.is_streamed and len(self._decoded[0].tiles) > 1

    async def parts(self) -> AsyncGenerator[Part]:
        """Enlarge the decoded picture, and yield the bytes of the answer.

        Raises what `Batcher.stream` raises.
        """
        assert self._decoded is not None
        service, (job, sink) = self.upscaler.service, self._decoded
        stream = self.upscaler.version.stream(job, self.upscaler.deadline)
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


def _add(sink: Sink, outcome: EntryResult | None) -> tuple[list[bytes], float]:
    """Add images, or end if there are none. Returns the bytes and the seconds it took."""
    started = time.perf_counter()
    ready = sink.end() if outcome is None else sink.add(outcome.rows)
    return ready, time.perf_counter() - started
