"""The real service in a process that a test can kill and restart."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).parents[2]
READY = re.compile(rb"ready host=\S+ port=(\d+)")


class Server:
    """A server on a free port, which it keeps after a restart."""

    def __init__(self, root: Path, *flags: str, default: str | None = "toy") -> None:
        chosen = () if default is None else ("--default-model", default)
        self._flags = ("--models", str(root), *chosen, "--threads", "1", *flags)
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        """The address of the playground."""
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Start the server and wait until it is ready."""
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "service", "--port", str(self.port), *self._flags],
            cwd=ROOT,
            env={k: v for k, v in os.environ.items() if not k.startswith("MIRAGE_")},
            stderr=subprocess.PIPE,
        )
        assert self._popen.stderr is not None
        log = b""
        for line in self._popen.stderr:
            log += line
            if found := READY.search(line):
                self.port = int(found[1])
                # A full pipe would block the server.
                self._reader = threading.Thread(target=self._popen.stderr.read)
                self._reader.start()
                return
        raise AssertionError(log)

    def kill(self) -> None:
        """Kill the server."""
        self._popen.kill()
        self._reader.join()
        self._popen.communicate()
