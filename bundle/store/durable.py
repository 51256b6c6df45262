"""Writing so that a reader, and a machine that loses power, sees either nothing or all of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def sync_file(path: Path) -> None:
    """Have the contents of a file on the disk before returning."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Have the names in a folder on the disk before returning."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def replace_file(path: Path, contents: bytes) -> None:
    """Put `contents` at `path` in one step; the caller holds the lock that keeps others away."""
    _beside(path).unlink(missing_ok=True)  # a killed writer's, or a link that somebody planted
    with atomic_write(path) as file:
        file.write(contents)


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside `path` that takes its place, durably, when the block ends.

    An exception in the block, or a full disk, leaves `path` as it was and no other file.
    """
    beside = _beside(path)
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    replace_durably(beside, path)


def replace_durably(path: Path, target: Path) -> None:
    """Rename, and have the new name on the disk before returning; the contents are the caller's."""
    os.replace(path, target)
    sync_folder(target.parent)
    if path.parent != target.parent:
        sync_folder(path.parent)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}")


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
