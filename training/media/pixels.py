"""Conversion between uint8 images and network values in [-1, 1].

Networks represent RGBA images in one of two ways. `straight` scales the four channels.
`on-white` composites the colours over white and keeps alpha as the fourth channel. That is
equivalent to premultiplied alpha: invisible colours have no influence, and an empty image is
(1, 1, 1, -1) everywhere.
"""

import numpy as np
import torch
from torch import Tensor

EDGE = 0.02
"""Alpha within this distance of 0 or 1 is stretched by two, so that the outer half of that range
becomes exactly 0 or 1. The range is five grey levels, which are not visibly different from 0 or
255. A continuous ramp is used because a threshold would turn rounding differences between two
engines into differences of several grey levels."""


def to_float(images: np.ndarray) -> Tensor:
    """Convert uint8 [N, H, W, C] to float32 [N, C, H, W] in [-1, 1], channels last in memory."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2) / 127.5 - 1


def to_grey_levels(images: Tensor) -> Tensor:
    """Convert float32 [N, C, H, W] to uint8 [N, H, W, C]: scale, clamp, round half to even."""
    levels = (images * 127.5 + 127.5).clamp(0, 255).round().to(torch.uint8)
    return levels.permute(0, 2, 3, 1)


def to_planes(images: np.ndarray, transparency: str) -> Tensor:
    """Convert uint8 [N, H, W, C] to network values float32 [N, C, H, W] in [-1, 1].

    transparency: "straight" or "on-white", see above; only RGBA images depend on it.
    """
    straight = to_float(images)
    if images.shape[3] != 4 or transparency == "straight":
        return straight
    colours, opacity = straight[:, :3], straight[:, 3:]
    over_white = 1 - (1 - colours) * (opacity + 1) / 2
    return torch.cat([over_white, opacity], dim=1)


def to_pixels(images: Tensor, transparency: str) -> Tensor:
    """Convert network outputs float32 [N, C, H, W] to uint8 [N, H, W, C]; inverts `to_planes`."""
    if images.shape[1] != 4 or transparency == "straight":
        return to_grey_levels(images)
    shares = (images.clamp(-1, 1) + 1) / 2
    opacity = _snapped(shares[:, 3:])
    colours = (shares[:, :3] - 1 + opacity) / opacity.clamp(min=EDGE)
    return to_grey_levels(torch.cat([colours.clamp(0, 1), opacity], dim=1) * 2 - 1)


def _snapped(opacity: Tensor) -> Tensor:
    """Map alpha in [0, 1] to exactly 0 or 1 within half an `EDGE` of them."""
    low = (2 * opacity - EDGE).clamp(min=0)
    high = (2 * opacity - (1 - EDGE)).clamp(max=1)
    return torch.maximum(torch.minimum(opacity, low), high)


def contact_sheet(images: np.ndarray, columns: int) -> np.ndarray:
    """Tile uint8 [N, H, W, C] row by row to [rows * H, columns * W, C]; unused cells are zero."""
    n, height, width, channels = images.shape
    rows = -(-n // columns)
    cells = np.zeros((rows * columns, height, width, channels), np.uint8)
    cells[:n] = images
    sheet = cells.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return sheet.reshape(rows * height, columns * width, channels)
