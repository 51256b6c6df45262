"""Data-parallel training with `torchrun`; without it all functions are trivial.

Networks are not wrapped in DistributedDataParallel, because its hooks conflict with the double
backward of gradient penalties. Each process has all weights and a part of each batch; gradients are
averaged in one all-reduce.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn


@contextmanager
def together(device: str = "cpu") -> Iterator[None]:
    """Join the process group of `torchrun`, if there is one, and leave it at the end."""
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
    """The rank of this process; rank 0 writes and reports."""
    return dist.get_rank() if dist.is_initialized() else 0


def local_rank() -> int:
    """The rank of this process on its machine, which is the index of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def world_size() -> int:
    """The number of processes."""
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
    """The mean of a tensor over the processes."""
    if world_size() == 1:
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / world_size()


def any_of(flag: bool) -> bool:
    """Whether the flag is true in any process; all processes get the same result."""
    return _mean(flag) > 0


def all_have(value: int) -> bool:
    """Whether all processes have the same value."""
    return not any_of(_mean(value) != value)


def _mean(value: float) -> float:
    if world_size() == 1:
        return value
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    return average(torch.tensor(float(value), dtype=torch.float64, device=device)).item()
