"""An animation of the sample grids, and TensorBoard event files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mirage.bundle.store.durable import atomic_write
from mirage.training.errors import UsageError
from mirage.training.extras import how_to_install
from mirage.training.runs.run_dir import Run


class TensorBoardRecorder:
    """Writes event files to one folder, with images seen as the step.

    resumed_at: hides events that an earlier process wrote after this many images. Raises UsageError
    if TensorBoard is not installed.
    """

    def __init__(self, folder: Path, resumed_at: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            text = f"--tensorboard needs TensorBoard; {how_to_install('tensorboard')}"
            raise UsageError(text) from error
        self._writer: Any = SummaryWriter(folder, purge_step=resumed_at + 1)

    def add(self, nimg: int, statistics: Mapping[str, float]) -> None:
        """Write one point of each curve."""
        for name, value in statistics.items():
            self._writer.add_scalar(name, value, nimg)

    def add_sheet(self, nimg: int, sheet: np.ndarray) -> None:
        """Write a sample grid uint8 [H, W, C]."""
        self._writer.add_image("samples", sheet, nimg, dataformats="HWC")

    def close(self) -> None:
        """Flush and close the files."""
        self._writer.close()


FRAMES = 60
FRAME_MS = 120
LAST_MS = 2000
MAX_SIDE = 480
"""Longer side in pixels, which bounds the size of the file."""


def make_film(run: Run, frames: int = FRAMES) -> Path | None:
    """Write `film.webp`, an animation of the sample grids; returns None with fewer than two.

    frames: maximum number of grids, evenly spaced, including the first and the last.
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
    image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.BOX)
    return image
