import os
import resource
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.serving.processes import (
    MARK,
    cpu_s_of_threads,
    end,
    members,
    memory_mb,
    memory_peak_mb,
    processes,
    pss_kb,
    reset_memory_peak,
    resident_mb,
)

# Starts a child that leaves the session and ignores interrupts, says its number, and waits.
PARENT = """
import subprocess, sys
code = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); print(flush=True); input()"
child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""


@contextmanager
def server(mark: str) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """A process of a session of its own, and the number of its child."""
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        env=os.environ | {MARK: mark},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    with process.stdout, process.stdin:
        try:
            yield process, int(process.stdout.readline())
        finally:
            end(process, mark)


def test_the_members_are_also_those_that_leave_the_session() -> None:
    mark = uuid.uuid4().hex
    with server(mark) as (process, child):
        assert {each.pid for each in members(process.pid, mark)} == {process.pid, child}


def test_the_end_is_that_of_all_members_and_of_nobody_else() -> None:
    mark, other = uuid.uuid4().hex, uuid.uuid4().hex
    with server(other) as (bystander, its_child):
        with server(mark) as (process, child):
            pass
        alive = {each.pid for each in processes()}
        assert alive.isdisjoint({process.pid, child})
        assert alive >= {bystander.pid, its_child}


def test_memory_and_time_are_those_of_a_process_and_its_descendants() -> None:
    with server(mark := uuid.uuid4().hex) as (process, child):
        alone = pss_kb(process.pid) / 1024
        assert 0 < alone < memory_mb(process.pid)
        assert set(cpu_s_of_threads(process.pid)) == {process.pid, child}
        assert members(process.pid, mark)


def test_the_peak_of_memory_begins_anew() -> None:
    pid, block = os.getpid(), bytearray(2**26)
    block[:: resource.getpagesize()] = bytes([1]) * (2**26 // resource.getpagesize())
    held = resident_mb(pid)
    del block
    assert memory_peak_mb(pid) > held - 1  # Linux counts pages in batches
    reset_memory_peak(pid)
    assert memory_peak_mb(pid) < held - 32


def test_a_process_that_has_ended_holds_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert memory_mb(process.pid) == pss_kb(process.pid) == 0
    assert cpu_s_of_threads(process.pid) == {}
