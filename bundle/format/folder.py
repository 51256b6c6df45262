"""Reading files of an untrusted folder: no links, only regular files, bounded sizes."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mirage.bundle.errors import BundleError
from mirage.bundle.format.manifest import FileEntry

CHUNK_BYTES = 2**20
Signature = tuple[int, ...]  # of a file: changes when its content changes


@dataclass(frozen=True)
class Folder:
    """An open folder; replacing it on disk does not affect later reads."""

    path: Path
    descriptor: int

    def names(self) -> list[str]:
        """The sorted names of all entries, except those that begin with `.`."""
        return sorted(name for name in os.listdir(self.descriptor) if not name.startswith("."))

    def read(self, name: str, limit_bytes: int) -> bytes:
        """Read a regular file of at most `limit_bytes`; raises BundleError `file_…`."""
        with self._open(name, limit_bytes) as file:
            return _read_at_most(file, name, limit_bytes)

    def signature(self, name: str) -> Signature:
        """Identity, size and times of a file, to detect changes; empty if it does not exist."""
        try:
            status = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except OSError:
            return ()
        return (
            *(status.st_dev, status.st_ino, status.st_size),
            *(status.st_mtime_ns, status.st_ctime_ns),
        )

    def scan(self, name: str, entry: FileEntry, limit_bytes: int, keep_bytes: int) -> bytes:
        """Verify a file against its entry and return its first `keep_bytes`, in one pass.

        Raises BundleError `file_…` if it is a link, missing, or has another size or hash.
        """
        with self._open(name, limit_bytes) as file:
            size = os.fstat(file.fileno()).st_size
            if size != entry.size_bytes:
                raise BundleError(
                    "file_size",
                    f"{name} has {size} bytes; the manifest says {entry.size_bytes}",
                )
            return _checked_start(file, name, entry, keep_bytes)

    @contextmanager
    def _open(self, name: str, limit_bytes: int) -> Iterator[BinaryIO]:
        # O_NONBLOCK: opening a named pipe must not block.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags, dir_fd=self.descriptor)
            with open(descriptor, "rb", buffering=0) as file:
                _check_plain(os.fstat(descriptor), name, limit_bytes)
                yield file
        except OSError as error:
            raise self._refusal(name, error) from None

    def _refusal(self, name: str, error: OSError) -> BundleError:
        if error.errno == errno.ENOENT:
            return BundleError("file_missing", f"{name} is missing in {self.path}")
        if error.errno == errno.ELOOP:
            return BundleError("file_link", f"{name} is a symbolic link; bundles hold plain files")
        return BundleError("file_unreadable", f"{name} cannot be read: {error.strerror}")


@contextmanager
def open_folder(path: Path) -> Iterator[Folder]:
    """Open a folder; raises BundleError `not_found`, or `file_link` if it is a symbolic link."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if path.is_symlink():
            raise BundleError("file_link", f"{path} is a symbolic link") from None
        raise BundleError("not_found", f"{path} cannot be opened: {error.strerror}") from None
    try:
        yield Folder(path, descriptor)
    finally:
        os.close(descriptor)


def _check_plain(status: os.stat_result, name: str, limit_bytes: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise BundleError("file_unreadable", f"{name} is no plain file")
    if status.st_nlink != 1:
        raise BundleError(
            "file_link",
            f"{name} is a hard link ({status.st_nlink} names for one file); copy the bundle",
        )
    if status.st_size > limit_bytes:
        raise BundleError(
            "file_too_large", f"{name} has {status.st_size} bytes; at most {limit_bytes} are read"
        )


def _read_at_most(file: BinaryIO, name: str, limit_bytes: int) -> bytes:
    contents = bytearray()
    while chunk := file.read(CHUNK_BYTES):
        contents += chunk
        if len(contents) > limit_bytes:  # the file grew after its size was checked
            raise BundleError("file_too_large", f"{name} has more than {limit_bytes} bytes")
    return bytes(contents)


def _checked_start(file: BinaryIO, name: str, entry: FileEntry, keep_bytes: int) -> bytes:
    digest, kept, left = hashlib.sha256(), [], entry.size_bytes
    while left and (chunk := file.read(min(max(CHUNK_BYTES, keep_bytes), left))):
        digest.update(chunk)
        kept.append(chunk[:keep_bytes])  # a full slice of bytes is not copied
        keep_bytes -= len(kept[-1])
        left -= len(chunk)
    if digest.hexdigest() != entry.sha256:
        raise BundleError(
            "file_hash",
            f"{name} has sha256 {digest.hexdigest()}; the manifest says {entry.sha256}",
        )
    return b"".join(kept)
