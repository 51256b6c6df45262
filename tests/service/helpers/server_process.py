"""The real service in a process of its own."""

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[3]
READY = re.compile(rb"ready host=\S+ port=(\d+)")


class Process:
    """A server in a process of its own: ready on a free port, or at another line of its log."""

    def __init__(
        self,
        *flags: str,
        until: re.Pattern[bytes] = READY,
        program: str = "service",
        read_on: bool = True,
    ) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", program, "--port", "0", *flags],
            cwd=ROOT,
            env={k: v for k, v in os.environ.items() if not k.startswith("MIRAGE_")},
            stderr=subprocess.PIPE,
        )
        assert self.popen.stderr is not None
        self.log = b""
        for line in self.popen.stderr:
            self.log += line
            if found := until.search(line):
                self.port = int(found[1])
                break
        else:
            raise AssertionError(self.log)
        # Lines for which the pipe has no room are lost.
        self._reader = threading.Thread(target=self._read_on, args=(self.popen.stderr,))
        if read_on:
            self._reader.start()

    def _read_on(self, stderr: IO[bytes]) -> None:
        with stderr:
            self.log += stderr.read()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def get(self, path: str) -> tuple[int, bytes]:
        return answer(self.connect(), "GET", path)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.popen.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        code = self.popen.wait(timeout=60)
        if self._reader.ident is None:  # not started yet
            self._reader.start()
        self._reader.join()
        return code


def answer(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None
) -> tuple[int, bytes]:
    headers = {"content-type": "application/json"} if body else {}
    with contextlib.closing(connection):
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()


@contextlib.contextmanager
def serving(
    root: Path, *flags: str, program: str = "service", read_on: bool = True
) -> Iterator[Process]:
    own = ("--models", str(root), "--default-model", "toy", "--threads", "1")
    process = Process(*own, *flags, program=program, read_on=read_on)
    try:
        yield process
    finally:
        if process.popen.poll() is None:
            process.popen.kill()
        process.wait()


def accepts(port: int) -> bool:
    """Whether somebody listens."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except ConnectionError:  # refused, or reset as the server leaves
        return False
    return True
