"""The real service in a process of its own, which a test may kill and start again."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).parents[2]
READY = re.compile(rb"ready host=\S+ port=(\d+)")


class Server:
    """A server of a folder of models, ready on a free port; the same one after `start`."""

    def __init__(self, root: Path, *flags: str) -> None:
        self._flags = ("--models", str(root), "--default-model", "toy", "--threads", "1", *flags)
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        """Where the playground is."""
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Start it and wait until it listens."""
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
                # A pipe that nobody reads would fill, and hold the server up.
                self._reader = threading.Thread(target=self._popen.stderr.read)
                self._reader.start()
                return
        raise AssertionError(log)

    def kill(self) -> None:
        """End it at once."""
        self._popen.kill()
        self._reader.join()
        self._popen.communicate()
