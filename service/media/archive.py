"""Writes ZIP archives of files, incrementally. The bytes do not depend on the increments."""

import zipfile
from collections.abc import Iterable

ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest date of the format, for reproducible bytes


class Archive:
    """A ZIP archive without compression. Its entries are `000.png`, `001.png` …

    suffix: of these names.
    """

    def __init__(self, suffix: str = ".png") -> None:
        self._suffix = suffix
        self._buffer = TailBuffer()
        self._zip = zipfile.ZipFile(self._buffer, "w", zipfile.ZIP_STORED)
        self._entries = 0

    def add(self, files: Iterable[bytes]) -> bytes:
        """Append numbered files; returns the bytes that they add."""
        for data in files:
            self._write(f"{self._entries:03}{self._suffix}", data)
        return self._buffer.take()

    def add_file(self, name: str, data: bytes) -> bytes:
        """Append a file under a name of its own; returns the bytes that it adds."""
        self._write(name, data)
        return self._buffer.take()

    def end(self) -> bytes:
        """Finish the archive; returns the directory at its end."""
        self._zip.close()
        return self._buffer.take()

    def _write(self, name: str, data: bytes) -> None:
        self._zip.writestr(zipfile.ZipInfo(name, ZIP_DATE), data)
        self._entries += 1


class TailBuffer:
    """A writable file that forgets what was taken. Positions are those in the whole file.

    `zipfile` seeks only within the entry that it is writing, to fill in its size. BytesIO does not
    work: it is closed before an abandoned `zipfile`, which then warns.
    """

    def __init__(self) -> None:
        self._start = 0  # position of the data in the whole file
        self._data = bytearray()
        self._offset = 0  # in the data

    def take(self) -> bytes:
        """Return the bytes written since the last call, and forget them."""
        data = bytes(self._data)
        self._start += len(data)
        self._offset -= len(data)
        self._data.clear()
        return data

    def tell(self) -> int:
        """Return the position in the whole file."""
        return self._start + self._offset

    def seek(self, position: int) -> int:
        """Set the position in the whole file. It must not be before the data taken."""
        self._offset = position - self._start
        return position

    def write(self, data: bytes) -> int:
        """Write at the position."""
        self._data[self._offset : self._offset + len(data)] = data
        self._offset += len(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
