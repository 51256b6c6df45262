"""Writes PNG files incrementally, with memory for a few rows."""

import struct
import zlib
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from mirage.service.media.deflate import Deflater, deflate, deflater
from mirage.service.media.encoding import (
    COLOUR_TYPES,
    FILTER_NONE,
    FILTER_SUB,
    FILTER_UP,
    IEND,
    SIGNATURE,
    ZLIB_LEVEL,
    Compression,
    png_chunk,
)

Pixels = NDArray[np.uint8]  # [H, W, C] with C = 1, 2 (grey and alpha), 3 or 4
STREAM_COLOUR_TYPES = {**COLOUR_TYPES, 2: 4}
PIECE_BYTES = 2**18  # compressed at once, in a few milliseconds
# The filters of which each piece takes the best. On a photograph that photo-x4 enlarged, "fast"
# takes 9 ms and 0.95 bytes per pixel, "small" 220 ms and 0.77, of 10^6 pixels.
FILTERS: dict[Compression, tuple[int, ...]] = {
    "none": (FILTER_NONE,),
    "fast": (FILTER_UP,),
    "small": (FILTER_NONE, FILTER_SUB, FILTER_UP),
}


class PngWriter:
    """Encodes strips of rows, uint8, as a PNG. Each call returns the bytes that are ready.

    `icc` is a colour profile to include. The bytes depend on the rows, not on how they are divided
    into strips.
    """

    def __init__(
        self,
        height: int,
        width: int,
        channels: int,
        icc: bytes | None = None,
        compression: Compression = "fast",
    ) -> None:
        self._height, self._shape = height, (width, channels)
        self._head = _head(height, width, channels, icc)
        self._ready: list[bytes] = []
        self._filters = FILTERS[compression]
        self._deflater = _deflater(compression)
        # Always the same number of lines at once: the blocks of the deflater end with its input.
        self._at_once = max(1, PIECE_BYTES // (width * channels))
        self._above = np.zeros((1, width * channels), np.uint8)
        self._pending = np.empty((0, width * channels), np.uint8)  # fewer than `_at_once`
        self._rows = 0

    def begin(self) -> bytes:
        """Return the bytes before the rows."""
        return self._head

    def add(self, strip: Pixels) -> list[bytes]:
        """Add rows `[h, width, channels]`. Raises ValueError for another shape."""
        if strip.shape[1:] != self._shape:
            raise ValueError(f"a strip has shape {strip.shape}; [h, *{self._shape}] is needed")
        lines = strip.reshape(len(strip), -1)
        self._rows += len(lines)
        start = min(self._at_once - len(self._pending), len(lines))
        self._pending = np.concatenate((self._pending, lines[:start]))
        while len(self._pending) == self._at_once:
            self._deflate(self._pending)
            stop = start + self._at_once
            # A slice of whole lines is not copied, for the strips of a large picture are large.
            self._pending = lines[start:stop] if stop <= len(lines) else lines[start:].copy()
            start = min(stop, len(lines))
        return self._take()

    def end(self) -> list[bytes]:
        """Return the last bytes. Raises ValueError if the number of rows is not the height."""
        if self._rows != self._height:
            raise ValueError(f"strips have {self._rows} rows; {self._height} are needed")
        if len(self._pending):
            self._deflate(self._pending)
        self._ready.append(png_chunk(b"IDAT", self._deflater.flush()) + IEND)
        return self._take()

    def _deflate(self, lines: NDArray[np.uint8]) -> None:
        best = _best_filtered(lines, self._above, self._shape[1], self._filters)
        if data := self._deflater.compress(best.data):
            self._ready.append(png_chunk(b"IDAT", data))
        self._above = lines[-1:].copy()

    def _take(self) -> list[bytes]:
        ready, self._ready = self._ready, []
        return ready


def stream_png(
    height: int,
    width: int,
    channels: int,
    strips: Iterable[Pixels],
    icc: bytes | None = None,
    compression: Compression = "fast",
) -> Iterator[bytes]:
    """Yield the bytes of a PNG whose rows come in strips. Raises the errors of `PngWriter`."""
    writer = PngWriter(height, width, channels, icc, compression)
    yield writer.begin()
    for strip in strips:
        yield from writer.add(strip)
    yield from writer.end()


def _head(height: int, width: int, channels: int, icc: bytes | None) -> bytes:
    colour = STREAM_COLOUR_TYPES[channels]
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    profile = png_chunk(b"iCCP", b"icc\0\0" + zlib.compress(icc)) if icc else b""
    return SIGNATURE + png_chunk(b"IHDR", header) + profile


def _deflater(compression: Compression) -> Deflater:
    if compression == "fast":
        return deflater()
    return zlib.compressobj(ZLIB_LEVEL if compression == "small" else 0)


def _best_filtered(
    lines: NDArray[np.uint8], above: NDArray[np.uint8], channels: int, filters: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Return scanlines `[h, 1 + W·C]` with the filter that ISA-L compresses best."""
    found = (_filtered(lines, above, channels, number) for number in filters)
    if len(filters) == 1:
        return next(found)
    return min(found, key=lambda each: len(deflate(each.data)))


def _filtered(
    lines: NDArray[np.uint8], above: NDArray[np.uint8], channels: int, number: int
) -> NDArray[np.uint8]:
    """Return scanlines `[h, 1 + W·C]`: the number of the filter, then the filtered bytes."""
    filtered = np.empty((len(lines), 1 + lines.shape[1]), np.uint8)
    filtered[:, 0] = number
    if number == FILTER_UP:
        np.subtract(lines[:1], above, out=filtered[:1, 1:])
        np.subtract(lines[1:], lines[:-1], out=filtered[1:, 1:])
        return filtered
    filtered[:, 1:] = lines
    if number == FILTER_SUB:
        filtered[:, 1 + channels :] -= lines[:, :-channels]
    return filtered
