"""Cuts pictures into tiles of one shape, and puts the images of the tiles together.

A fully convolutional model computes each pixel from those within its halo. A tile is a window on
the picture. Of its image only the core is used, which is a halo away from each edge of the window
that is not a border of the picture. Therefore the result is the same as without tiles.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # [H, W, C], or one channel [H, W]


@dataclass(frozen=True)
class Span:
    """One axis of a tile, in pixels of the picture: the window read and the core that is used."""

    start: int
    stop: int
    core_start: int
    core_stop: int


@dataclass(frozen=True)
class Tile:
    """A window on a picture, and the part of it that is used."""

    rows: Span
    columns: Span

    def cut(self, picture: Pixels) -> Pixels:
        """Return the pixels of the window, `[h, w]` or `[h, w, C]`."""
        return picture[self.rows.start : self.rows.stop, self.columns.start : self.columns.stop]

    def core(self, image: Pixels, scale: int) -> Pixels:
        """Return the part of the window's image that is used, `[scale·h, scale·w, C]`."""
        top = scale * (self.rows.core_start - self.rows.start)
        left = scale * (self.columns.core_start - self.columns.start)
        height = scale * (self.rows.core_stop - self.rows.core_start)
        width = scale * (self.columns.core_stop - self.columns.core_start)
        return image[top : top + height, left : left + width]


def tile_side(wanted: int, halo: int, multiple: int) -> int:
    """Return the side of tiles in pixels: `wanted`, or more if halos would take over half of it.

    Tiles then cover at most twice the pixels of a picture along each axis.
    """
    halo = _rounded_up(halo, multiple)
    return _rounded_up(max(wanted, 4 * halo, 2 * halo + multiple), multiple)


def _rounded_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def plan_spans(length: int, tile: int, halo: int, multiple: int = 1) -> list[Span]:
    """Cover an axis of `length` pixels by windows of min(tile, length) pixels.

    Windows start at multiples of `multiple`, as `length` and `tile` must be. Cores follow
    each other without gaps. Raises ValueError if a tile is not larger than two halos.
    """
    if length % multiple or tile % multiple:
        raise ValueError(f"length {length} and tile {tile} must be multiples of {multiple}")
    if length <= tile:
        return [Span(0, length, 0, length)]
    step = (tile - 2 * halo) // multiple * multiple
    if step < 1:
        raise ValueError(f"tile is {tile}; more than two halos of {halo} are needed")
    starts = [*range(0, length - tile, step), length - tile]
    spans: list[Span] = []
    core_start = 0
    for number, start in enumerate(starts):
        last = number == len(starts) - 1
        core_stop = length if last else start + tile - halo
        spans.append(Span(start, start + tile, core_start, core_stop))
        core_start = core_stop
    return spans


def plan_tiles(
    height: int, width: int, tile: int, halo: int, multiple: int = 1, rows: int | None = None
) -> list[list[Tile]]:
    """Return the tiles of a picture in rows, all of one shape. Raises like `plan_spans`.

    Tiles have up to `tile` columns, and as many rows unless `rows` says otherwise.
    """
    columns = plan_spans(width, tile, halo, multiple)
    spans = plan_spans(height, tile if rows is None else rows, halo, multiple)
    return [[Tile(span, each) for each in columns] for span in spans]


def join_row(tiles: list[Tile], images: list[Pixels], scale: int) -> Pixels:
    """Concatenate the cores of a row of tiles: `[scale·h, scale·W, C]`."""
    cores = [tile.core(image, scale) for tile, image in zip(tiles, images, strict=True)]
    return np.concatenate(cores, axis=1)


def padded_to(picture: Pixels, multiple: int) -> Pixels:
    """Repeat the last row and column of a picture until both sides are multiples."""
    height, width, _ = picture.shape
    below, right = -height % multiple, -width % multiple
    if not below and not right:
        return picture
    return np.pad(picture, ((0, below), (0, right), (0, 0)), mode="edge")


def tile_shapes(rows: list[list[Tile]]) -> Iterator[tuple[int, int]]:
    """Yield height and width of each tile's window. All are the same."""
    for row in rows:
        for tile in row:
            yield tile.rows.stop - tile.rows.start, tile.columns.stop - tile.columns.start
