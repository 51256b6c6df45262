"""Optimizers by name."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


def build_optimizer(name: str, parameters: Iterable[Tensor], beta1: float) -> Optimizer:
    """One parameter group; the learning rate and beta 2 are set before each step."""
    return OPTIMIZERS[name](parameters, lr=0.0, betas=(beta1, 0.999), eps=1e-8, fused=True)


def set_schedule(optimizer: Optimizer, lr: float, beta2: float) -> None:
    """Set what changes with the images seen."""
    for group in optimizer.param_groups:
        group["lr"] = lr
        group["betas"] = (group["betas"][0], beta2)
