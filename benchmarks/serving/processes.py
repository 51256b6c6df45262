"""The processes of a benchmark: finding those of a server, their memory and time, and ending them.

The processes of a server are found by their session, and by a mark in their environment if they
left the session. Linux only: uses /proc.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
MARK = "BENCH_MARK"
PATIENCE_S = 10
TICKS = os.sysconf("SC_CLK_TCK")


class Process(NamedTuple):
    """A process from proc(5); its start time distinguishes it from a later one with the same id."""

    pid: int
    parent: int
    session: int
    started: int  # ticks since boot


def processes() -> Iterator[Process]:
    """All running processes, without zombies."""
    for stat in PROC.glob("[0-9]*/stat"):
        try:
            state, *fields = stat.read_text().rpartition(") ")[2].split()
        except OSError:
            continue  # the process has ended
        if state not in "ZX":
            parent, _, session = map(int, fields[:3])
            yield Process(int(stat.parent.name), parent, session, int(fields[18]))


def tree(roots: set[int], table: list[Process]) -> list[Process]:
    """The processes with these ids and their descendants."""
    numbers = set(roots)
    while more := {each.pid for each in table if each.parent in numbers} - numbers:
        numbers |= more
    return [each for each in table if each.pid in numbers]


def memory_mb(pid: int) -> float:
    """Memory of a process and its descendants in bytes; shared memory counts once (PSS)."""
    return round(sum(pss_kb(each.pid) for each in tree({pid}, list(processes()))) / 1024, 1)


def pss_kb(pid: int) -> int:
    """The proportional set size of one process; 0 if it has ended."""
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def cpu_s_of_threads(pid: int) -> dict[int, float]:
    """Processor seconds of the threads of a process and its descendants, by thread id."""
    spent = {}
    for process in tree({pid}, list(processes())):
        for stat in (PROC / str(process.pid)).glob("task/[0-9]*/stat"):
            with suppress(OSError):  # the process has ended
                fields = stat.read_text().rpartition(") ")[2].split()
                spent[int(stat.parent.name)] = (int(fields[11]) + int(fields[12])) / TICKS
    return spent


def members(session: int, mark: str) -> list[Process]:
    """The processes of a session or with a mark, and their descendants."""
    table = list(processes())
    begun = {each.pid for each in table if each.session == session or carries(each.pid, mark)}
    return tree(begun, table)


def carries(pid: int, mark: str) -> bool:
    """Whether the initial environment of a process has the mark."""
    try:
        variables = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return f"{MARK}={mark}".encode() in variables


def end(process: subprocess.Popen[bytes], mark: str) -> None:
    """Interrupt the session, and kill the processes that remain."""
    known = {(each.pid, each.started) for each in members(process.pid, mark)}
    with suppress(ProcessLookupError, subprocess.TimeoutExpired):
        os.killpg(process.pid, signal.SIGINT)
        process.wait(PATIENCE_S)
    until = time.monotonic() + PATIENCE_S
    while left := _left(process.pid, mark, known):
        if time.monotonic() > until:
            raise RuntimeError(f"{sorted(left)} do not end")
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    process.wait()


def _left(session: int, mark: str, known: set[tuple[int, int]]) -> set[int]:
    """The known processes that still run, including orphans, and new ones."""
    alive = {each.pid for each in processes() if (each.pid, each.started) in known}
    return alive | {each.pid for each in members(session, mark)}


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MiB."""
    return _status_kb(pid, "VmRSS") / 1024


def memory_peak_mb(pid: int) -> float:
    """The largest resident memory of a process since `reset_memory_peak`, in MiB."""
    return _status_kb(pid, "VmHWM") / 1024


def reset_memory_peak(pid: int) -> None:
    """Set the peak to the current resident memory; see proc(5), clear_refs."""
    (PROC / str(pid) / "clear_refs").write_text("5")


def _status_kb(pid: int, name: str) -> int:
    lines = (PROC / str(pid) / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
