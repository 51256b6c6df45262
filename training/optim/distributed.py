"""Several processes that train as one, as `torchrun` starts them; alone, nothing of it acts.

Networks are not wrapped: a wrapper's hooks would fight the double backward of the penalties. Every
process has all weights and a share of each batch, and gradients are averaged in one flat sum.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn


@contextmanager
def together(device: str = "cpu") -> Iterator[None]:
    """Join the other processes of `torchrun`, if it started this one, and leave them at the end."""
    if "WORLD_SIZE" not in os.environ or dist.is_initialized():
        yield
        return
    if device == "cuda":
        torch.cuda.set_device(local_rank())
    dist.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """Which of the processes this is, from 0; the one with 0 writes and reports."""
    return dist.get_rank() if dist.is_initialized() else 0


def local_rank() -> int:
    """Which of the processes on this machine it is: the number of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def average_gradients(network: nn.Module) -> None:
    """Replace each gradient by its mean over the processes, in one all-reduce."""
    if world_size() == 1:
        return
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = average(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def average(value: Tensor) -> Tensor:
    """The mean of a tensor over the processes; the same tensor for one."""
    if world_size() == 1:
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / world_size()


def any_of(flag: bool) -> bool:
    """Whether it is true in any of the processes, so that all of them stop at the same step."""
    return _mean(flag) > 0


def all_have(value: int) -> bool:
    """Whether the processes have the same number."""
    return not any_of(_mean(value) != value)


def _mean(value: float) -> float:
    if world_size() == 1:
        return value
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    return average(torch.tensor(float(value), dtype=torch.float64, device=device)).item()
