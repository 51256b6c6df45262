"""Data-parallel training; with one process all functions are trivial.

`torchrun` or a scheduler starts the processes, with the environment variables RANK, WORLD_SIZE,
MASTER_ADDR, MASTER_PORT and, for GPUs, LOCAL_RANK.

Networks are not wrapped in DistributedDataParallel, because its hooks conflict with the double
backward of gradient penalties. Each process has all weights and a part of each batch; gradients are
averaged in one all-reduce. Only rank 0 uses the folder of the run.
"""

import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist

# Optimizers import it too, and its default arguments hold the group that exists at that moment. Now
# there is none: a group that is still referenced keeps its threads, which can abort at exit.
import torch.distributed.nn
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous

from mirage.training.errors import TrainingError

TIMEOUT = timedelta(minutes=5)
"""How long processes wait for one another within training. Dead processes close their connections
and are noticed at once; this is for machines that stop answering. The longest healthy wait is for
rank 0 while it writes a checkpoint or computes the latent codes of a warm start."""
JOIN_TIMEOUT = timedelta(hours=1)
"""How long processes wait for one another at the start: another machine may still decode images."""

T = TypeVar("T")


@contextmanager
def together(device: str = "cpu") -> Iterator[None]:
    """Join the processes that were started together, if there are several; leave at the end."""
    if not is_launched() or dist.is_initialized():
        yield
        return
    if device == "cuda":
        torch.cuda.set_device(local_rank())
    store, rank, size = next(rendezvous("env://", timeout=JOIN_TIMEOUT))
    store.set(f"arrived-{rank}", "")
    store.wait([f"arrived-{other}" for other in range(size)], JOIN_TIMEOUT)
    store.set_timeout(TIMEOUT)
    backend = "nccl" if device == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=TIMEOUT)
    try:
        yield
    finally:
        dist.destroy_process_group()


def is_launched() -> bool:
    """Whether `torchrun` or a scheduler has started this process as one of a group."""
    return "WORLD_SIZE" in os.environ


def rank() -> int:
    """The rank of this process; rank 0 reads, writes and reports."""
    return dist.get_rank() if dist.is_initialized() else 0


def reports() -> bool:
    """Whether this process has rank 0, also before it joins the process group and after it."""
    return not is_launched() or os.environ["RANK"] == "0"


def local_rank() -> int:
    """The rank of this process on its machine, which is the index of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def world_size() -> int:
    """The number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def own_part(size: int) -> slice:
    """This process's part of `size` images; parts differ by at most one image."""
    return slice(rank() * size // world_size(), (rank() + 1) * size // world_size())


def average_gradients(network: nn.Module, images: int) -> None:
    """Replace each gradient by its mean over the processes, in one all-reduce.

    images: how many images this process's gradients are the mean of.
    """
    if world_size() == 1:
        return
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = average(torch.cat([gradient.flatten() for gradient in gradients]), images)
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def average(value: Tensor, images: int = 1) -> Tensor:
    """The mean of a tensor over the processes, each with the weight of its number of images."""
    if world_size() == 1:
        return value
    total = torch.cat([value.detach().flatten() * images, value.new_full((1,), images)])
    _sum(total)
    return (total[:-1] / total[-1]).view_as(value)


def average_each(values: Mapping[str, float], images: int) -> dict[str, float]:
    """The mean of each value of rank 0 over the processes that have it, by numbers of images."""
    if world_size() == 1:
        return dict(values)
    names = from_rank_0(lambda: list(values))
    own = [(values.get(name, 0.0) * images, images if name in values else 0) for name in names]
    total = torch.tensor(own, dtype=torch.float64, device=_device())
    _sum(total)
    return {name: value / count for name, (value, count) in zip(names, total.tolist(), strict=True)}


def any_of(flag: bool) -> bool:
    """Whether the flag is true in any process; all processes get the same result."""
    if world_size() == 1:
        return flag
    count = torch.tensor(int(flag), device=_device())
    _sum(count)
    return count.item() > 0


def from_rank_0(action: Callable[[], T]) -> T:
    """Run an action in rank 0 only and return its result in all processes.

    The result consists of tensors, numbers, texts, lists and dicts. An error of the action is
    raised in all processes; in others than rank 0, those of other packages become TrainingError.
    """
    if world_size() == 1:
        return action()
    if rank() != 0:
        received = _receive()
        if "error" in received:
            kinds = {kind.__name__: kind for kind in TrainingError.__subclasses__()}
            raise kinds.get(received["kind"], TrainingError)(received["error"])
        return cast(T, received["result"])
    try:
        result = action()
    except Exception as error:
        _send({"error": f"process 0: {error}", "kind": type(error).__name__})
        raise
    _send({"result": result})
    return result


def _send(value: dict[str, Any]) -> None:
    """Send to all others; not by `broadcast_object_list`, whose pickles may contain programs."""
    file = io.BytesIO()
    torch.save(value, file)
    content = torch.frombuffer(file.getbuffer(), dtype=torch.uint8).to(_device())
    _share(torch.tensor(len(content), device=_device()))
    _share(content)


def _receive() -> dict[str, Any]:
    size = torch.tensor(0, device=_device())
    _share(size)
    content = torch.empty(int(size), dtype=torch.uint8, device=_device())
    _share(content)
    return torch.load(
        io.BytesIO(content.cpu().numpy().tobytes()), map_location="cpu", weights_only=True
    )


def _sum(values: Tensor) -> None:
    """Replace a tensor by its sum over the processes."""
    with _told_when_lost():
        dist.all_reduce(values)


def _share(values: Tensor) -> None:
    """Replace a tensor by that of rank 0."""
    with _told_when_lost():
        dist.broadcast(values, 0)


@contextmanager
def _told_when_lost() -> Iterator[None]:
    """Convert the error of a broken connection, or of one on which nothing arrives any more."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise TrainingError(
            f"another process has ended or does not answer ({reason}); start all of them again"
        ) from error


def _device() -> str:
    """Where tensors must be to be exchanged."""
    return "cuda" if dist.get_backend() == "nccl" else "cpu"
