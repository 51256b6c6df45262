"""How far generated images are from those that they should be."""

import torch.nn.functional as F
from torch import Tensor

POOL = 4
"""Pixels of a side whose mean counts as much as they do: where something is, and its colour, are
learnt before its outlines."""


def reconstruction_loss(images: Tensor, targets: Tensor) -> Tensor:
    """Mean absolute difference of pixels, and that of means of 4x4 pixels: [N, C, H, W] twice."""
    fine = (images - targets).abs().mean()
    coarse = (F.avg_pool2d(images, POOL) - F.avg_pool2d(targets, POOL)).abs().mean()
    return fine + coarse
