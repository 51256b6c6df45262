"""Locks against concurrent changes of one model; readers need none.

The operating system releases a lock when its process ends, however it ends.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mirage.bundle.errors import BundleError


@contextmanager
def lock_model(model: Path, *, wait: bool) -> Iterator[None]:
    """Hold `models/<name>/.lock`, briefly, while publishing, releasing or pruning.

    Raises BundleError `locked` if another process holds it and `wait` is false, and `not_found` if
    there is no such model.
    """
    with _locked(model / ".lock", f"another process is at work in {model}", wait):
        yield


@contextmanager
def lock_job(model: Path, *, wait: bool) -> Iterator[None]:
    """Hold `models/<name>/.job` during a training job; releasing stays possible meanwhile.

    Raises BundleError like `lock_model`.
    """
    with _locked(model / ".job", f"another process is running a job for {model}", wait):
        yield


@contextmanager
def _locked(path: Path, busy: str, wait: bool) -> Iterator[None]:
    descriptor = _open(path)
    try:
        _acquire(descriptor, busy, wait)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, busy: str, wait: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise BundleError("locked", busy) from None


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except FileNotFoundError:
        raise BundleError("not_found", f"no model at {path.parent}") from None
