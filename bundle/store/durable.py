"""Atomic, durable writes: after a crash or power loss a file is either complete or unchanged."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def sync_file(path: Path) -> None:
    """Flush the contents of a file to the disk."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Flush the entries of a folder to the disk."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def replace_file(path: Path, contents: bytes) -> None:
    """Replace the file at `path` atomically; the caller holds a lock against other writers."""
    _temporary(path).unlink(missing_ok=True)  # left by a killed writer, or a planted link
    with atomic_write(path) as file:
        file.write(contents)


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `path` when the block ends.

    On an exception or a full disk, `path` is unchanged and the temporary file is removed.
    """
    temporary = _temporary(path)
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    replace_durably(temporary, path)


def replace_durably(path: Path, target: Path) -> None:
    """Rename, and flush the folders; the caller flushes the contents."""
    os.replace(path, target)
    sync_folder(target.parent)
    if path.parent != target.parent:
        sync_folder(path.parent)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}")


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
