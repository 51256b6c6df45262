"""Statistics and sample grids for TensorBoard, which is an optional extra."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mirage.training.errors import UsageError


class Board:
    """Event files in one folder, by images seen.

    resumed_at: what an earlier process wrote after so many images is not shown. Raises UsageError
    where TensorBoard is not installed.
    """

    def __init__(self, folder: Path, resumed_at: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            text = "--tensorboard needs TensorBoard: pip install 'mirage-gan[tensorboard]'"
            raise UsageError(text) from error
        self._writer: Any = SummaryWriter(folder, purge_step=resumed_at + 1)

    def add(self, nimg: int, statistics: Mapping[str, float]) -> None:
        """One point of each curve."""
        for name, value in statistics.items():
            self._writer.add_scalar(name, value, nimg)

    def add_sheet(self, nimg: int, sheet: np.ndarray) -> None:
        """A sample grid: uint8 [H, W, C]."""
        self._writer.add_image("samples", sheet, nimg, dataformats="HWC")

    def close(self) -> None:
        """Have everything in the files."""
        self._writer.close()
