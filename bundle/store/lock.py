"""The locks that keep two processes from changing one model at once; readers need none.

The system frees a lock when its process ends in whatever way.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mirage.bundle.errors import BundleError


@contextmanager
def lock_model(model: Path, *, wait: bool) -> Iterator[None]:
    """Hold `models/<name>/.lock`: for the moment that publishing, releasing or pruning takes.

    Raises BundleError `locked` when another process has it and `wait` is false, `not_found` for
    no model.
    """
    with _locked(model / ".lock", f"another process is at work in {model}", wait):
        yield


@contextmanager
def lock_job(model: Path, *, wait: bool) -> Iterator[None]:
    """Hold `models/<name>/.job`: for the hours of a training job, while people go on releasing.

    Raises BundleError as `lock_model` does.
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
