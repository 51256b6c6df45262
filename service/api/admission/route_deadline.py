"""Deadlines and disconnects of requests, for routes that FastAPI or Starlette handles."""

import asyncio
import re
import time
from collections.abc import Awaitable, Coroutine, Mapping
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from mirage.service.errors import DeadlinePassed, Malformed
from mirage.service.telemetry.logging import CLIENT_LEFT
from mirage.service.telemetry.metrics import Metrics

T = TypeVar("T")


def allowed_s(headers: Mapping[str, str], most_s: float) -> float:
    """Return the seconds until the client's deadline, at most `most_s`. Raises Malformed.

    Names of headers are in lower case.
    """
    header = headers.get("x-deadline-ms")
    if header is None:
        return most_s
    if not re.fullmatch("0*[1-9][0-9]{0,99}", header.strip()):
        raise Malformed(f"X-Deadline-Ms is {header!r:.100}; an integer of at least 1 is allowed")
    return min(most_s, int(header) / 1000)


async def before(deadline: float, job: Awaitable[T]) -> T:
    """Await a job until the deadline, in `time.monotonic()` seconds. Raises DeadlinePassed."""
    try:
        async with asyncio.timeout(deadline - time.monotonic()):
            return await job
    except TimeoutError:
        raise DeadlinePassed("the deadline passed before the request was answered") from None


async def while_connected(request: Request, job: Coroutine[Any, Any, T]) -> T:
    """Await a job; if the client disconnects, cancel it and raise ClientDisconnect."""
    loop = asyncio.get_running_loop()
    leaving = loop.create_task(_client_left(request))
    limit = asyncio.timeout(None)
    waiting = True

    def end(_: asyncio.Task[None]) -> None:
        if waiting:
            limit.reschedule(loop.time())

    # A disconnect makes the timeout expire, so the job does not need a task of its own.
    leaving.add_done_callback(end)
    try:
        async with limit:
            return await job
    except TimeoutError:
        if limit.expired():
            raise ClientDisconnect from None
        raise
    finally:
        waiting = False
        leaving.cancel()


async def unless_client_left(metrics: Metrics, answer: Awaitable[Response]) -> Response:
    """Await an answer; if the client disconnects first, count it and return status 499."""
    try:
        return await answer
    except ClientDisconnect:
        metrics.abandoned.inc()
        return Response(status_code=CLIENT_LEFT)


async def _client_left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
