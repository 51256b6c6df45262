"""The processes that a benchmark starts: who belongs to a server, what it holds, and its end.

A server is known by the session that it begins, and by a mark in the environment, which also those
carry that leave the session. Linux only: all is read from /proc.
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
    """What proc(5) says of one; the time of its start tells it from a later one of this number."""

    pid: int
    parent: int
    session: int
    started: int  # ticks since boot


def processes() -> Iterator[Process]:
    """All that run; those that have ended and wait for their parent are none."""
    for stat in PROC.glob("[0-9]*/stat"):
        try:
            state, *fields = stat.read_text().rpartition(") ")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        if state not in "ZX":
            parent, _, session = map(int, fields[:3])
            yield Process(int(stat.parent.name), parent, session, int(fields[18]))


def tree(roots: set[int], table: list[Process]) -> list[Process]:
    """The processes of these numbers, and whatever these started."""
    numbers = set(roots)
    while more := {each.pid for each in table if each.parent in numbers} - numbers:
        numbers |= more
    return [each for each in table if each.pid in numbers]


def memory_mb(pid: int) -> float:
    """Of a process and its descendants: what they share counts once (proportional set sizes)."""
    return round(sum(pss_kb(each.pid) for each in tree({pid}, list(processes()))) / 1024, 1)


def pss_kb(pid: int) -> int:
    """The proportional set size of one process; 0 when it has ended."""
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def cpu_s_of_threads(pid: int) -> dict[int, float]:
    """Processor seconds of the threads of a process and its descendants, by their numbers."""
    spent = {}
    for process in tree({pid}, list(processes())):
        for stat in (PROC / str(process.pid)).glob("task/[0-9]*/stat"):
            with suppress(OSError):  # it has ended meanwhile
                fields = stat.read_text().rpartition(") ")[2].split()
                spent[int(stat.parent.name)] = (int(fields[11]) + int(fields[12])) / TICKS
    return spent


def members(session: int, mark: str) -> list[Process]:
    """Who is in this session or carries this mark, and whatever these started."""
    table = list(processes())
    begun = {each.pid for each in table if each.session == session or carries(each.pid, mark)}
    return tree(begun, table)


def carries(pid: int, mark: str) -> bool:
    """Whether the environment that a process began with has the mark."""
    try:
        variables = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return f"{MARK}={mark}".encode() in variables


def end(process: subprocess.Popen[bytes], mark: str) -> None:
    """Interrupt the session, and kill whoever is left of all that belonged to it."""
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
    """Who runs still of those known, some of them orphans by now, and of those who came since."""
    alive = {each.pid for each in processes() if (each.pid, each.started) in known}
    return alive | {each.pid for each in members(session, mark)}
