"""One tar file of samples, as WebDataset reads them, that a kill at any byte does not spoil.

Its bytes depend on the samples alone, on no time and no user. Until the last sample is there the
file is named `.part`.
"""

import mmap
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from mirage_client.errors import DatasetError

BLOCK = tarfile.BLOCKSIZE
NAME_FIELD, SIZE_FIELD = slice(0, 100), slice(124, 136)  # of a header; the size is octal


class Archive:
    """The tar file at `path` of the samples `span`, each a file for each of the `suffixes`."""

    def __init__(self, path: Path, span: range, suffixes: Sequence[str]) -> None:
        self._path = path
        self._part = part_of(path)
        self._span = span
        self._suffixes = suffixes
        self._whole, self._end = 0, 0  # samples that are there, and the bytes that they take
        self._file: BinaryIO | None = None

    def survey(self) -> range:
        """The samples that are not there; raises DatasetError for a file that is not ours."""
        if self._path.exists():
            self._survey_finished()
        elif self._part.exists():
            self._whole, self._end, _ = scan(self._part, self._span, self._suffixes)
            if self._whole == len(self._span):
                self._finish()
        return self._span[self._whole :]

    def add(self, contents: Sequence[bytes]) -> None:
        """Append the next sample: what its files hold. The last one finishes the archive."""
        names = sample_names(self._span[self._whole], self._suffixes)
        data = b"".join(map(pack_file, names, contents))
        self._opened().write(data)
        self._whole += 1
        self._end += len(data)
        if self._whole == len(self._span):
            self._finish()

    def close(self) -> None:
        """Close the file as it is."""
        if self._file:
            self._file.close()
            self._file = None

    def _survey_finished(self) -> None:
        self._whole, self._end, finished = scan(self._path, self._span, self._suffixes)
        if not finished:
            raise DatasetError(f"{self._path} is damaged, or holds more samples than are asked for")
        if self._whole < len(self._span):  # fewer were asked for when it was finished
            os.replace(self._path, self._part)

    def _opened(self) -> BinaryIO:
        """The file, ready for the next sample; what stands behind the last whole one is cut off."""
        if self._file is None:
            self._file = os.fdopen(os.open(self._part, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
            self._file.truncate(self._end)
            self._file.seek(self._end)
        return self._file

    def _finish(self) -> None:
        file = self._opened()
        file.write(ending(self._end))
        file.flush()
        os.fsync(file.fileno())
        self.close()
        os.replace(self._part, self._path)


def part_of(path: Path) -> Path:
    """The name of an archive that is not whole yet."""
    return path.with_name(f"{path.name}.part")


def sample_names(index: int, suffixes: Sequence[str]) -> list[str]:
    """The names of the files of a sample."""
    return [f"{index:06}{suffix}" for suffix in suffixes]


def pack_file(name: str, contents: bytes) -> bytes:
    """A file as a tar archive holds it: header, contents, zeros up to a whole block."""
    header = tarfile.TarInfo(name)
    header.size = len(contents)
    header.mode = 0o644
    return header.tobuf(tarfile.USTAR_FORMAT) + contents + bytes(-len(contents) % BLOCK)


def ending(size: int) -> bytes:
    """What ends an archive of `size` bytes: two empty blocks, and zeros up to a whole record."""
    return bytes(2 * BLOCK + -(size + 2 * BLOCK) % tarfile.RECORDSIZE)


def scan(path: Path, span: range, suffixes: Sequence[str]) -> tuple[int, int, bool]:
    """How many of the samples a file begins with, their bytes, and whether it ends behind them.

    Reads headers alone, so that a large file takes seconds.
    """
    if not path.stat().st_size:
        return 0, 0, False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        whole, end = 0, 0
        for index in span:
            behind = _sample_end(data, end, sample_names(index, suffixes))
            if behind is None:
                break
            whole, end = whole + 1, behind
        rest = ending(end)
        return whole, end, len(data) - end == len(rest) and data[end:] == rest


def _sample_end(data: mmap.mmap, start: int, names: Sequence[str]) -> int | None:
    """Where the sample ends that begins at `start`; None for another sample, or a torn one."""
    for name in names:
        header = data[start : start + BLOCK]
        size = header[SIZE_FIELD].rstrip(b"\0 ")
        if header[NAME_FIELD].rstrip(b"\0") != name.encode() or not size.isdigit():
            return None
        start += BLOCK + -(-int(size, 8) // BLOCK) * BLOCK
        if start > len(data):
            return None
    return start
