"""What a real service tells when a worker is lost, and when nobody reads its log."""

import contextlib
import http.client
import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.service.helpers.server_process import Process, answer, serving

WORKERS = ("--workers", "2", "--drain-delay-s", "0")
BODY = b'{"seed": 7}'
IMAGES = re.compile(rb'mirage_images_total{model="toy",version="1"} (\S+)')
DROPPED = re.compile(rb'mirage_log_lines_dropped_total{reason="unread"} (\S+)')
PIPE_BYTES = 65536


def made(process: Process) -> float:
    """The images that the service says it has made; asks again if a worker dies over it."""
    while True:
        with contextlib.suppress(ConnectionError, http.client.BadStatusLine):
            found = IMAGES.search(process.get("/metrics")[1])
            assert found is not None
            return float(found[1])


def workers_of(process: Process) -> list[int]:
    path = Path(f"/proc/{process.popen.pid}/task/{process.popen.pid}/children")
    return [int(pid) for pid in path.read_text().split()]


def test_counters_never_fall_while_workers_are_lost_and_replaced(models_root: Path) -> None:
    with serving(models_root, *WORKERS) as process:
        for _ in range(6):
            assert answer(process.connect(), "POST", "/generate", BODY)[0] == 200
        assert made(process) == 6
        for _ in range(2):
            first = workers_of(process)[0]
            os.kill(first, signal.SIGKILL)
            deadline = time.monotonic() + 60
            while len(now := workers_of(process)) < 2 or first in now:
                assert made(process) == 6
                assert time.monotonic() < deadline, "no worker takes its place"
        assert answer(process.connect(), "POST", "/generate", BODY)[0] == 200
        assert made(process) == 7
        assert process.stop() == 0
    assert b"Traceback" not in process.log


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_log_that_nobody_reads_stops_neither_serving_nor_the_end(
    models_root: Path, workers: str
) -> None:
    flags = ("--workers", workers, "--drain-delay-s", "0")
    with serving(models_root, *flags, read_on=False) as process:
        path = "/models?" + "x" * 50
        for _ in range(PIPE_BYTES // 100):  # bytes in a line, at least
            assert process.get(path)[0] == 200
        found = DROPPED.search(process.get("/metrics")[1])
        assert found is not None
        assert float(found[1]) > 0
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(timeout=10) == 0
