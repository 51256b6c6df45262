"""Middleware around the routes, as plain ASGI."""

import time
from collections.abc import Sequence

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mirage.service.api.problems import problem_response
from mirage.service.api.state import Service
from mirage.service.errors import Draining
from mirage.service.telemetry.logging import CLIENT_LEFT, PROBES, has_client
from mirage.service.telemetry.metrics import Metrics


class HeadAsGet:
    """Answers HEAD as GET without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on other requests unchanged."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, send_without_body)


class UnderPrefix:
    """Restores the path prefix that a proxy has removed, as ASGI's `root_path`."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Prepend the prefix to the path; routes match the rest."""
        if scope["type"] == "http":
            path = self._root_path + scope["path"]
            scope = {**scope, "root_path": self._root_path, "path": path}
        await self._app(scope, receive, send)


class CountRequests:
    """Counts the answers of a route by status, and times them."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Without a started answer the status is 500; after a disconnect it is 499."""
        status = 500
        started = time.perf_counter()

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if status != CLIENT_LEFT and not has_client(scope):
                    status = CLIENT_LEFT
                    self._metrics.abandoned.inc()
            await send(message)

        self._metrics.in_flight += 1
        try:
            await self._app(scope, receive, send_and_note)
        finally:
            self._metrics.in_flight -= 1
            self._metrics.count_request(status, time.perf_counter() - started)


class Drain:
    """Closes connections while the service drains, and rejects requests when it stops."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Requests in flight are finished, and health checks are always answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        service = self._service

        async def send_and_part(message: Message) -> None:
            if message["type"] == "http.response.start" and service.draining:
                headers = MutableHeaders(raw=list(message.get("headers", ())))
                headers["connection"] = "close"  # the next request goes to another process
                message = {**message, "headers": headers.raw}
            if message["type"] == "http.response.body" and not message.get("more_body"):
                service.unanswered.discard(id(scope))  # before the process can end
            await send(message)

        service.unanswered.add(id(scope))
        try:
            await self._serve_or_refuse(scope, receive, send_and_part)
        finally:
            service.unanswered.discard(id(scope))

    async def _serve_or_refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._service.refusing or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        error = Draining("the service is stopping", retry_after_s=1)
        self._service.metrics.count_problem(error.slug)
        await problem_response(error)(scope, receive, send)


HEADER_LENGTH = "Inference-Header-Content-Length"  # of requests and answers of /v2
ALLOWED_HEADERS = (
    *("Authorization", "X-Api-Key", "Content-Type", "Content-Encoding", HEADER_LENGTH),
    *("X-Deadline-Ms", "X-Request-Id"),
)
EXPOSED_HEADERS = (
    *("X-Seed", "X-Model", "X-Upscale", "X-Scale", "Server-Timing", "Retry-After", "X-Request-Id"),
    HEADER_LENGTH,
)
PREFLIGHT_S = 3600


def allow_origins(app: ASGIApp, origins: Sequence[str]) -> CORSMiddleware:
    """Allow pages of these origins to call an application. Cookies are not needed."""
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "POST"),
        allow_headers=ALLOWED_HEADERS,
        expose_headers=EXPOSED_HEADERS,
        max_age=PREFLIGHT_S,
    )
