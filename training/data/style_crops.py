"""Random crops of pictures of two styles, for training translators."""

from collections.abc import Sequence

import numpy as np

from mirage.training.data.crops import over
from mirage.training.data.sources.pictures import Picture
from mirage.training.data.sources.styles import StyleSet

WHITE = np.full(3, 255, np.uint8)

Pair = tuple[np.ndarray, np.ndarray]


class StyleCrops:
    """Draws a source and a target crop, uint8 [side, side, C], mirrored at random, over white.

    Every picture is equally likely. Both are of the same place of twins if the data are paired,
    else of any two pictures.
    """

    def __init__(self, styles: StyleSet, side: int) -> None:
        self.side = side
        self._twins = styles.twins if styles.paired else None
        self._sources, self._targets = styles.source.pictures, styles.target.pictures

    def draw(self, rng: np.random.Generator) -> Pair:
        if self._twins is not None:
            source, target = self._cut(self._twins[int(rng.integers(len(self._twins)))], rng)
            return source, target
        (source,) = self._cut((_any(self._sources, rng),), rng)
        (target,) = self._cut((_any(self._targets, rng),), rng)
        return source, target

    def _cut(self, pictures: Sequence[Picture], rng: np.random.Generator) -> list[np.ndarray]:
        """The same place of pictures of one size."""
        height, width = pictures[0].pixels.shape[:2]
        y, x = (int(rng.integers(length - self.side + 1)) for length in (height, width))
        step = -1 if rng.integers(2) else 1
        place = slice(y, y + self.side), slice(x, x + self.side)
        return [over(picture.pixels[place], WHITE)[:, ::step] for picture in pictures]


def rectangle(picture: Picture, multiple: int) -> np.ndarray:
    """The largest middle part with sides that are multiples of a number, over white, as uint8."""
    height, width = (side // multiple * multiple for side in picture.pixels.shape[:2])
    y, x = (picture.pixels.shape[0] - height) // 2, (picture.pixels.shape[1] - width) // 2
    return over(picture.pixels[y : y + height, x : x + width], WHITE)


def centre(picture: Picture, side: int) -> np.ndarray:
    """The square of a side in the middle of a picture, over white: uint8 [side, side, C]."""
    y, x = ((length - side) // 2 for length in picture.pixels.shape[:2])
    return over(picture.pixels[y : y + side, x : x + side], WHITE)


def _any(pictures: Sequence[Picture], rng: np.random.Generator) -> Picture:
    return pictures[int(rng.integers(len(pictures)))]
