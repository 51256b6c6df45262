"""Requests that have arrived and are not started yet.

Parsing, checking and queueing a request takes time. If all requests started as they arrive,
everything else on the event loop, such as health checks, would wait for them.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from mirage.service.errors import Overloaded

AT_ONCE = 32  # requests started per iteration of the event loop
MAX_WAIT = 0.75  # share of its time that a request may wait here; the rest is for its images
LOOK_S = 0.05  # window in which the rate of starts is measured
DECAY = 0.8  # weight of earlier windows


class PendingRequests:
    """Starts up to AT_ONCE requests per iteration of the event loop; up to `most` others wait.

    Waiting requests do not start while `is_saturated` returns true, because the queue then holds
    enough work. Use it on one event loop.
    """

    def __init__(self, most: int, is_saturated: Callable[[], bool] = lambda: False) -> None:
        self._most = most
        self._is_saturated = is_saturated
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._room = AT_ONCE
        self._turn: asyncio.Handle | None = None
        self._each_s = 0.0  # estimated wait per waiting request
        self._window_began: float | None = None  # the queue was never empty since then
        self._begun = 0  # requests in this window

    def __len__(self) -> int:
        """Number of waiting requests."""
        return len(self._waiting)

    def check_room(self, allowed_s: float) -> None:
        """Raise Overloaded if a request that arrives now could not start in time."""
        wait_s = len(self._waiting) * self._each_s
        if len(self._waiting) >= self._most or wait_s > MAX_WAIT * allowed_s:
            raise Overloaded("more requests arrive than can be started", retry_after_s=wait_s)

    async def admit(self) -> None:
        """Wait until this request may start."""
        loop = asyncio.get_running_loop()
        if self._turn is None:
            self._turn = loop.call_soon(self._go_on)
        if self._room and not self._waiting:
            self._room -= 1
            return
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append(future)
        await future

    def _go_on(self) -> None:
        """Start waiting requests in the next iteration of the event loop."""
        begun = 0
        if self._waiting and not self._is_saturated():
            while self._waiting and begun < AT_ONCE:
                future = self._waiting.popleft()
                if not future.done():  # done if its client has disconnected
                    future.set_result(None)
                    begun += 1
        self._learn(begun)
        self._room = AT_ONCE - begun
        more = self._waiting or begun
        self._turn = asyncio.get_running_loop().call_soon(self._go_on) if more else None

    def _learn(self, begun: int) -> None:
        now = time.monotonic()
        self._begun += begun
        if self._window_began is not None and self._tells(took_s := now - self._window_began):
            self._each_s = DECAY * self._each_s + (1 - DECAY) * took_s / self._begun
            self._window_began = None
        if not self._waiting:
            self._window_began = None
        elif self._window_began is None:
            self._window_began, self._begun = now, 0

    def _tells(self, took_s: float) -> bool:
        """Whether this window is long enough, or has ended with a burst that was large enough."""
        if self._waiting:
            return self._begun > 0 and took_s > LOOK_S
        return self._begun >= AT_ONCE
