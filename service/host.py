"""What the machine offers this process: CPUs, memory, open files, instruction sets."""

import ctypes
import os
import platform
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

CGROUP = Path("/sys/fs/cgroup")
M_MMAP_THRESHOLD = -3  # of mallopt(3)
# Blocks from this size on are returned to the system when freed. Bodies and batches are larger;
# smaller blocks are too frequent for a system call each.
LARGE_BYTES = 2**20
CPUINFO = Path("/proc/cpuinfo")
PROCESS = Path("/proc/self")
# The instruction sets that onnxruntime's kernels distinguish: its results depend on them.
INSTRUCTIONS = (
    *("sse4_1", "avx", "f16c", "fma", "avx2", "avx_vnni"),
    *("avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
    *("asimd", "asimdhp", "asimddp", "bf16", "i8mm", "sve", "sve2"),
)


def available_cpus(cgroup: Path = CGROUP, process: Path = PROCESS) -> int:
    """Return the CPUs of this process: the smaller of affinity and cgroup quota, at least 1.

    The quota is the smallest one of its control group and all parent groups.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quotas = [_quota(group) for group in _groups(cgroup, process)]
    return max(1, int(min(affinity or 1, *quotas, float("inf"))))


def raise_file_limit() -> None:
    """Raise the soft limit on open files, and thereby on connections, to the hard limit."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS reports a hard limit that it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


def instruction_set(cpuinfo: Path = CPUINFO) -> str:
    """Return the machine and its relevant instruction sets, such as `x86_64 avx2 fma avx512f`."""
    flags: set[str] = set()
    for line in _read(cpuinfo).splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            flags = set(value.split())
            break
    return " ".join([platform.machine(), *(name for name in INSTRUCTIONS if name in flags)])


def memory_bytes(process: Path = PROCESS) -> int:
    """Return the resident memory of this process without mapped files; 0 if unknown."""
    pages = _read(process / "statm").split()  # proc(5): size, resident, shared, ...
    return (int(pages[1]) - int(pages[2])) * resource.getpagesize() if pages else 0


def return_large_blocks() -> None:
    """Make glibc return large blocks to the system as soon as they are freed.

    By default it raises the threshold to the size of each freed block, up to 32 MB. Bodies and
    batches are then allocated between small blocks, and their memory cannot be returned.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


def trim_memory() -> None:
    """Return freed memory that the C library keeps to the system. Does nothing without glibc."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _groups(cgroup: Path, process: Path) -> Iterator[Path]:
    """Yield the folders of the control groups of this process, from the innermost outwards.

    Covers version 2 and the controller `cpu` of version 1.
    """
    own: dict[str, PurePosixPath] = {}  # by controller, "" for version 2
    for line in _read(process / "cgroup").splitlines():  # cgroups(7)
        _, controllers, path = line.split(":", 2)
        own |= dict.fromkeys(controllers.split(","), PurePosixPath(path))
    roots = {mount: PurePosixPath(root) for root, mount in _mounts(process)}
    for mount, controller in (
        (cgroup, ""),
        (cgroup / "unified", ""),  # where both versions are mounted
        (cgroup / "cpu", "cpu"),
        (cgroup / "cpu,cpuacct", "cpu"),
    ):
        group, root = own.get(controller, PurePosixPath("/")), roots.get(mount)
        # A container may see only its own part of the tree.
        visible = group.relative_to(root if root and group.is_relative_to(root) else "/")
        yield from (mount / part for part in (visible, *visible.parents))


def _mounts(process: Path) -> Iterator[tuple[str, Path]]:
    """Yield the root and the mount point of each mount."""
    for line in _read(process / "mountinfo").splitlines():  # proc_pid_mountinfo(5)
        fields = line.split()
        yield fields[3], Path(fields[4])


def _quota(group: Path) -> float:
    """Return the quota of a control group in CPUs; infinite if it has none."""
    quota, _, period = _read(group / "cpu.max").strip().partition(" ")  # version 2
    if not quota:  # version 1
        quota = _read(group / "cpu.cfs_quota_us").strip()
        period = _read(group / "cpu.cfs_period_us").strip()
    if not (quota.isdecimal() and period.isdecimal() and int(period)):
        return float("inf")
    return int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
