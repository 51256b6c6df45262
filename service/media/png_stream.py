"""Writes a PNG row by row: memory for a few rows, whatever the size of the image."""

import struct
import zlib
from collections.abc import Iterable, Iterator

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from mirage.service.media.encoding import COLOUR_TYPES, FILTER_UP, IEND, SIGNATURE, png_chunk

Pixels = NDArray[np.uint8]  # [H, W, C] with C = 1, 2 (grey and alpha), 3 or 4
STREAM_COLOUR_TYPES = {**COLOUR_TYPES, 2: 4}
PIECE_BYTES = 2**18  # that are deflated at once: a few milliseconds
LEVEL = 1  # of ISA-L: as for whole images


def stream_png(
    height: int, width: int, channels: int, strips: Iterable[Pixels], icc: bytes | None = None
) -> Iterator[bytes]:
    """The bytes of a PNG whose rows come in strips, uint8 `[h, width, channels]` each.

    `icc` is a colour profile that goes along. The same rows give the same bytes in whatever strips
    they come. Raises ValueError when the strips are not what height and width say.
    """
    yield _head(height, width, channels, icc)
    deflater = isal_zlib.compressobj(LEVEL)
    above = np.zeros((1, width * channels), np.uint8)
    rows = 0
    for lines in _regrouped(strips, width, channels):
        rows += len(lines)
        if data := deflater.compress(_filtered(lines, above).data):
            yield png_chunk(b"IDAT", data)
        above = lines[-1:].copy()
    if rows != height:
        raise ValueError(f"strips have {rows} rows; {height} are needed")
    yield png_chunk(b"IDAT", deflater.flush()) + IEND


def _regrouped(strips: Iterable[Pixels], width: int, channels: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the rows as lines `[h, W·C]`, always the same number at once.

    The compressed blocks end where the input of a call ends, so the bytes depend on it.
    """
    at_once = max(1, PIECE_BYTES // (width * channels))
    waiting: list[NDArray[np.uint8]] = []
    count = 0
    for strip in strips:
        if strip.shape[1:] != (width, channels):
            raise ValueError(f"a strip has shape {strip.shape}; [h, {width}, {channels}] is needed")
        waiting.append(strip.reshape(len(strip), width * channels))
        count += len(strip)
        if count >= at_once:
            lines = np.concatenate(waiting)
            whole = count // at_once * at_once
            for start in range(0, whole, at_once):
                yield lines[start : start + at_once]
            waiting, count = [lines[whole:]], count - whole
    if count:
        yield np.concatenate(waiting)


def _head(height: int, width: int, channels: int, icc: bytes | None) -> bytes:
    colour = STREAM_COLOUR_TYPES[channels]
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    profile = png_chunk(b"iCCP", b"icc\0\0" + zlib.compress(icc)) if icc else b""
    return SIGNATURE + png_chunk(b"IHDR", header) + profile


def _filtered(lines: NDArray[np.uint8], above: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return scanlines `[h, 1 + W·C]` with the filter Up: each byte minus the byte above."""
    filtered = np.empty((len(lines), 1 + lines.shape[1]), np.uint8)
    filtered[:, 0] = FILTER_UP
    np.subtract(lines[:1], above, out=filtered[:1, 1:])
    np.subtract(lines[1:], lines[:-1], out=filtered[1:, 1:])
    return filtered
