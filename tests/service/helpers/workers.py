"""The real service as several processes, and what the system tells of them."""

import contextlib
import http.client
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.service.helpers.server_process import Process, serving
from tests.service.system.test_stopping import BODY, JSON

WORKERS = ("--workers", "2")


@contextlib.contextmanager
def working(root: Path, *flags: str, program: str = "service") -> Iterator[Process]:
    with serving(root, *WORKERS, "--drain-delay-s", "0", *flags, program=program) as process:
        yield process


def workers_of(process: Process) -> list[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.popen.pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return [int(pid) for pid in listed.stdout.split()]


def wait_for(is_so: Callable[[], bool]) -> None:
    begun = time.monotonic()
    while not is_so():
        assert time.monotonic() < begun + 60


def ask(connection: http.client.HTTPConnection) -> bytes:
    connection.request("POST", "/generate", BODY, JSON)
    response = connection.getresponse()
    assert response.status == 200
    return response.read()


def connections_of(pid: int) -> int:
    """How many connections of clients a process has open."""
    return len(ports_of(pid))


def ports_of(pid: int) -> list[int]:
    """The clients' ports of the connections that a process has open."""
    sockets = map(target_of, Path(f"/proc/{pid}/fd").iterdir())
    inodes = {found[1] for name in sockets if (found := re.match(r"socket:\[(\d+)\]", name))}
    established = "01"
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    own = [row for row in rows if row[3] == established and row[9] in inodes]
    return [int(row[2].partition(":")[2], 16) for row in own]


def target_of(link: Path) -> str:
    try:
        return os.readlink(link)
    except FileNotFoundError:  # closed just now
        return ""
