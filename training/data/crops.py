"""Random crops of pictures with their low-resolution twins: pure functions of chance."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from mirage.training.data.degradation import SUPPORT, degrade, reduce
from mirage.training.data.sources.pictures import Picture

TRIES = 4
"""Places that are looked at before a crop of one colour is taken: it would teach nothing."""
FLAT = 8
"""Grey levels between the darkest and the brightest pixel of a crop that counts as one colour."""
WHITE, BLACK, COLOURED = 0.4, 0.6, 0.85
"""Shares, cumulated, of what transparent pictures lie on; the rest shows the opacity itself."""

Pair = tuple[np.ndarray, np.ndarray]


class Crops:
    """side: of a low-resolution crop, in pixels. degradations: what low resolution went through."""

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
        self._places = np.cumsum(np.prod(sides - scale * side + 1, axis=1))

    def draw(self, rng: np.random.Generator) -> Pair:
        """Low uint8 [side, side, C] and high [s * side, s * side, C] of a place drawn by area.

        Turned and mirrored at random; transparent pictures on a random colour, or their opacity.
        """
        for _ in range(TRIES):
            low, high = self._cut(rng)
            if np.ptp(high) > FLAT:
                break
        low = degrade(low, self.degradations, rng)
        turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
        return _turned(low, turns, mirrored), _turned(high, turns, mirrored)

    def _cut(self, rng: np.random.Generator) -> Pair:
        place = rng.random() * self._places[-1]
        picture = self.pictures[int(np.searchsorted(self._places, place, side="right"))]
        if picture.low is not None:
            y, x = (int(rng.integers(n - self.side + 1)) for n in picture.low.shape[:2])
            return self._twins(picture, picture.low, y, x)
        high = self.scale * self.side
        y, x = (int(rng.integers(n - high + 1)) for n in picture.pixels.shape[:2])
        return self._reduced(picture.pixels, y, x, rng)

    def _twins(self, picture: Picture, low: np.ndarray, y: int, x: int) -> Pair:
        s, side = self.scale, self.side
        high = picture.pixels[s * y : s * (y + side), s * x : s * (x + side)]
        return low[y : y + side, x : x + side], high

    def _reduced(self, pixels: np.ndarray, y: int, x: int, rng: np.random.Generator) -> Pair:
        """The crop at this place, and what it is in the picture made smaller as a whole."""
        (top, bottom), (left, right) = (
            self._margins(place, size) for place, size in zip((y, x), pixels.shape, strict=False)
        )
        s, side = self.scale, self.side
        end = s * side
        region = pixels[y - s * top : y + end + s * bottom, x - s * left : x + end + s * right]
        if region.shape[2] == 4:
            region = on_matte(region, rng)
        low = reduce(region, s)[top : top + side, left : left + side]
        return low, region[s * top : s * top + end, s * left : s * left + end]

    def _margins(self, place: int, size: int) -> tuple[int, int]:
        """Low-resolution pixels around a crop that its bicubic reduction needs, where they are."""
        after = size - place - self.scale * self.side
        return min(SUPPORT, place // self.scale), min(SUPPORT, after // self.scale)


def on_matte(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """RGBA uint8 [H, W, 4] over white, black or any colour, or its opacity as grey: [H, W, 3]."""
    kind = rng.random()
    if kind >= COLOURED:
        return np.repeat(pixels[..., 3:], 3, axis=2)
    colour = 255 if kind < WHITE else 0 if kind < BLACK else rng.integers(0, 256, 3)
    return over(pixels, np.broadcast_to(np.asarray(colour), 3))


def over(pixels: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """RGBA uint8 [H, W, 4] over one colour uint8 [3]: [H, W, 3]; other pictures as they are."""
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
