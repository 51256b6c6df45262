"""Grey levels <-> network values; the one place where the two meet in training."""

import numpy as np
import torch
from torch import Tensor


def to_float(images: np.ndarray) -> Tensor:
    """uint8 [N, H, W, C] -> float32 [N, C, H, W] in [-1, 1], channels last in memory."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2) / 127.5 - 1


def to_grey_levels(images: Tensor) -> Tensor:
    """float32 [N, C, H, W] -> uint8 [N, H, W, C]: scaled, clamped, rounded half to even."""
    levels = (images * 127.5 + 127.5).clamp(0, 255).round().to(torch.uint8)
    return levels.permute(0, 2, 3, 1)


def contact_sheet(images: np.ndarray, columns: int) -> np.ndarray:
    """uint8 [N, H, W, C] -> uint8 [rows * H, columns * W, C], row by row, unused cells zero."""
    n, height, width, channels = images.shape
    rows = -(-n // columns)
    cells = np.zeros((rows * columns, height, width, channels), np.uint8)
    cells[:n] = images
    sheet = cells.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return sheet.reshape(rows * height, columns * width, channels)
