"""What a batch costs, learned from batches, and the deadlines of entries that wait."""

import asyncio
import math
import time

from mirage.service.batching.queue import Entry

MEMORY = 0.95  # what a batch still counts after the next one


class CostModel:
    """A straight line through the batches so far, by least squares that forget exponentially.

    Its items are units of work: images that are all alike, or pixels.
    """

    def __init__(self) -> None:
        self.fixed_s = 0.0
        self.item_s = 0.0
        self._weight = self._n = self._nn = self._s = self._ns = 0.0

    def learn(self, items: int, seconds: float) -> None:
        """Take in one batch of `items` that took `seconds`."""
        self._weight = MEMORY * self._weight + 1
        self._n = MEMORY * self._n + items
        self._nn = MEMORY * self._nn + items * items
        self._s = MEMORY * self._s + seconds
        self._ns = MEMORY * self._ns + items * seconds
        self._fit()

    def estimate_s(self, items: int, batches: int = 1) -> float:
        """The seconds that `items` in so many batches take; 0 while nothing is known."""
        return batches * self.fixed_s + items * self.item_s

    def _fit(self) -> None:
        spread = self._weight * self._nn - self._n * self._n
        # Batches of one size tell nothing about the fixed part: all goes to the items.
        flat = spread <= 1e-6 * self._weight * self._nn
        slope = 0.0 if flat else (self._weight * self._ns - self._n * self._s) / spread
        fixed = (self._s - slope * self._n) / self._weight
        if flat or fixed < 0:
            self.fixed_s, self.item_s = 0.0, self._ns / self._nn
        else:
            self.fixed_s, self.item_s = fixed, max(0.0, slope)


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
