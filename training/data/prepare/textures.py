"""Crops of areas of photographs, for a model of textures."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image, UnidentifiedImageError

from mirage.training.errors import DataError, UsageError

FORM = re.compile(r"([a-z0-9][a-z0-9_-]*)=(.+):(\d+),(\d+),(\d+),(\d+)")
EXAMPLE = "NAME=PHOTO:LEFT,TOP,RIGHT,BOTTOM, such as grass=meadow.jpg:0,1350,3088,2056"


@dataclass(frozen=True)
class Area:
    """An area of a photograph, in pixels, with the name of its texture."""

    name: str
    photo: Path
    box: tuple[int, int, int, int]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a text like `EXAMPLE`; raises UsageError."""
        found = FORM.fullmatch(text)
        if found is None:
            raise UsageError(f"area is {text!r:.200}; allowed is {EXAMPLE}")
        left, top, right, bottom = map(int, found.groups()[2:])
        return cls(found[1], Path(found[2]), (left, top, right, bottom))


def write_textures(
    areas: Sequence[Area], to: Path, size: int = 32, count: int = 150, shrink: int = 3
) -> int:
    """Write crops at random positions of each area as PNG, a folder for each texture.

    Several areas may have the same texture. size: of the crops in pixels, after they are reduced by
    the factor `shrink`. count: crops of each area. The same arguments give the same crops. Returns
    the number of crops. Raises DataError for areas outside of a photograph, or smaller than a crop.
    """
    crops = [crop for area in areas for crop in _crops(area, size, count, shrink)]
    numbers: Counter[str] = Counter()
    for name, picture in crops:
        path = to / name / f"{numbers[name]:03}.png"
        numbers[name] += 1
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
    return len(crops)


def _crops(area: Area, size: int, count: int, shrink: int) -> Iterator[tuple[str, Image.Image]]:
    photo, side = _open(area.photo), size * shrink
    left, top, right, bottom = area.box
    if right > photo.width or bottom > photo.height or min(right - left, bottom - top) < side:
        raise DataError(
            f"area of {area.name} is {left},{top},{right},{bottom}; {area.photo.name} has"
            f" {photo.width}x{photo.height} pixels, and a crop takes {side}x{side} of them"
        )
    chance = np.random.default_rng(0)
    for _ in range(count):
        x = int(chance.integers(left, right - side + 1))
        y = int(chance.integers(top, bottom - side + 1))
        yield area.name, photo.crop((x, y, x + side, y + side)).reduce(shrink)


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as photo:
            return photo.convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
