"""Requests that have arrived and wait until the event loop begins with them.

To read a request costs little; to parse, check and queue it costs more. If all that arrive were
begun at once, everything else, such as a health probe, would wait for all of them.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from mirage.service.errors import Overloaded

AT_ONCE = 32  # requests that are begun in one iteration of the event loop
PATIENCE = 0.75  # share of its time that a request may wait here; the rest is for its images
LOOK_S = 0.05  # over which the rate of beginning is measured
MEMORY = 0.8  # weight of the rate measured before


class PendingRequests:
    """Begins a few requests in each iteration of the event loop; up to `most` others wait.

    None of those begins while `is_saturated` says that the queue holds enough work. For one event
    loop.
    """

    def __init__(self, most: int, is_saturated: Callable[[], bool] = lambda: False) -> None:
        self._most = most
        self._is_saturated = is_saturated
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._room = AT_ONCE
        self._turn: asyncio.Handle | None = None
        self._each_s = 0.0  # that one waits for another ahead
        self._window_began: float | None = None  # the queue was never empty since then
        self._begun = 0  # requests in this window

    def __len__(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def check_room(self, allowed_s: float) -> None:
        """Raise Overloaded if a request that arrives now could not be begun in time."""
        wait_s = len(self._waiting) * self._each_s
        if len(self._waiting) >= self._most or wait_s > PATIENCE * allowed_s:
            raise Overloaded("more requests arrive than can be begun", retry_after_s=wait_s)

    async def turn(self) -> None:
        """Wait for this request's turn."""
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
        """In the next iteration, begin as many again."""
        begun = 0
        if self._waiting and not self._is_saturated():
            while self._waiting and begun < AT_ONCE:
                future = self._waiting.popleft()
                if not future.done():  # else its client has left
                    future.set_result(None)
                    begun += 1
        self._learn(begun)
        self._room = AT_ONCE - begun
        more = self._waiting or begun
        self._turn = asyncio.get_running_loop().call_soon(self._go_on) if more else None

    def _learn(self, begun: int) -> None:
        if not self._waiting:
            self._window_began = None
            return
        now = time.monotonic()
        self._begun += begun
        if self._window_began is None:
            self._window_began, self._begun = now, 0
        elif self._begun and (took_s := now - self._window_began) > LOOK_S:
            self._each_s = MEMORY * self._each_s + (1 - MEMORY) * took_s / self._begun
            self._window_began, self._begun = now, 0
