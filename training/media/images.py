"""Images: pixels uint8 [N, H, W, C]."""

from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from mirage.bundle.format.interface import Image, generator_tensors
from mirage.training.data.sources.image import Form
from mirage.training.data.sources.pixels import to_pixels, to_planes

COLUMNS = 10
"""A column for each class where there are ten."""


class Images(BaseModel):
    """Images of one size; transparency: how networks represent RGBA (`sources/pixels`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    meaning: Literal["images"] = "images"
    height: int
    width: int
    channels: Literal[1, 3, 4]
    transparency: Literal["straight", "on-white"] = "straight"

    @property
    def noun(self) -> str:
        return "images"

    @property
    def columns(self) -> int:
        return COLUMNS

    @property
    def form(self) -> str:
        return str(Form(self.width, self.height, self.channels))

    def to_values(self, stored: np.ndarray) -> Tensor:
        return to_planes(stored, self.transparency)

    def to_stored(self, values: Tensor) -> Tensor:
        return to_pixels(values, self.transparency)

    def pictures(self, stored: np.ndarray) -> np.ndarray:
        return stored

    def examples(self, stored: np.ndarray) -> list[str]:
        return []

    def tensors(self, latent_dim: int, num_classes: int) -> dict[str, Any]:
        image = Image(height=self.height, width=self.width, channels=self.channels)
        return generator_tensors(latent_dim, num_classes, image)

    def as_options(self) -> dict[str, Any]:
        return {"channels": self.channels}

    def facts(self) -> dict[str, Any]:
        return {}
