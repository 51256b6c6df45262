"""A lock between processes that ends with the process that holds it."""

import fcntl
import os
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

RETRY_S = 0.0001


class SharedLock:
    """Many locks, by number, between processes; create it before they are forked.

    The system releases what a lost process held. Nothing of it is in a folder that others clean.
    """

    def __init__(self, name: str) -> None:
        self._file = _open_anonymous_file(name)
        weakref.finalize(self, os.close, self._file)
        self._own = threading.Lock()  # the file's locks are between processes only

    @contextmanager
    def held(self, number: int, patience_s: float) -> Iterator[bool]:
        """Hold a lock within the block; false when it could not be had in time."""
        end = time.monotonic() + patience_s
        if not self._own.acquire(timeout=patience_s):
            yield False
            return
        try:
            locked = self._lock(number, end)
            try:
                yield locked
            finally:
                if locked:
                    fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)
        finally:
            self._own.release()

    def _lock(self, number: int, end: float) -> bool:
        while True:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
            except OSError:  # another process has it, or the system has no locks left
                if time.monotonic() >= end:
                    return False
                time.sleep(RETRY_S)
            else:
                return True


def _open_anonymous_file(name: str) -> int:
    """The descriptor of a file without a path, in memory where the system has such files."""
    if sys.platform == "linux":
        return os.memfd_create(name)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
