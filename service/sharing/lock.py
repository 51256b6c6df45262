"""Locks between processes, which the system releases when their process ends."""

import fcntl
import os
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

RETRY_S = 0.0001  # about as long as the locks are held


class SharedLock:
    """Numbered locks between processes. Create it before they are forked.

    They are record locks of an anonymous file, which no cleaner of temporary folders can remove.
    """

    def __init__(self, name: str) -> None:
        self._file = open_anonymous_file(name)
        weakref.finalize(self, os.close, self._file)
        self._threads = threading.Lock()  # record locks do not exclude threads of one process

    @contextmanager
    def held(self, number: int, timeout_s: float) -> Iterator[bool]:
        """Hold a lock within the block. Yields False if it could not be acquired in time."""
        end = time.monotonic() + timeout_s
        if not self._threads.acquire(timeout=timeout_s):
            yield False
            return
        try:
            locked = self._acquire(number, end)
            try:
                yield locked
            finally:
                if locked:
                    fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)
        finally:
            self._threads.release()

    def _acquire(self, number: int, end: float) -> bool:
        while True:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
            except OSError:  # another process holds it, or the system has no more locks
                if time.monotonic() >= end:
                    return False
                time.sleep(RETRY_S)
            else:
                return True


def open_anonymous_file(name: str) -> int:
    """Return the descriptor of a file without a path, in memory on Linux."""
    if sys.platform == "linux":
        return os.memfd_create(name)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
