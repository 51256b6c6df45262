"""An S3 server for tests: moto's, with a log of requests and faults to order.

Its writes are one after the other, as S3 promises them to be for one object.
"""

import math
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

BUCKET = "mirage"
DENIED = "403 Forbidden"  # which clients do not try again
NUMBERS = count()  # of prefixes: moto keeps its objects as long as the process
Answer = Callable[..., Any]


@dataclass
class Bucket:
    """A bucket of the server; `requests` are those it got, as `GET /mirage/name`.

    allowed: how many more requests are answered; None for any number. The `refused` next get
    `refusal`. If `lost` is set, the first of them takes effect, as if only its answer were lost.
    """

    endpoint: str
    application: Any
    requests: list[str] = field(default_factory=list)
    allowed: int | None = None
    refusal: str = DENIED
    refused: float = 0
    lost: bool = False
    asked: threading.Event = field(default_factory=threading.Event)  # set by every request
    lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self) -> str:
        """A prefix that no other test uses."""
        return f"s3://{BUCKET}/models-{next(NUMBERS)}"

    @contextmanager
    def only(
        self, allowed: int, refusal: str = DENIED, *, after: bool = False, times: float = math.inf
    ) -> Iterator[None]:
        """Answer so many requests inside, and refuse the others, or `times` of them.

        after: refuse the first after it took effect.
        """
        self.allowed, self.refusal, self.lost, self.refused = allowed, refusal, after, times
        try:
            yield
        finally:
            self.allowed = None

    def __call__(self, environ: dict[str, Any], start: Answer) -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        self.asked.set()
        with self.lock:
            query = f"?{environ['QUERY_STRING']}" if environ["QUERY_STRING"] else ""
            self.requests.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}{query}")
            if self.allowed is None or self.allowed > 0 or self.refused == 0:
                self.allowed = None if self.allowed is None else self.allowed - 1
                return list(self.application(environ, start))
            if self.lost:
                list(self.application(environ, lambda *_: None))
            self.lost, self.refused = False, self.refused - 1
            start(self.refusal, [("Content-Length", "0")])
            return [b""]


class QuietHandler(WSGIRequestHandler):
    """Handles requests without a line for each on standard error."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        """Log nothing."""


@contextmanager
def s3_server() -> Iterator[Bucket]:
    """Run the server with one bucket; inside, the environment names it and credentials."""
    application = DomainDispatcherApplication(create_backend_app)
    bucket = Bucket("", application)
    server = make_server("127.0.0.1", 0, bucket, threaded=True, request_handler=QuietHandler)
    bucket.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", bucket.endpoint)
            patch.setenv("AWS_REGION", "us-east-1")
            patch.setenv("AWS_ACCESS_KEY_ID", "mirage")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
            create = urllib.request.Request(f"{bucket.endpoint}/{BUCKET}", method="PUT")
            urllib.request.urlopen(create).close()
            yield bucket
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
