"""Deadline and disconnect of a request to the fast path, without a timer for each request."""

import asyncio
import itertools
import time
from collections.abc import Callable
from types import TracebackType

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from mirage.service.errors import DeadlinePassed

SLOW_S = 0.1  # most requests are answered sooner and need not be watched


class DelayedCalls:
    """Calls functions `delay_s` after they were added, with one timer for all of them.

    Most calls are discarded, so a timer for each would be wasted work. Use it on one event loop.
    """

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._calls: dict[int, tuple[float, Callable[[], object]]] = {}  # in order of their time
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, call: Callable[[], object]) -> int:
        """Schedule a call; returns a number for `discard`."""
        number = next(self._numbers)
        self._calls[number] = time.monotonic() + self._delay_s, call
        if self._timer is None:
            self._set_timer(self._delay_s)
        return number

    def discard(self, number: int) -> None:
        """Cancel a call."""
        self._calls.pop(number, None)

    def _set_timer(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._call_due)

    def _call_due(self) -> None:
        self._timer = None
        now = time.monotonic()
        due = list(itertools.takewhile(lambda item: item[1][0] <= now, self._calls.items()))
        for number, (_, call) in due:
            del self._calls[number]
            call()
        if self._calls:
            self._set_timer(next(iter(self._calls.values()))[0] - now)


class RequestWatch:
    """Cancels the block of `async with` when nobody waits for its result any longer.

    Until `has_body` is called, the deadline, in `time.monotonic()` seconds, raises DeadlinePassed.
    After that, a disconnect of the client raises ClientDisconnect.
    """

    def __init__(self, receive: Receive, deadline: float, slow: DelayedCalls) -> None:
        self._receive = receive
        self._deadline = deadline
        self._slow = slow
        self._is_slow = False
        self._has_body = False
        self._limit = asyncio.timeout(None)
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "RequestWatch":
        await self._limit.__aenter__()
        if self._deadline - time.monotonic() < SLOW_S:
            self._number = -1
            self._look()
        else:
            self._number = self._slow.add(self._look)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._slow.discard(self._number)
        if self._watch is not None:
            self._watch.cancel()
        try:
            await self._limit.__aexit__(kind, error, traceback)
        except TimeoutError:
            if self._has_body:
                raise ClientDisconnect from None
            raise DeadlinePassed("the deadline passed before the request was understood") from None

    def has_body(self) -> None:
        """Note that the body is complete: from now on, watch for a disconnect only."""
        self._has_body = True
        if self._is_slow:
            self._limit.reschedule(None)
            self._look()

    def _look(self) -> None:
        """Start watching a slow request."""
        self._is_slow = True
        loop = asyncio.get_running_loop()
        if self._has_body:
            self._watch = loop.create_task(self._wait_for_disconnect())
        else:
            self._limit.reschedule(loop.time() + self._deadline - time.monotonic())

    async def _wait_for_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._limit.reschedule(asyncio.get_running_loop().time())
