"""An exponential moving average of weights, measured by its half-life in images."""

import torch
from torch import Tensor, nn


def ema_beta(half_life_kimg: float, batch_size: int) -> float:
    """The share of the old average that survives one batch; 0 when the half-life is 0."""
    return 0.5 ** (batch_size / (half_life_kimg * 1000)) if half_life_kimg > 0 else 0.0


@torch.no_grad()
def update_ema(average: nn.Module, network: nn.Module, beta: float) -> None:
    """average <- beta * average + (1 - beta) * network; buffers are copied as they are."""
    means: list[Tensor] = list(average.parameters())
    torch._foreach_lerp_(means, list(network.parameters()), 1 - beta)
    for mean, value in zip(average.buffers(), network.buffers(), strict=True):
        mean.copy_(value)
