"""Ends waits at their deadlines, with one timer for all of them."""

import asyncio
import math
import time

from mirage.service.entry import Entry


class Deadlines:
    """Watches entries; one that is not forgotten by its deadline expires then.

    A timer for each would cost more than it is worth: few entries come near their deadlines.
    For one event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._watched: set[Entry] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._next = math.inf  # when the timer goes off, by `time.monotonic()`

    def watch(self, entry: Entry) -> None:
        """Begin to watch an entry."""
        self._watched.add(entry)
        if entry.deadline < self._next:
            self._set_timer(entry.deadline)

    def forget(self, entry: Entry) -> None:
        """Watch an entry no longer; the timer may go off for nothing."""
        self._watched.discard(entry)

    def close(self) -> None:
        """Let nothing expire any more."""
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
