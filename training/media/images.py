"""Images: pixels uint8 [N, H, W, C]."""

from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from mirage.bundle.format.interface import Image, generator_tensors
from mirage.bundle.format.outputs import COLOURS
from mirage.training.media.bilateral import smoothed
from mirage.training.media.pixels import to_pixels, to_planes

COLUMNS = 10
"""A column for each class where there are ten."""
SHOWN_SIDE = 128


class Images(BaseModel):
    """Images of one size.

    transparency: how networks represent RGBA (`media/pixels`). bilateral: how many times generated
    values are smoothed before they become pixels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    meaning: Literal["images"] = "images"
    height: int
    width: int
    channels: Literal[1, 3, 4]
    transparency: Literal["straight", "on-white"] = "straight"
    bilateral: int = 0

    @property
    def noun(self) -> str:
        return "images"

    @property
    def columns(self) -> int:
        return COLUMNS

    @property
    def picture_size(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def shown_side(self) -> int:
        return SHOWN_SIDE

    @property
    def form(self) -> str:
        return f"{self.width}x{self.height} {COLOURS[self.channels]}"

    def to_values(self, stored: np.ndarray) -> Tensor:
        return to_planes(stored, self.transparency)

    def to_stored(self, values: Tensor) -> Tensor:
        return to_pixels(smoothed(values, self.bilateral), self.transparency)

    def pictures(self, stored: np.ndarray) -> np.ndarray:
        return stored

    def examples(self, stored: np.ndarray) -> list[str]:
        return []

    def tensors(self, latent_dim: int, num_classes: int) -> dict[str, Any]:
        image = Image(height=self.height, width=self.width, channels=self.channels)
        tensors = generator_tensors(latent_dim, num_classes, image)
        return {**tensors, "sound": None, "sequence": None}

    def as_options(self) -> dict[str, Any]:
        return {"channels": self.channels}

    @property
    def shape_text(self) -> str:
        return f"{self.width} x {self.height} pixels, {COLOURS[self.channels]}"

    def summary(self) -> dict[str, str]:
        return {"pixels": f"{self.width} x {self.height}"}

    def facts(self) -> dict[str, Any]:
        return {}
