"""Pictures to the tiles that a model takes, and the images of the tiles to rows of larger pictures.

Whatever the tiles are, the rows are the same: of each image only what lies a halo within is used.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mirage.bundle.format.manifest import PictureModel
from mirage.service.errors import LimitExceeded
from mirage.service.media.alpha import bleed_colours, keep_plateaus
from mirage.service.media.pictures import Picture
from mirage.service.media.tiling import Tile, padded_to, plan_tiles, tile_shapes
from mirage.service.settings import Settings

Pixels = NDArray[np.uint8]
Plane = tuple[int, ...]  # which channel of a picture each channel of the model's input is

OPAQUE = -1  # an alpha that the model wants and the picture lacks
PIXELS_OF_AN_IMAGE = 10**6  # an enlarged picture counts as one image for each of them begun


def plan_planes(colours: int, has_alpha: bool, wanted: int) -> list[Plane]:
    """How a picture goes through a model of `wanted` channels: the channels of each of its planes.

    A picture has 1 or 3 colours, then its alpha. A model of grey takes channel by channel; one of
    RGB takes the colours, and the alpha as a picture in grey; one of RGBA takes all at once.
    """
    if wanted == 1:
        return [(channel,) for channel in range(colours + has_alpha)]
    colour: Plane = (0, 1, 2) if colours == 3 else (0, 0, 0)
    if wanted == 4:
        return [(*colour, colours if has_alpha else OPAQUE)]
    return [colour, (colours,) * 3] if has_alpha else [colour]


class Place(NamedTuple):
    """Which picture, and what of it, an item is."""

    picture: int
    row: int
    plane: int
    column: int


class UpscaleJob:
    """Pictures of one size and kind as items for a model: tiles that are cut when a batch is made.

    The items of a row of tiles follow each other, plane by plane. `side` is that of the largest
    tile; the model has `channels`.
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
        self.tiles = plan_tiles(height, width, side, model.halo, model.multiple)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Items, then height, width and channels of each."""
        return (len(self), *next(tile_shapes(self.tiles)), self.channels)

    @property
    def arrays(self) -> tuple["UpscaleJob"]:
        """The model's only input."""
        return (self,)

    @property
    def weight(self) -> int:
        """The pixels of an item."""
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
        """What an item is."""
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
    """The channels `[H, W]` of a picture, with sides that are multiples of a number."""
    colour, alpha = picture.colour, picture.alpha
    if alpha is not None:
        colour = padded_to(bleed_colours(colour, alpha), multiple)
        return [*np.moveaxis(colour, -1, 0), padded_to(alpha[:, :, None], multiple)[:, :, 0]]
    return [*np.moveaxis(padded_to(colour, multiple), -1, 0)]


def _opaque(tile: Tile) -> Pixels:
    shape = tile.rows.stop - tile.rows.start, tile.columns.stop - tile.columns.start
    return np.broadcast_to(np.uint8(255), shape)


class StripJoiner:
    """Puts the images of a job's items, which come in order, together to strips of its pictures."""

    def __init__(self, job: UpscaleJob) -> None:
        self._job = job
        self._number = 0  # of the next item
        self._strip: Pixels | None = None

    def add(self, images: Pixels) -> Iterator[Pixels]:
        """Take the next images; yields the strips, uint8 `[h, scale·W, channels]`, that they end.

        The strips of a picture follow each other from the top, those of the next one after them.
        """
        job = self._job
        for image in images:
            place = job.place(self._number)
            self._number += 1
            self._put(place, image)
            if (place.plane, place.column) == (len(job.planes) - 1, len(job.tiles[0]) - 1):
                yield self._finish(place)

    def _put(self, place: Place, image: Pixels) -> None:
        """Copy what is used of an image; a channel that went in several times is their mean."""
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
        stop = min(rows.core_stop, job.height)  # behind it is what was added to the picture
        strip = self._strip[: scale * (stop - rows.core_start), : scale * job.width]
        self._strip = None
        if (alpha := job.alphas[place.picture]) is not None:
            keep_plateaus(strip[:, :, -1], alpha, rows.core_start, stop, scale)
        return strip


def _mean(values: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """The mean of several channels, rounded half up."""
    total = np.full(values[0].shape, len(values) // 2, np.uint16)
    for each in values:
        total += each
    return (total // len(values)).astype(np.uint8)


def join_pictures(job: UpscaleJob, images: Pixels) -> Pixels:
    """All enlarged pictures of a job, uint8 `[n, scale·H, scale·W, channels]`."""
    strips = list(StripJoiner(job).add(images))
    return np.concatenate(strips).reshape(-1, *job.result_shape)


def as_pictures(images: Pixels) -> list[Picture]:
    """Images that a model made, uint8 `[n, H, W, C]` with C = 1, 3 or 4, as pictures."""
    if images.shape[3] == 4:
        return [Picture(image[:, :, :3], image[:, :, 3]) for image in images]
    return [Picture(image) for image in images]


def check_enlarged(
    height: int, width: int, count: int, scale: int, settings: Settings, field: str = "picture"
) -> None:
    """Raise LimitExceeded for pictures, in pixels, whose enlargements are over the limit."""
    megapixels = count * height * width * scale**2 / 1e6
    most = settings.megapixels_per_request
    if megapixels > most:
        size = f"{width}x{height} pixels" + (f" each, {count} of them" if count > 1 else "")
        raise LimitExceeded.of(
            field,
            f"{field} has {size}, enlarged {scale} times {scale * width}x{scale * height} and"
            f" {megapixels:.1f} megapixels in all; at most {most:g} are allowed, which are"
            f" {most / scale**2:g} before",
        )


def count_images(height: int, width: int, scale: int) -> int:
    """As how many images an enlarged picture counts, where images are limited in a minute."""
    return max(1, -(-height * width * scale**2 // PIXELS_OF_AN_IMAGE))
