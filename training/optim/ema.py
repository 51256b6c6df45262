"""Exponential moving average of weights, with a half-life in images."""

import torch
from torch import Tensor, nn

YOUNG = 0.05
"""The share of all images so far that a half-life may have, so that an early average is not old."""


def ema_beta(half_life_kimg: float, batch_size: int) -> float:
    """The weight of the old average per batch; 0 for a half-life of 0."""
    return 0.5 ** (batch_size / (half_life_kimg * 1000)) if half_life_kimg > 0 else 0.0


def young_half_life(half_life_kimg: float, nimg: int) -> float:
    """The half-life in kimg, limited to a 20th of the images seen.

    As in Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2020.
    """
    return min(half_life_kimg, YOUNG * nimg / 1000)


@torch.no_grad()
def update_ema(average: nn.Module, network: nn.Module, beta: float) -> None:
    """average <- beta * average + (1 - beta) * network; buffers are copied."""
    means: list[Tensor] = list(average.parameters())
    torch._foreach_lerp_(means, list(network.parameters()), 1 - beta)
    for mean, value in zip(average.buffers(), network.buffers(), strict=True):
        mean.copy_(value)
