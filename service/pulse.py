"""Tells whether the event loop keeps up with what comes in.

What waits for the engine is in a queue that is bounded; what waits for the event loop is in none.
When more small requests come than it can read, each of them, and every probe, waits for all before.
"""

import asyncio
import time

BEAT_S = 0.02
LATE_S = 0.05  # a beat that comes later is a sign of too much to do: more than a turn of the engine
MEMORY = 0.9  # so that it takes about seven late beats in a row, which no single burst makes
BEHIND = 0.5


class Pulse:
    """Beats on the running event loop until it is stopped; beats that come late are remembered."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._late = 0.0  # 0 … 1, how often beats were late lately
        self._due = 0.0
        self._timer = self._next()

    def is_behind(self) -> bool:
        """Whether what comes now should be refused at once, so that the rest is answered in time.

        That is while beats keep coming late, for what the loop turns to after the next is late too.
        """
        return self._late > BEHIND and time.monotonic() > self._due + LATE_S

    def stop(self) -> None:
        """Beat no more."""
        self._timer.cancel()

    def _next(self) -> asyncio.TimerHandle:
        self._due = time.monotonic() + BEAT_S
        return self._loop.call_later(BEAT_S, self._beat)

    def _beat(self) -> None:
        late = time.monotonic() > self._due + LATE_S
        self._late = MEMORY * self._late + (1 - MEMORY) * late
        self._timer = self._next()
