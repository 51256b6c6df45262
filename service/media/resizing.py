"""Resizes pictures, whole or in strips, and encodes them as WebP."""

import io
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]  # [H, W, C] with C = 1, 2 (grey and alpha), 3 or 4
Rows = tuple[float, float]  # start and end

ROWS_AT_ONCE = 32  # made of strips at once
REACH = 3  # of the Lanczos filter to each side, in rows of the smaller picture


def resize(
    pixels: Pixels, height: int, width: int, *, has_alpha: bool, rows: Rows | None = None
) -> Pixels:
    """Resize the channels: colours with a Lanczos filter, alpha with a Hamming filter.

    The Hamming filter has no negative lobes, which would add edges around transparent areas. The
    colours of transparent pixels must be those of the visible pixels around them. `rows` are those
    to be resized, by default all; the filters read further ones.
    """
    top, bottom = (0, len(pixels)) if rows is None else rows
    box = 0, top, pixels.shape[1], bottom
    channels = pixels.shape[2]
    resized = np.empty((height, width, channels), np.uint8)
    for number in range(channels):
        is_alpha = has_alpha and number == channels - 1
        kind = Image.Resampling.HAMMING if is_alpha else Image.Resampling.LANCZOS
        channel = Image.fromarray(np.ascontiguousarray(pixels[:, :, number]))
        resized[:, :, number] = np.asarray(channel.resize((width, height), kind, box))
    return resized


class RowResizer:
    """Makes a picture smaller that arrives in strips, with memory for some of its rows.

    `shape` is `[H, W, C]` of the picture. The result has `height` and `width`. Apart from the
    rounding of single values, it is what `resize` makes of the columns and then of the rows; it
    does not depend on the strips.
    """

    def __init__(
        self, shape: tuple[int, int, int], height: int, width: int, *, has_alpha: bool
    ) -> None:
        self._rows, self._height, self._width = shape[0], height, width
        self._has_alpha = has_alpha
        self._ratio = shape[0] / height
        self._held = np.empty((0, width, shape[2]), np.uint8)
        self._first = 0  # number of the first row that is held
        self._made = 0

    def add(self, strip: Pixels) -> Iterator[Pixels]:
        """Add rows, and yield the rows that are ready, uint8 `[h, width, C]`."""
        # In this order, since clipping makes the other one differ, and so as to hold less.
        narrow = resize(strip, len(strip), self._width, has_alpha=self._has_alpha)
        self._held = np.concatenate((self._held, narrow))
        while self._made < self._height:
            stop = min(self._height, self._made + ROWS_AT_ONCE)
            start, end = self._reach(self._made, stop)
            if end > self._first + len(self._held):
                break
            self._held, self._first = self._held[start - self._first :], start
            yield self._resize(self._held[: end - start], stop)
            self._made = stop

    def _reach(self, start: int, stop: int) -> tuple[int, int]:
        """Return the first and the last row that the filters read for some rows, and one more."""
        margin = REACH * self._ratio + 1
        first = max(0, math.floor(start * self._ratio - margin))
        return first, min(self._rows, math.ceil(stop * self._ratio + margin))

    def _resize(self, pixels: Pixels, stop: int) -> Pixels:
        top = self._made * self._ratio - self._first
        bottom = min(stop * self._ratio - self._first, len(pixels))
        height = stop - self._made
        has_alpha = self._has_alpha
        return resize(pixels, height, self._width, has_alpha=has_alpha, rows=(top, bottom))


def encode_picture_webp(pixels: Pixels, icc: bytes | None) -> bytes:
    """Encode losslessly as WebP, with a colour profile. Grey becomes RGB: WebP has no grey."""
    grey = {1: [0, 0, 0], 2: [0, 0, 0, 1]}.get(pixels.shape[2])
    colours = pixels if grey is None else pixels[:, :, grey]
    buffer = io.BytesIO()
    # `exact` keeps the colours of transparent pixels. Method 0 is ten times as fast as the default.
    options = {"lossless": True, "exact": True, "quality": 0, "method": 0}
    Image.fromarray(np.ascontiguousarray(colours)).save(buffer, "WEBP", icc_profile=icc, **options)
    return buffer.getvalue()
