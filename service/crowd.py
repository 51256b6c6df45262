"""How many engines run at this moment, over all workers of the service."""

import mmap
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Crowd:
    """A count for each worker in memory that they share; make it before they are forked.

    `cpus` is what they have together. So an engine can tell whether all of that is its own.
    """

    def __init__(self, workers: int, cpus: int) -> None:
        self.workers = workers
        self.cpus = cpus
        self._running = mmap.mmap(-1, workers)
        self._place = 0
        self._lock = threading.Lock()  # of this worker's threads

    def take_place(self, number: int) -> None:
        """Be worker `number` from now on, of which nothing runs yet."""
        self._place = number
        self._running[number] = 0

    @contextmanager
    def joined(self) -> Iterator[bool]:
        """Within the block one engine more runs; tells whether it is the only one."""
        self._add(1)
        try:
            yield sum(self._running[:]) == 1
        finally:
            self._add(-1)

    def _add(self, engines: int) -> None:
        with self._lock:
            self._running[self._place] += engines
