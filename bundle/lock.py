"""The lock that keeps two processes from changing one model at once; readers need none."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bundle.errors import BundleError


@contextmanager
def lock_model(model: Path, *, wait: bool) -> Iterator[None]:
    """Hold `models/<name>/.lock`; the system frees it when the process ends in whatever way.

    Raises BundleError `locked` when another process has it and `wait` is false, `not_found` for
    no model.
    """
    descriptor = _open(model / ".lock")
    try:
        _acquire(descriptor, model, wait)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, model: Path, wait: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise BundleError(
            "locked", f"another process is publishing or releasing in {model}"
        ) from None


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except FileNotFoundError:
        raise BundleError("not_found", f"no model at {path.parent}") from None
