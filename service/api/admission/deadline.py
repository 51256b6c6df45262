"""How long a request may be waited for: until its deadline, and while its client is there."""

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
    """The seconds that the client allows, capped; raises Malformed. Names are in lower case."""
    header = headers.get("x-deadline-ms")
    if header is None:
        return most_s
    if not re.fullmatch("0*[1-9][0-9]{0,99}", header.strip()):
        raise Malformed(f"X-Deadline-Ms is {header!r:.100}; an integer of at least 1 is allowed")
    return min(most_s, int(header) / 1000)


async def before(deadline: float, job: Awaitable[T]) -> T:
    """Wait for a job until the deadline; raises DeadlinePassed."""
    try:
        async with asyncio.timeout(deadline - time.monotonic()):
            return await job
    except TimeoutError:
        raise DeadlinePassed("the deadline passed before the request was understood") from None


async def while_connected(request: Request, job: Coroutine[Any, Any, T]) -> T:
    """Wait for a job until the client leaves; raises ClientDisconnect then, and cancels it."""
    loop = asyncio.get_running_loop()
    leaving = loop.create_task(_client_left(request))
    limit = asyncio.timeout(None)
    waiting = True

    def end(_: asyncio.Task[None]) -> None:
        if waiting:
            limit.reschedule(loop.time())

    # A client who leaves is a limit that is over: so the job needs no task of its own.
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
    """The answer; for a client who leaves before it, one that nobody reads, and that is counted."""
    try:
        return await answer
    except ClientDisconnect:
        metrics.abandoned.inc()
        return Response(status_code=CLIENT_LEFT)


async def _client_left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
