"""Gives each request an id and a line in the log, as pure ASGI."""

import logging
import random
import re
import time
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mirage.service.logs import REQUEST_ID
from mirage.service.record import Record

log = logging.getLogger(__name__)

REQUEST_ID_ALLOWED = re.compile(r"[A-Za-z0-9._-]{1,64}")
CLIENT_LEFT = 499  # nobody reads it; it is what the log and the metrics tell
PROBES = frozenset({"/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})
MOST_PATH = 200  # characters


class LogRequests:
    """Takes the id that the client gives, or makes one; answers with it and logs with it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An answer that never began counts as 500."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = Record(request_id(Headers(scope=scope)), client_of(scope))
        scope.setdefault("state", {})["record"] = record
        REQUEST_ID.set(record.request_id)  # each request has a task, and so a context, of its own
        header = (b"x-request-id", record.request_id.encode())
        started = time.perf_counter()
        status, complete = None, False

        async def send_with_id(message: Message) -> None:
            nonlocal status, complete
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), header]}
            await send(message)
            complete = message["type"] == "http.response.body" and not message.get("more_body")

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            gone = status == CLIENT_LEFT or (status is not None and not complete)
            log_request(scope, record, status or 500, gone, time.perf_counter() - started)


def request_id(headers: Mapping[str, str]) -> str:
    """The id that the client gives, or a new one: 16 hexadecimal digits that nobody need guess."""
    given = headers.get("x-request-id", "")
    if given and REQUEST_ID_ALLOWED.fullmatch(given):
        return given
    return f"{random.getrandbits(64):016x}"


def client_of(scope: Scope) -> str:
    """The client's address; empty where there is none."""
    return scope["client"][0] if scope.get("client") else ""


def log_request(
    scope: Scope, record: Record, status: int, client_gone: bool, total_s: float
) -> None:
    """Write the line of a request that was answered, or whose client left."""
    level = logging.DEBUG if scope["path"] in PROBES else logging.INFO
    if not log.isEnabledFor(level):
        return
    fields = {
        "method": scope["method"],
        "path": scope["path"][:MOST_PATH],
        "status": status,
        "key": record.key,
        "model": record.model,
        "images": record.images,
        "total_ms": _ms(total_s),
        "queue_ms": _ms(record.queue_s),
        "engine_ms": _ms(record.engine_s),
        "encode_ms": _ms(record.encode_s),
        "client_gone": client_gone,
        "request_id": record.request_id,
    }
    log.log(level, "request", extra=fields)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 2)
