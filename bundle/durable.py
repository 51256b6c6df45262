"""Writing so that a reader, and a machine that loses power, sees either nothing or all of it."""

import os
from pathlib import Path


def sync_file(path: Path) -> None:
    """Have the contents of a file on the disk before returning."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Have the names in a folder on the disk before returning."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def replace_file(path: Path, contents: bytes) -> None:
    """Put `contents` at `path` in one step; the caller holds the lock that keeps others away."""
    beside = path.with_name(f".{path.name}")
    beside.unlink(missing_ok=True)  # what a killed writer left, or a link that somebody planted
    beside.write_bytes(contents)
    sync_file(beside)
    os.replace(beside, path)
    sync_folder(path.parent)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
