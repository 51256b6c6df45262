"""Small drawings with edges, for the tests of upscalers."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from mirage.training.data.sources.pictures import PictureOptions, PictureSet, load_pictures

TINY_UPSCALE = {
    "scale": 2,
    "widths": [8],
    "blocks": [1],
    "discriminator_widths": [8],
    "crop": 12,
    "batch_size": 4,
    "precision": "float32",
    "lr": 1e-3,
    "status_kimg": 0.008,
    "snapshot_kimg": 0.016,
    "checkpoint_kimg": 0.008,
}
"""Changes to the preset photo-x4 that make a run take a second."""


def drawing(number: int, side: int = 48, alpha: bool = False) -> np.ndarray:
    """Random ellipses and lines in colours, anti-aliased: uint8 [side, side, 3 or 4]."""
    rng = np.random.default_rng(number)
    size = 4 * side
    image = Image.new("RGBA", (size, size), (0, 0, 0, 0) if alpha else (200, 220, 240, 255))
    pen = ImageDraw.Draw(image)
    for _ in range(6):
        x, y = sorted(rng.integers(0, size, 2)), sorted(rng.integers(0, size, 2))
        colour = (*rng.integers(0, 256, 3).tolist(), 255)
        pen.ellipse((x[0], y[0], x[1] + 8, y[1] + 8), fill=colour)
        pen.line((x[0], y[1], x[1], y[0]), fill=(0, 0, 0, 255), width=8)
    small = image.resize((side, side), Image.Resampling.BOX)
    return np.asarray(small if alpha else small.convert("RGB"))


def write_drawings(folder: Path, count: int = 6, side: int = 48, alpha: bool = False) -> Path:
    """Write drawings as PNG to two folders, `round` and `flat`."""
    for number in range(count):
        group = folder / ("round", "flat")[number % 2]
        group.mkdir(parents=True, exist_ok=True)
        Image.fromarray(drawing(number, side, alpha)).save(group / f"{number}.png")
    return folder


def drawings(folder: Path, **options: object) -> PictureSet:
    """Load the drawings of a folder, which is filled if it is empty."""
    if not any(folder.iterdir()):
        write_drawings(folder)
    return load_pictures(str(folder), PictureOptions.model_validate(options), (12, 24))
