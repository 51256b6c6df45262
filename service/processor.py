"""What this process may use of the machine, and which instructions its processor knows."""

import ctypes
import os
import platform
import resource
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
M_MMAP_THRESHOLD = -3  # mallopt(3)
LARGE_BYTES = 2**20
CPUINFO = Path("/proc/cpuinfo")
PROCESS = Path("/proc/self")
# Those that onnxruntime's kernels choose between: its results may differ where these do.
INSTRUCTIONS = (
    *("sse4_1", "avx", "f16c", "fma", "avx2", "avx_vnni"),
    *("avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
    *("asimd", "asimdhp", "asimddp", "bf16", "i8mm", "sve", "sve2"),
)


def available_cpus(cgroup: Path = CGROUP) -> int:
    """The CPUs of this process: the smaller of its affinity and its cgroup quota, at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, int(min(affinity or 1, _cgroup_quota(cgroup))))


def instruction_set(cpuinfo: Path = CPUINFO) -> str:
    """The machine and its relevant instructions, such as `x86_64 avx2 fma avx512f`."""
    flags: set[str] = set()
    for line in _read(cpuinfo).splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            flags = set(value.split())
            break
    return " ".join([platform.machine(), *(name for name in INSTRUCTIONS if name in flags)])


def memory_bytes(process: Path = PROCESS) -> int:
    """The memory of this process but for files that it maps, which others share; 0 if unknown."""
    pages = _read(process / "statm").split()  # proc(5): all, resident, of which shared, ...
    return (int(pages[1]) - int(pages[2])) * resource.getpagesize() if pages else 0


def return_large_blocks() -> None:
    """Let glibc hand large blocks back to the system as soon as they are freed.

    It does so at first, but raises its limit to the size of each such block, up to 32 MB; then
    bodies and batches lie between small blocks, and what they leave cannot be handed back.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


def trim_memory() -> None:
    """Hand freed memory back to the system where the C library, as glibc does, keeps it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _cgroup_quota(cgroup: Path) -> float:
    """The CPUs that the control group grants; infinite without a quota."""
    quota, _, period = _read(cgroup / "cpu.max").strip().partition(" ")  # version 2
    if not quota:  # version 1
        quota = _read(cgroup / "cpu/cpu.cfs_quota_us").strip()
        period = _read(cgroup / "cpu/cpu.cfs_period_us").strip()
    if not (quota.isdecimal() and period.isdecimal() and int(period)):
        return float("inf")
    return int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
