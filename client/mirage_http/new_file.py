"""Files that appear under their name only when they are complete."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Write a temporary file beside `path`, and rename it at the end of the block.

    It is removed if the block raises an error. Raises OSError if it cannot be written.
    """
    temporary = part_path(path)
    try:
        with temporary.open("w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # else a crash of the machine may leave an empty file
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def part_path(path: Path) -> Path:
    """The temporary name of a file: hidden, and with a suffix that no picture has."""
    return path.with_name(f".{path.name}.part")
