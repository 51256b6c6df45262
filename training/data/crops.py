"""Random pairs of high-resolution and low-resolution crops, for training upscalers."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from mirage.training.data.degradation import SUPPORT, degrade, reduce
from mirage.training.data.sources.pictures import Picture

TRIES = 4
"""Attempts to find a crop that is not flat; a flat crop has nothing to learn from."""
FLAT = 8
"""A crop is flat if its pixels span at most this many grey levels."""
WHITE, BLACK, COLOURED = 0.4, 0.6, 0.85
"""Cumulative probabilities of the background of a transparent picture: white, black, or a random
colour. The remaining 0.15 train on the alpha channel as a grey image."""

Pair = tuple[np.ndarray, np.ndarray]


class Crops:
    """Draws pairs of crops from pictures.

    scale: sides of the high resolution over sides of the low. side: of a low-resolution crop, in
    pixels. degradations: names from `DEGRADATIONS`, applied in order to low-resolution crops.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        scale: int,
        side: int,
        degradations: Sequence[str] = (),
    ) -> None:
        self.pictures, self.scale, self.side = pictures, scale, side
        self.degradations = degradations
        sides = np.array([picture.pixels.shape[:2] for picture in pictures], np.float64)
        self._positions = np.cumsum(np.prod(sides - scale * side + 1, axis=1))

    def draw(self, rng: np.random.Generator) -> Pair:
        """Draw one pair: low uint8 [side, side, C] and high uint8 [s * side, s * side, C].

        Every position of every picture is equally likely. The pair is rotated by a multiple of
        90 degrees and mirrored at random. Transparent pictures are drawn over a random colour, or
        replaced by their alpha channel.
        """
        for _ in range(TRIES):
            low, high = self._cut(rng)
            if np.ptp(high) > FLAT:
                break
        low = degrade(low, self.degradations, rng)
        turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
        return _turned(low, turns, mirrored), _turned(high, turns, mirrored)

    def _cut(self, rng: np.random.Generator) -> Pair:
        position = rng.random() * self._positions[-1]
        picture = self.pictures[int(np.searchsorted(self._positions, position, side="right"))]
        if picture.low is not None:
            y, x = (int(rng.integers(n - self.side + 1)) for n in picture.low.shape[:2])
            return self._paired(picture, picture.low, y, x)
        high = self.scale * self.side
        y, x = (int(rng.integers(n - high + 1)) for n in picture.pixels.shape[:2])
        return self._reduced(picture.pixels, y, x, rng)

    def _paired(self, picture: Picture, low: np.ndarray, y: int, x: int) -> Pair:
        s, side = self.scale, self.side
        high = picture.pixels[s * y : s * (y + side), s * x : s * (x + side)]
        return low[y : y + side, x : x + side], high

    def _reduced(self, pixels: np.ndarray, y: int, x: int, rng: np.random.Generator) -> Pair:
        """A crop and its reduction, equal to a crop of the whole picture's reduction."""
        (top, bottom), (left, right) = (
            self._margins(start, size) for start, size in zip((y, x), pixels.shape, strict=False)
        )
        s, side = self.scale, self.side
        end = s * side
        region = pixels[y - s * top : y + end + s * bottom, x - s * left : x + end + s * right]
        if region.shape[2] == 4:
            region = on_matte(region, rng)
        low = reduce(region, s)[top : top + side, left : left + side]
        return low, region[s * top : s * top + end, s * left : s * left + end]

    def _margins(self, start: int, size: int) -> tuple[int, int]:
        """Low-resolution pixels before and after a crop that the bicubic filter reads."""
        after = size - start - self.scale * self.side
        return min(SUPPORT, start // self.scale), min(SUPPORT, after // self.scale)


def on_matte(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw RGBA uint8 [H, W, 4] over white, black or a random colour, or return its alpha as grey.

    Returns uint8 [H, W, 3].
    """
    choice = rng.random()
    if choice >= COLOURED:
        return np.repeat(pixels[..., 3:], 3, axis=2)
    colour = 255 if choice < WHITE else 0 if choice < BLACK else rng.integers(0, 256, 3)
    return over(pixels, np.broadcast_to(np.asarray(colour), 3))


def over(pixels: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Composite RGBA uint8 [H, W, 4] over one colour uint8 [3]: [H, W, 3].

    Pictures without alpha are returned unchanged.
    """
    if pixels.shape[2] != 4:
        return pixels
    picture = Image.fromarray(pixels)
    red, green, blue = map(int, colour)
    below = Image.new("RGB", picture.size, (red, green, blue))
    below.paste(picture, mask=picture)
    return np.asarray(below)


def _turned(pixels: np.ndarray, turns: int, mirrored: bool) -> np.ndarray:
    turned = np.rot90(pixels, turns)
    return turned[:, ::-1] if mirrored else turned
