"""An exponential moving average of weights, measured by its half-life in images."""

import torch
from torch import Tensor, nn

YOUNG = 0.05
"""The share of all images so far that a half-life may have, so that an early average is not old."""


def ema_beta(half_life_kimg: float, batch_size: int) -> float:
    """The share of the old average that survives one batch; 0 when the half-life is 0."""
    return 0.5 ** (batch_size / (half_life_kimg * 1000)) if half_life_kimg > 0 else 0.0


def young_half_life(half_life_kimg: float, nimg: int) -> float:
    """A constant half-life in kimg, shortened to a 20th of the images seen at the start.

    Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2020, do so too.
    """
    return min(half_life_kimg, YOUNG * nimg / 1000)


@torch.no_grad()
def update_ema(average: nn.Module, network: nn.Module, beta: float) -> None:
    """average <- beta * average + (1 - beta) * network.

    The running averages of batch norms are averaged, too, for those of the network's own weights
    would not fit the average of its weights; counts are copied.
    """
    means: list[Tensor] = list(average.parameters())
    torch._foreach_lerp_(means, list(network.parameters()), 1 - beta)
    for mean, value in zip(average.buffers(), network.buffers(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - beta)
        else:
            mean.copy_(value)
