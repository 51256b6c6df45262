"""The task `upscale`: pictures become tiles, and the images of tiles become larger pictures.

The result does not depend on the tiles: of each image only the core within the halo is used.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mirage.bundle.format.manifest import PictureModel
from mirage.service.errors import LimitExceeded
from mirage.service.media.alpha import bleed_colours, keep_plateaus
from mirage.service.media.pictures import Picture
from mirage.service.media.tiling import Tile, padded_to, plan_tiles, tile_shapes, tile_side
from mirage.service.settings import Settings

Pixels = NDArray[np.uint8]
Plane = tuple[int, ...]  # for each input channel of the model, a channel of the picture

OPAQUE = -1  # stands for the alpha of a picture without one
MAX_CHANNELS = 4  # of a picture
# Of the enlarged pixels of a row of tiles, which are in memory until the last tile of the row is
# done. Tiles of 256 pixels reach it in pictures of 2,260 columns, enlarged four times.
STRIP_BYTES = 2**25
PIXELS_OF_AN_IMAGE = 10**6  # rate limits count an enlarged picture as one image per 10^6 pixels


def plan_planes(colours: int, has_alpha: bool, wanted: int) -> list[Plane]:
    """Return the planes in which a picture goes through a model of `wanted` channels.

    A picture has 1 or 3 colour channels, then its alpha. A grey model takes each channel on
    its own, an RGB model the colours and then the alpha as a grey picture, an RGBA model all
    channels at once.
    """
    if wanted == 1:
        return [(channel,) for channel in range(colours + has_alpha)]
    colour: Plane = (0, 1, 2) if colours == 3 else (0, 0, 0)
    if wanted == 4:
        return [(*colour, colours if has_alpha else OPAQUE)]
    return [colour, (colours,) * 3] if has_alpha else [colour]


def tile_rows(width: int, side: int, model: PictureModel) -> int:
    """Return the height of the tiles of a picture: `side`, or less if the picture is wide.

    It bounds the memory of an enlarged row of tiles.
    """
    core = STRIP_BYTES // (width * model.scale**2 * MAX_CHANNELS)
    return min(side, tile_side(core + 2 * model.halo, model.halo, model.multiple))


class Place(NamedTuple):
    """The picture, row of tiles, plane and column of an item."""

    picture: int
    row: int
    plane: int
    column: int


class UpscaleJob:
    """Pictures of equal size and channels as items of a model: tiles, cut when a batch is formed.

    Items are ordered by picture, row of tiles, plane and column. `side` is the side of the largest
    tile in pixels, `channels` the number of channels of the model. The job takes over the pictures,
    whose transparent pixels change.
    """

    def __init__(
        self, pictures: Sequence[Picture], model: PictureModel, channels: int, side: int
    ) -> None:
        first = pictures[0]
        self.model, self.channels = model, channels
        self.height, self.width = first.size
        self.alphas = [picture.alpha for picture in pictures]
        self._channels = [_split(picture, model.multiple) for picture in pictures]
        self.planes = plan_planes(first.colour.shape[2], first.alpha is not None, channels)
        height, width = self._channels[0][0].shape
        rows = tile_rows(width, side, model)
        self.tiles = plan_tiles(height, width, side, model.halo, model.multiple, rows)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Number of items, then height, width and channels of each."""
        return (len(self), *next(tile_shapes(self.tiles)), self.channels)

    @property
    def arrays(self) -> tuple["UpscaleJob"]:
        """The only input of the model."""
        return (self,)

    @property
    def weight(self) -> int:
        """Pixels of an item."""
        height, width = next(tile_shapes(self.tiles))
        return height * width

    @property
    def result_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an enlarged picture."""
        scale = self.model.scale
        return scale * self.height, scale * self.width, len(self._channels[0])

    def __len__(self) -> int:
        return len(self._channels) * len(self.tiles) * len(self.planes) * len(self.tiles[0])

    def __getitem__(self, items: slice) -> NDArray[Any]:
        return np.stack([self._cut(self.place(number)) for number in range(len(self))[items]])

    def place(self, number: int) -> Place:
        """Return the place of an item."""
        number, column = divmod(number, len(self.tiles[0]))
        number, plane = divmod(number, len(self.planes))
        picture, row = divmod(number, len(self.tiles))
        return Place(picture, row, plane, column)

    def _cut(self, place: Place) -> Pixels:
        tile = self.tiles[place.row][place.column]
        channels = self._channels[place.picture]
        cut = [
            _opaque(tile) if number == OPAQUE else tile.cut(channels[number])
            for number in self.planes[place.plane]
        ]
        return np.stack(cut, axis=-1)


def _split(picture: Picture, multiple: int) -> list[NDArray[np.uint8]]:
    """Return the channels `[H, W]` of a picture, padded to multiples of a number."""
    colour, alpha = picture.colour, picture.alpha
    if alpha is not None:
        colour = padded_to(bleed_colours(colour, alpha, out=colour), multiple)
        return [*np.moveaxis(colour, -1, 0), padded_to(alpha[:, :, None], multiple)[:, :, 0]]
    return [*np.moveaxis(padded_to(colour, multiple), -1, 0)]


def _opaque(tile: Tile) -> Pixels:
    shape = tile.rows.stop - tile.rows.start, tile.columns.stop - tile.columns.start
    return np.broadcast_to(np.uint8(255), shape)


class StripJoiner:
    """Joins the images of a job's items, added in order, to strips of its pictures."""

    def __init__(self, job: UpscaleJob) -> None:
        self._job = job
        self._number = 0  # of the next item
        self._strip: Pixels | None = None

    def add(self, images: Pixels) -> Iterator[Pixels]:
        """Add images, and yield the strips that are complete, uint8 `[h, scale·W, channels]`.

        Strips are ordered by picture, from top to bottom.
        """
        job = self._job
        for image in images:
            place = job.place(self._number)
            self._number += 1
            self._put(place, image)
            if (place.plane, place.column) == (len(job.planes) - 1, len(job.tiles[0]) - 1):
                yield self._finish(place)

    def _put(self, place: Place, image: Pixels) -> None:
        """Copy the core of an image. If a channel was input several times, use the mean."""
        job, scale = self._job, self._job.model.scale
        tile = job.tiles[place.row][place.column]
        core = tile.core(image, scale)
        if self._strip is None:
            channels = job.result_shape[2]
            width = scale * job.tiles[0][-1].columns.core_stop
            self._strip = np.empty((len(core), width, channels), np.uint8)
        columns = slice(scale * tile.columns.core_start, scale * tile.columns.core_stop)
        plane = job.planes[place.plane]
        for channel in set(plane) - {OPAQUE}:
            values = [core[:, :, at] for at, number in enumerate(plane) if number == channel]
            self._strip[:, columns, channel] = values[0] if len(values) == 1 else _mean(values)

    def _finish(self, place: Place) -> Pixels:
        assert self._strip is not None
        job, scale = self._job, self._job.model.scale
        rows = job.tiles[place.row][0].rows
        stop = min(rows.core_stop, job.height)  # the rows after it are padding
        strip = self._strip[: scale * (stop - rows.core_start), : scale * job.width]
        self._strip = None
        if (alpha := job.alphas[place.picture]) is not None:
            keep_plateaus(strip[:, :, -1], alpha, rows.core_start, stop, scale)
        return strip


