"""Locks that keep other processes from writing to the same output.

The operating system releases a lock when the process ends.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import Locked


def lock_file(descriptor: int, message: str) -> None:
    """Lock an open file; raises Locked with a message if another process holds the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Locked(message) from None


@contextmanager
def lock_folder(path: Path) -> Iterator[None]:
    """Create a folder if it is missing, and lock it for the block; raises Locked."""
    path.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        lock_file(descriptor, f"another process is writing to {path}")
        yield
    finally:
        os.close(descriptor)
