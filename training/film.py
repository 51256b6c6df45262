"""A film of the training: the sample grids of a run, one after the other."""

from pathlib import Path

from PIL import Image

from mirage.bundle.durable import atomic_write
from mirage.training.run import Run

FRAMES = 60
FRAME_MS = 120
LAST_MS = 2000
MOST_SIDE = 480
"""Pixels of the longer side, so that the film stays small."""


def make_film(run: Run, frames: int = FRAMES) -> Path | None:
    """Write `film.webp` of the same latents over time; None below two grids.

    frames: how many grids are shown at most, evenly chosen, the first and the last among them.
    """
    grids = sorted(run.samples.glob("[0-9]*.png"))
    if len(grids) < 2:
        return None
    count = min(frames, len(grids))
    chosen = [grids[i * (len(grids) - 1) // (count - 1)] for i in range(count)]
    first, *others = [_frame(path) for path in chosen]
    durations = [FRAME_MS] * (count - 1) + [LAST_MS]
    with atomic_write(run.film_file) as file:
        first.save(
            file,
            format="WEBP",
            save_all=True,
            append_images=others,
            duration=durations,
            loop=0,
            quality=60,
            method=2,
        )
    return run.film_file


def _frame(path: Path) -> Image.Image:
    with Image.open(path) as grid:
        image = grid.convert("RGBA" if grid.has_transparency_data else "RGB")
    image.thumbnail((MOST_SIDE, MOST_SIDE), Image.Resampling.BOX)
    return image
