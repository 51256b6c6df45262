"""Optimizers by name."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer

Build = Callable[[Iterable[Tensor], float], Optimizer]  # parameters and beta 1
LATER = 0.0  # the learning rate, which is set before each step


def _adam(parameters: Iterable[Tensor], beta1: float) -> Optimizer:
    return torch.optim.Adam(parameters, LATER, (beta1, 0.999), fused=True)


def _adamw(parameters: Iterable[Tensor], beta1: float) -> Optimizer:
    return torch.optim.AdamW(parameters, LATER, (beta1, 0.999), fused=True)


def _rmsprop(parameters: Iterable[Tensor], beta1: float) -> Optimizer:
    """Adam without bias correction; beta 1 is the momentum."""
    return torch.optim.RMSprop(parameters, LATER, momentum=beta1)


def _sgd(parameters: Iterable[Tensor], beta1: float) -> Optimizer:
    """Beta 1 is the momentum; beta 2 is unused."""
    return torch.optim.SGD(parameters, LATER, momentum=beta1)


OPTIMIZERS: dict[str, Build] = {
    "adam": _adam,
    "adamw": _adamw,
    "rmsprop": _rmsprop,
    "sgd": _sgd,
}


def build_optimizer(name: str, parameters: Iterable[Tensor], beta1: float) -> Optimizer:
    """Build an optimizer with one parameter group; `set_schedule` sets the learning rate."""
    return OPTIMIZERS[name](parameters, beta1)


def set_schedule(optimizer: Optimizer, lr: float, beta2: float) -> None:
    """Set learning rate and beta 2, if the optimizer has it."""
    for group in optimizer.param_groups:
        group["lr"] = lr
        if "betas" in group:
            group["betas"] = (group["betas"][0], beta2)
        if "alpha" in group:
            group["alpha"] = beta2
