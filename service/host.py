"""What this process may use of the machine, and which instructions its processor knows."""

import ctypes
import os
import platform
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

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


def available_cpus(cgroup: Path = CGROUP, process: Path = PROCESS) -> int:
    """The CPUs of this process: the smaller of its affinity and its cgroup quota, at least 1.

    The quota is the smallest of its own control group and of those around it, for each limits all
    that are inside.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quotas = [_quota(group) for group in _groups(cgroup, process)]
    return max(1, int(min(affinity or 1, *quotas, float("inf"))))


def raise_file_limit() -> None:
    """Allow this process as many open files, and so connections, as it may allow itself."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # as macOS, which names a limit that it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


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


def _groups(cgroup: Path, process: Path) -> Iterator[Path]:
    """The folders of the control groups that this process is in, from the inmost outwards.

    Those of version 2 and, where it is mounted, of version 1's controller `cpu`.
    """
    own: dict[str, PurePosixPath] = {}  # by controller, "" for version 2
    for line in _read(process / "cgroup").splitlines():  # cgroups(7)
        _, controllers, path = line.split(":", 2)
        own |= dict.fromkeys(controllers.split(","), PurePosixPath(path))
    outermost = {mount: PurePosixPath(root) for root, mount in _mounts(process)}
    for mount, controller in (
        (cgroup, ""),
        (cgroup / "unified", ""),  # where both versions are mounted
        (cgroup / "cpu", "cpu"),
        (cgroup / "cpu,cpuacct", "cpu"),
    ):
        group, root = own.get(controller, PurePosixPath("/")), outermost.get(mount)
        # A container may see no more of the tree than its own part.
        inside = group.relative_to(root if root and group.is_relative_to(root) else "/")
        yield from (mount / part for part in (inside, *inside.parents))


def _mounts(process: Path) -> Iterator[tuple[str, Path]]:
    """What is mounted of a file system, and where."""
    for line in _read(process / "mountinfo").splitlines():  # proc_pid_mountinfo(5)
        fields = line.split()
        yield fields[3], Path(fields[4])


def _quota(group: Path) -> float:
    """The CPUs that a control group grants; infinite without a quota."""
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
