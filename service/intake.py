"""Requests that have been read and wait until the event loop begins with them.

To read one costs little, to begin with it more: it is parsed, checked and queued. If all that comes
were begun at once, whatever else comes, a probe for one, would wait for all of it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from mirage.service.errors import QueueFull

AT_ONCE = 32  # requests that are begun in one turn of the event loop
PATIENCE = 0.75  # share of its time that a request may wait here; the rest is for its images
LOOK_S = 0.05  # over which it is measured how soon those who wait are begun
MEMORY = 0.8  # of what was found before

Begin = Callable[[], object]


class Intake:
    """Begins with a few requests in each turn of the event loop; up to `most` others wait.

    None of those is begun while `has_plenty` says that there is enough to do. For one event loop.
    """

    def __init__(self, most: int, has_plenty: Callable[[], bool] = lambda: False) -> None:
        self._most = most
        self._has_plenty = has_plenty
        self._waiting: deque[Begin] = deque()
        self._room = AT_ONCE
        self._turn: asyncio.Handle | None = None
        self._each_s = 0.0  # that one waits for another ahead
        self._looked: float | None = None  # since then there were always some who waited,
        self._begun = 0  # and so many were begun

    def __len__(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def check_room(self, allowed_s: float) -> None:
        """Raise QueueFull if a request that comes now would wait in vain."""
        wait_s = len(self._waiting) * self._each_s
        if len(self._waiting) >= self._most or wait_s > PATIENCE * allowed_s:
            raise QueueFull("more requests come than can be begun", retry_after_s=wait_s)

    def enter(self, begin: Begin) -> None:
        """Begin with a request now, or once those before it have begun."""
        if self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._go_on)
        if self._room and not self._waiting:
            self._room -= 1
            begin()
        else:
            self._waiting.append(begin)

    def _go_on(self) -> None:
        """In the next turn, begin with as many again."""
        begun = 0
        if self._waiting:
            if not self._has_plenty():
                begun = min(AT_ONCE, len(self._waiting))
            for _ in range(begun):
                self._waiting.popleft()()
        self._learn(begun)
        self._room = AT_ONCE - begun
        more = self._waiting or begun
        self._turn = asyncio.get_running_loop().call_soon(self._go_on) if more else None

    def _learn(self, begun: int) -> None:
        if not self._waiting:
            self._looked = None
            return
        now = time.monotonic()
        self._begun += begun
        if self._looked is None:
            self._looked, self._begun = now, 0
        elif self._begun and (took_s := now - self._looked) > LOOK_S:
            self._each_s = MEMORY * self._each_s + (1 - MEMORY) * took_s / self._begun
            self._looked, self._begun = now, 0
