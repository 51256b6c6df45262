"""An HTTP server on the loopback interface for the page about a run; it only reads."""

import errno
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

from pydantic import TypeAdapter

from mirage.training.dashboard.curves import CurveChart
from mirage.training.dashboard.grids import read_grid
from mirage.training.dashboard.run_view import RunView
from mirage.training.errors import UsageError

HOST = "127.0.0.1"
NAMES = ("127.0.0.1", "localhost")
"""Host names that requests may address; sites whose own name resolves to 127.0.0.1 get nothing."""
MAX_CONNECTIONS = 32
TIMEOUT_S = 10
KINDS = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
CHARTS = TypeAdapter(list[CurveChart])
FRESH, KEPT = "no-store", "private, max-age=3600"
"""URLs of grids change with their files."""


@dataclass(frozen=True)
class Answer:
    """The body of a response."""

    body: bytes
    kind: str
    status: HTTPStatus = HTTPStatus.OK
    cache: str = FRESH


class Pages:
    """The resources of the server by path; whatever else is asked for does not exist."""

    def __init__(self, view: RunView) -> None:
        self._view = view
        self._static = dict(_static_files())

    def answer(self, path: str) -> Answer:
        """The resource of a path without its query."""
        if path == "/":
            path = "/static/index.html"
        if path in self._static:
            return self._static[path]
        if path == "/state.json":
            return _json(self._view.state().model_dump_json().encode())
        if path == "/curves.json":
            return _json(CHARTS.dump_json(self._view.curves()))
        if path.startswith("/grids/"):
            return self._grid(path.removeprefix("/grids/"))
        return failure(HTTPStatus.NOT_FOUND, "there is no such page")

    def _grid(self, name: str) -> Answer:
        content = read_grid(self._view.run, name)
        if content is None:
            return failure(HTTPStatus.NOT_FOUND, "there is no such grid")
        return Answer(content, "image/png", cache=KEPT)


def failure(status: HTTPStatus, text: str) -> Answer:
    """An error as one line of text."""
    return Answer(f"{text}\n".encode(), "text/plain; charset=utf-8", status)


def _json(body: bytes) -> Answer:
    return Answer(body, "application/json")


def _static_files() -> Iterator[tuple[str, Answer]]:
    for file in files("mirage.training.dashboard").joinpath("static").iterdir():
        kind = KINDS.get(file.name.rpartition(".")[2])
        if kind:
            yield f"/static/{file.name}", Answer(file.read_bytes(), kind)


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD; one request per connection."""

    timeout = TIMEOUT_S
    server: "DashboardServer"

    def do_GET(self) -> None:
        """Send a resource."""
        self._send(self._answer())

    def do_HEAD(self) -> None:
        """Send the head of a resource."""
        self._send(self._answer(), with_body=False)

    def _refuse(self) -> None:
        text = f"{self.command} is not allowed; allowed are GET and HEAD"
        self._send(failure(HTTPStatus.METHOD_NOT_ALLOWED, text))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse

    def _answer(self) -> Answer:
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or hosts[0].lower().partition(":")[0] not in NAMES:
            text = f"Host is {', '.join(hosts) or 'missing'}; allowed are {' and '.join(NAMES)}"
            return failure(HTTPStatus.MISDIRECTED_REQUEST, text)
        return self.server.pages.answer(self.path.partition("?")[0])

    def _send(self, answer: Answer, with_body: bool = True) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", answer.cache)
        if answer.status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(answer.body)

    def version_string(self) -> str:
        """The Server header, without the version of Python."""
        return "mirage"

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the page asks every two seconds."""


class DashboardServer(ThreadingHTTPServer):
    """Serves one run; listens when it is made. port 0: a free one.

    Raises UsageError naming the port if it cannot listen there.
    """

    daemon_threads = True

    def __init__(self, view: RunView, port: int) -> None:
        self.pages = Pages(view)
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        try:
            super().__init__((HOST, port), Handler)
        except OSError as error:
            raise UsageError(f"--port is {port}, {_why(error)}") from error

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{HOST}:{self.server_port}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread; closes connections beyond `MAX_CONNECTIONS`."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a request and free its place."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report errors of this program, not clients that have left."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "which another program uses; choose another, or 0 for a free one"
    return f"which cannot be used: {error.strerror}"
