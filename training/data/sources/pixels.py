"""Grey levels <-> network values; the one place where the two meet in training.

Networks see images with four channels `straight`, as they are stored, or `on-white`: the colours
put over white, beside the opacity. The latter are a bijection of colours weighted by their opacity,
so that what cannot be seen has no say, and an empty image is (1, 1, 1, -1) everywhere.
"""

import numpy as np
import torch
from torch import Tensor

EDGE = 0.02
"""Opacities within it of 0 and 1 are drawn outwards twice as fast: five grey levels, which no eye
tells from 0 or 255, so that half of them end there exactly. A jump would let two engines, whose
floats differ in the last place, differ by grey levels."""


def to_float(images: np.ndarray) -> Tensor:
    """uint8 [N, H, W, C] -> float32 [N, C, H, W] in [-1, 1], channels last in memory."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2) / 127.5 - 1


def to_grey_levels(images: Tensor) -> Tensor:
    """float32 [N, C, H, W] -> uint8 [N, H, W, C]: scaled, clamped, rounded half to even."""
    levels = (images * 127.5 + 127.5).clamp(0, 255).round().to(torch.uint8)
    return levels.permute(0, 2, 3, 1)


def to_planes(images: np.ndarray, transparency: str) -> Tensor:
    """uint8 [N, H, W, C] -> what networks see, float32 [N, C, H, W] in [-1, 1]."""
    straight = to_float(images)
    if images.shape[3] != 4 or transparency == "straight":
        return straight
    colours, opacity = straight[:, :3], straight[:, 3:]
    over_white = 1 - (1 - colours) * (opacity + 1) / 2
    return torch.cat([over_white, opacity], dim=1)


def to_pixels(images: Tensor, transparency: str) -> Tensor:
    """What networks make, float32 [N, C, H, W] -> uint8 [N, H, W, C]."""
    if images.shape[1] != 4 or transparency == "straight":
        return to_grey_levels(images)
    shares = (images.clamp(-1, 1) + 1) / 2
    opacity = _snapped(shares[:, 3:])
    colours = (shares[:, :3] - 1 + opacity) / opacity.clamp(min=EDGE)
    return to_grey_levels(torch.cat([colours.clamp(0, 1), opacity], dim=1) * 2 - 1)


def _snapped(opacity: Tensor) -> Tensor:
    """Opacities in [0, 1], exactly 0 and 1 within half an `EDGE` of them."""
    low = (2 * opacity - EDGE).clamp(min=0)
    high = (2 * opacity - (1 - EDGE)).clamp(max=1)
    return torch.maximum(torch.minimum(opacity, low), high)


def contact_sheet(images: np.ndarray, columns: int) -> np.ndarray:
    """uint8 [N, H, W, C] -> uint8 [rows * H, columns * W, C], row by row, unused cells zero."""
    n, height, width, channels = images.shape
    rows = -(-n // columns)
    cells = np.zeros((rows * columns, height, width, channels), np.uint8)
    cells[:n] = images
    sheet = cells.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return sheet.reshape(rows * height, columns * width, channels)
