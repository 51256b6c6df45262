"""The threads that decode and encode, and whether all of them hang."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Encoders(ThreadPoolExecutor):
    """A pool of so many threads that knows when one of them last finished something."""

    def __init__(self, count: int) -> None:
        super().__init__(count, thread_name_prefix="encode")
        self._count = count
        self._unfinished: set[Future[Any]] = set()
        self._moved = time.monotonic()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a function on one of the threads."""
        if len(self._unfinished) < self._count:
            self._moved = time.monotonic()
        future = super().submit(fn, *args, **kwargs)
        self._unfinished.add(future)
        future.add_done_callback(self._finished)
        return future

    def hanging_s(self) -> float:
        """Return how long all threads have been busy while none finished; 0 if one is free."""
        busy = len(self._unfinished) >= self._count
        return time.monotonic() - self._moved if busy else 0.0

    def _finished(self, future: Future[Any]) -> None:
        self._unfinished.discard(future)
        if not future.cancelled():  # those that were still queued are
            self._moved = time.monotonic()
