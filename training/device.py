"""Where training runs, and in which precision."""

import torch

from mirage.training.distributed import local_rank
from mirage.training.errors import UsageError

DEVICES = ("auto", "cpu", "cuda")


def resolve_device(name: str) -> torch.device:
    """`auto` -> CUDA where there is one, else the CPU; each process of several its own GPU.

    Raises UsageError for CUDA on a machine, or with a PyTorch, without it.
    """
    if name not in DEVICES:
        raise UsageError(f"--device is {name}; allowed are {', '.join(DEVICES)}")
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise UsageError("--device is cuda; PyTorch sees no CUDA device here")
    if name == "cpu" or not there:
        return torch.device("cpu")
    return torch.device("cuda", local_rank())


def resolve_precision(precision: str, device: torch.device | str = "cpu") -> str:
    """`auto` -> bfloat16 where the device multiplies it natively, else float32."""
    if precision != "auto":
        return precision
    if torch.device(device).type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = torch.cpu.get_capabilities().get("avx512_bf16", False)
    return "bfloat16" if native else "float32"
