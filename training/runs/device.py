"""Device and precision of training, and a description of the machine."""

import os
import platform
from pathlib import Path

import torch

from mirage.training.errors import UsageError
from mirage.training.optim.distributed import local_rank

DEVICES = ("auto", "cpu", "cuda")


def resolve_device(name: str) -> torch.device:
    """Resolve `auto` to CUDA if available, else the CPU; each of several processes has its own GPU.

    Raises UsageError for CUDA if PyTorch finds none.
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
    """Resolve `auto` to bfloat16 if the device supports it natively, else float32."""
    if precision != "auto":
        return precision
    if torch.device(device).type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = torch.cpu.get_capabilities().get("avx512_bf16", False)
    return "bfloat16" if native else "float32"


CPU_INFO = Path("/proc/cpuinfo")


def machine_sheet() -> dict[str, str | int]:
    """Processor, cores, CPU threads in use, system, Python and PyTorch."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": str(torch.__version__),
    }


def _processor() -> str:
    """The name of the processor from /proc/cpuinfo, else from Python."""
    try:
        lines = CPU_INFO.read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