def _mean(values: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return the mean of several channels, rounded half up."""
    total = np.full(values[0].shape, len(values) // 2, np.uint16)
    for each in values:
        total += each
    return (total // len(values)).astype(np.uint8)


def join_pictures(job: UpscaleJob, images: Pixels) -> Pixels:
    """Return all enlarged pictures of a job, uint8 `[n, scale·H, scale·W, channels]`."""
    strips = list(StripJoiner(job).add(images))
    return np.concatenate(strips).reshape(-1, *job.result_shape)


def as_pictures(images: Pixels) -> list[Picture]:
    """Convert images of a model, uint8 `[n, H, W, C]` with C = 1, 3 or 4, to pictures."""
    if images.shape[3] == 4:
        return [Picture(image[:, :, :3].copy(), image[:, :, 3]) for image in images]
    return [Picture(image) for image in images]


def check_enlarged(
    height: int, width: int, count: int, scale: int, settings: Settings, field: str = "picture"
) -> None:
    """Raise LimitExceeded if enlarged pictures exceed the limit on pixels."""
    megapixels = count * height * width * scale**2 / 1e6
    limit = settings.megapixels_per_request
    if megapixels > limit:
        size = f"{width}x{height} pixels" + (f" each, {count} of them" if count > 1 else "")
        raise LimitExceeded.of(
            field,
            f"{field} has {size}, enlarged {scale} times {scale * width}x{scale * height} and"
            f" {megapixels:.1f} megapixels in all; at most {limit:g} are allowed, which are"
            f" {limit / scale**2:g} before",
        )


def count_images(height: int, width: int, scale: int) -> int:
    """Return how many images an enlarged picture counts as in rate limits."""
    return max(1, -(-height * width * scale**2 // PIXELS_OF_AN_IMAGE))
