"""The reconstruction loss of the warm start."""

import torch.nn.functional as F
from torch import Tensor

POOL = 4
"""Side of the averaged blocks in pixels; their loss has the same weight as that of pixels, so
positions and colours are learned before outlines."""


def reconstruction_loss(images: Tensor, targets: Tensor) -> Tensor:
    """Mean absolute difference of pixels, plus that of 4x4 averages, of two [N, C, H, W]."""
    fine = (images - targets).abs().mean()
    coarse = (F.avg_pool2d(images, POOL) - F.avg_pool2d(targets, POOL)).abs().mean()
    return fine + coarse
