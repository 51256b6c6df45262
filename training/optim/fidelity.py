"""Content losses and PSNR for comparing pictures with their originals."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 2e-3
"""Half a grey level in [-1, 1]; below it the Charbonnier loss is quadratic."""
LUMA = np.array([65.481, 128.553, 24.966]) / 255
"""BT.601 weights as in MATLAB's rgb2ycbcr: 16 for black, 235 for white."""

ContentLoss = Callable[[Tensor, Tensor], Tensor]


def _charbonnier(images: Tensor, targets: Tensor) -> Tensor:
    """A smooth absolute difference (Lai et al. 2017)."""
    return torch.sqrt((images - targets).square() + EPSILON**2).mean()


CONTENT_LOSSES: dict[str, ContentLoss] = {
    "l1": F.l1_loss,
    "l2": F.mse_loss,
    "charbonnier": _charbonnier,
}


def luma(pixels: np.ndarray) -> np.ndarray:
    """Convert uint8 [..., H, W, C] to luma float64 [..., H, W], 16 to 235; grey is unchanged."""
    if pixels.shape[-1] == 1:
        return pixels[..., 0].astype(np.float64)
    return pixels[..., :3] @ LUMA + 16


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of two pictures in grey levels; 100 if they are equal."""
    error = float(np.mean(np.square(a.astype(np.float64) - b)))
    return 100.0 if error == 0 else float(10 * np.log10(255**2 / error))
