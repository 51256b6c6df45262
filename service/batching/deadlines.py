"""Expires entries of the queue at their deadlines."""

import asyncio
import math
import time

from mirage.service.batching.queue import Entry


class Deadlines:
    """Expires watched entries at their deadlines, with one timer for all of them.

    Few entries reach their deadline, so a timer for each would be wasted work. Use it from one
    event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._watched: set[Entry] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._next = math.inf  # when the timer fires, in `time.monotonic()` seconds

    def watch(self, entry: Entry) -> None:
        """Start watching an entry."""
        self._watched.add(entry)
        if entry.deadline < self._next:
            self._set_timer(entry.deadline)

    def forget(self, entry: Entry) -> None:
        """Stop watching an entry. The timer stays set and may find nothing to expire."""
        self._watched.discard(entry)

    def close(self) -> None:
        """Stop watching all entries and cancel the timer."""
        self._watched.clear()
        self._set_timer(math.inf)

    def _expire(self) -> None:
        now = time.monotonic()
        for entry in [entry for entry in self._watched if entry.deadline <= now]:
            self._watched.discard(entry)
            entry.expire()
        self._set_timer(min((entry.deadline for entry in self._watched), default=math.inf))

    def _set_timer(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next, self._timer = moment, None
        if moment < math.inf:
            self._timer = self._loop.call_later(moment - time.monotonic(), self._expire)
