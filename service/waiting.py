"""How long a request may be waited for: until its deadline, and while its client is there."""

import asyncio
import re
import time
from collections.abc import Awaitable, Coroutine, Mapping
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive

from mirage.service.errors import DeadlinePassed, Malformed
from mirage.service.metrics import Metrics
from mirage.service.request_log import CLIENT_LEFT

T = TypeVar("T")

WATCH_AFTER_S = 0.1  # until then most requests are answered, and to watch costs a task


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


async def while_connected(receive: Receive, job: Coroutine[Any, Any, T]) -> T:
    """Wait for a job until the client leaves; raises ClientDisconnect then, and cancels it.

    The request's body must have been received.
    """
    loop = asyncio.get_running_loop()
    watch = DisconnectWatch(receive, asyncio.timeout(None))
    start = loop.call_later(WATCH_AFTER_S, watch.start)
    try:
        async with watch.limit:
            return await job
    except TimeoutError:
        if watch.limit.expired():
            raise ClientDisconnect from None
        raise
    finally:
        start.cancel()
        watch.stop()


class DisconnectWatch:
    """Lets a limit expire when the client leaves: so the job needs no task of its own."""

    def __init__(self, receive: Receive, limit: asyncio.Timeout) -> None:
        self.limit = limit
        self._receive = receive
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Watch from now on, as long as the limit is not left."""
        self._task = asyncio.get_running_loop().create_task(self._watch())

    def stop(self) -> None:
        """Watch no longer."""
        if self._task is not None:
            self._task.cancel()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.limit.reschedule(asyncio.get_running_loop().time())


async def unless_client_left(metrics: Metrics, answer: Awaitable[Response]) -> Response:
    """The answer; for a client who leaves before it, one that nobody reads, and that is counted."""
    try:
        return await answer
    except ClientDisconnect:
        metrics.abandoned.inc()
        return Response(status_code=CLIENT_LEFT)
