"""Writes a ZIP of stored images, all at once or entry by entry, to the same bytes."""

import zipfile
from collections.abc import Iterable

ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that the format knows


class Archive:
    """A ZIP whose bytes are handed out as they come to be; entries are `000.png`, `001.png` …"""

    def __init__(self) -> None:
        self._window = Window()
        self._zip = zipfile.ZipFile(self._window, "w", zipfile.ZIP_STORED)
        self._entries = 0

    def add(self, images: Iterable[bytes]) -> bytes:
        """Append images; returns the bytes that they add."""
        for image in images:
            self._write(f"{self._entries:03}.png", image)
        return self._window.take()

    def add_file(self, name: str, data: bytes) -> bytes:
        """Append a file under a name of its own; returns the bytes that it adds."""
        self._write(name, data)
        return self._window.take()

    def end(self) -> bytes:
        """The directory, without which the ZIP cannot be read."""
        self._zip.close()
        return self._window.take()

    def _write(self, name: str, data: bytes) -> None:
        self._zip.writestr(zipfile.ZipInfo(name, ZIP_DATE), data)
        self._entries += 1


class Window:
    """The end of a file whose beginning was taken away; positions are those in the whole file.

    `zipfile` goes back only within the entry that it is writing, to fill in its size. No BytesIO,
    for those close on their own when an unfinished archive is given up, and `zipfile` complains.
    """

    def __init__(self) -> None:
        self._start = 0  # in the whole file, of what is not taken yet
        self._data = bytearray()
        self._place = 0  # in the data

    def take(self) -> bytes:
        """Take everything that was written and not yet taken."""
        data = bytes(self._data)
        self._start += len(data)
        self._place -= len(data)
        self._data.clear()
        return data

    def tell(self) -> int:
        """The position in the whole file."""
        return self._start + self._place

    def seek(self, position: int) -> int:
        """Go to a position in the whole file, which must not be taken yet."""
        self._place = position - self._start
        return position

    def write(self, data: bytes) -> int:
        """Write at the position."""
        self._data[self._place : self._place + len(data)] = data
        self._place += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is held open."""
