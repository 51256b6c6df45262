"""Where the files of a dataset are: a folder, or a prefix in object storage."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from ..errors import DatasetError

MAX_BYTES = 2**28  # of a file that is read at once; an index of 10^6 shards has 2^27
NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class Place(Protocol):
    """Files that are complete when their names appear, and never change."""

    def exists(self, name: str) -> bool:
        """Whether a file exists."""

    def read(self, name: str) -> bytes | None:
        """The bytes of a small file; None if it is missing."""

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open an existing file for reading; raises FileNotFoundError."""

    def new(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Write a draft, and give it its name at the end of the block, unless the name exists."""

    def tidy(self) -> None:
        """Remove drafts of processes that were killed, if their files exist by now."""


def claim(place: Place, name: str, contents: bytes) -> bytes:
    """Write a file unless it exists; returns the contents of the one that exists then."""
    found = place.read(name)
    if found is None:
        with place.new(name) as file:
            file.write(contents)
        found = place.read(name)
    if found is None:
        raise DatasetError(f"{name} vanished after it was written")
    return found


class FolderPlace:
    """A folder; several machines may share it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __str__(self) -> str:
        return str(self._root)

    def exists(self, name: str) -> bool:
        """See `Place`."""
        return (self._root / name).exists()

    def read(self, name: str) -> bytes | None:
        """See `Place`."""
        try:
            with self.open(name) as file:
                return file.read(MAX_BYTES)
        except FileNotFoundError:
            return None

    def open(self, name: str) -> BinaryIO:
        """See `Place`."""
        return (self._root / name).open("rb")

    @contextmanager
    def new(self, name: str) -> Iterator[BinaryIO]:
        """See `Place`; the draft is beside the file, and hidden."""
        self._root.mkdir(parents=True, exist_ok=True)
        draft = self._root / f".{name}.{secrets.token_hex(4)}.part"
        try:
            with draft.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())  # else a crash of the machine may leave an empty file
            self._link(draft, self._root / name)
        finally:
            draft.unlink(missing_ok=True)

    def tidy(self) -> None:
        """See `Place`."""
        for draft in self._root.glob(".images*.part"):
            if self.exists(draft.name[1:].rsplit(".", 2)[0]):
                draft.unlink(missing_ok=True)

    def _link(self, draft: Path, path: Path) -> None:
        """Name a draft; unlike a rename, a link never replaces a file."""
        try:
            with suppress(FileExistsError):
                os.link(draft, path)
        except FileNotFoundError:
            if not path.exists():  # else another process has written it, and tidied up
                raise
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            raise DatasetError(
                f"{self._root} is on a file system without hard links, which files that are never"
                " replaced need; use another folder or object storage"
            ) from error
