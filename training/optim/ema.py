"""Exponential moving average of weights, with a half-life in images."""

import torch
from torch import Tensor, nn

SHARE_SEEN = 0.05
"""The share of all images so far that a half-life may have, so that an early average is not old."""


def ema_beta(half_life_kimg: float, batch_size: int) -> float:
    """The weight of the old average per batch; 0 for a half-life of 0."""
    return 0.5 ** (batch_size / (half_life_kimg * 1000)) if half_life_kimg > 0 else 0.0


def limited_half_life(half_life_kimg: float, nimg: int) -> float:
    """The half-life in kimg, limited to a 20th of the images seen.

    As in Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2020.
    """
    return min(half_life_kimg, SHARE_SEEN * nimg / 1000)


@torch.no_grad()
def update_ema(
    average: nn.Module, network: nn.Module, half_life_kimg: float, batch_size: int
) -> None:
    """average <- beta * average + (1 - beta) * network, after a batch.

    Floating-point buffers, which are the running averages of batch norms, are averaged like the
    weights, so that they fit them; other buffers are copied.
    """
    beta = ema_beta(half_life_kimg, batch_size)
    means: list[Tensor] = list(average.parameters())
    torch._foreach_lerp_(means, list(network.parameters()), 1 - beta)
    for mean, value in zip(average.buffers(), network.buffers(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - beta)
        else:
            mean.copy_(value)


def copy_weights(average: nn.Module, network: nn.Module) -> None:
    """average <- network."""
    update_ema(average, network, half_life_kimg=0.0, batch_size=1)
