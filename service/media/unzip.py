"""Reads ZIP archives that clients send. They may be malicious.

The directory is bounded before Python's `zipfile` creates an object for each entry, and no entry is
decompressed beyond the size that the directory states.
"""

import io
import itertools
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath

from mirage.service.errors import BodyTooLarge, InvalidValue, LimitExceeded, Malformed

END_BYTES = 22  # size of the end record of an archive without a comment
END = b"PK\x05\x06"
ZIP64 = b"PK\x06\x07"
ENTRY_BYTES = 2**10  # most bytes of the directory per entry: names and extra fields
MAX_NAME = 200  # characters
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
BROKEN = (
    *(zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError),
    ValueError,
)


class Unzip:
    """The files of an archive, read on demand. Close it after use.

    Raises Malformed for other data, LimitExceeded for more than `most_entries`, BodyTooLarge if the
    files exceed `most_bytes` when decompressed, and InvalidValue if there are none.
    """

    def __init__(self, data: bytes, most_entries: int, most_bytes: int) -> None:
        _check_list(data, most_entries)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except BROKEN as error:
            raise Malformed(f"the body is no ZIP that can be read: {error}"[:200]) from None
        self._entries = [entry for entry in self._zip.infolist() if not entry.is_dir()]
        if len(self._entries) > most_entries:
            raise _too_many(len(self._entries), most_entries)
        if not self._entries:
            raise InvalidValue.of("picture", "the ZIP holds no file; pictures are needed")
        total = sum(entry.file_size for entry in self._entries)
        if total > most_bytes:
            raise BodyTooLarge(
                f"the files of the ZIP have {total} bytes in all; at most {most_bytes} are allowed"
            )

    def __len__(self) -> int:
        return len(self._entries)

    def names(self) -> Iterator[str]:
        """Yield the names of the entries in order."""
        return (entry.filename for entry in self._entries)

    def read(self, number: int) -> bytes:
        """Decompress an entry. Raises Malformed."""
        entry = self._entries[number]
        if entry.compress_type not in METHODS:
            raise Malformed(
                f"the entry is compressed by method {entry.compress_type}; stored and deflated are"
                " allowed"
            )
        try:
            with self._zip.open(entry) as file:
                return file.read(entry.file_size)
        except BROKEN as error:
            raise Malformed(f"the entry cannot be read: {error}"[:200]) from None

    def close(self) -> None:
        """Free the memory."""
        self._zip.close()


def check_name(name: str) -> str:
    """Return the name of an entry. Raises InvalidValue for names that are unsafe in an archive."""
    parts = name.split("/")
    if (
        not 0 < len(name) <= MAX_NAME
        or not name.isprintable()
        or "\\" in name
        or ":" in name
        or not {"", ".", ".."}.isdisjoint(parts)
    ):
        raise InvalidValue.of(
            "picture",
            f"the entry is named {name!r:.100}; up to {MAX_NAME} printable characters are allowed,"
            " without backslashes, colons, and parts that are empty, . or ..",
        )
    return name


def enlarged_name(name: str, taken: set[str]) -> str:
    """Return an unused name for the PNG of an entry: its suffix is replaced or appended, or a
    number is.
    """
    first = str(PurePosixPath(name).with_suffix(".png")), f"{name}.png"
    numbered = (f"{name}.{number}.png" for number in itertools.count(2))
    return next(renamed for renamed in itertools.chain(first, numbered) if renamed not in taken)


def _check_list(data: bytes, most_entries: int) -> None:
    end = data[-END_BYTES:]
    if not end.startswith(END) or data[-END_BYTES - 20 :].startswith(ZIP64):
        raise Malformed(
            "the body is no whole ZIP, or has a comment, or more than 65,535 entries or 4 GiB; pack"
            " it anew"
        )
    count = int.from_bytes(end[10:12], "little")
    size_bytes = int.from_bytes(end[12:16], "little")
    if count > 2 * most_entries:  # half of them may be folders
        raise _too_many(count, most_entries)
    if size_bytes > most_entries * ENTRY_BYTES:
        raise LimitExceeded.of(
            "picture",
            f"the list of the ZIP has {size_bytes} bytes; at most {ENTRY_BYTES} for each of"
            f" {most_entries} files are allowed",
        )


def _too_many(count: int, most: int) -> LimitExceeded:
    message = f"the ZIP has {count} entries; at most {most} files are allowed"
    return LimitExceeded.of("picture", message)
