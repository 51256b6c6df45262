"""Follows the statistics of a run while another process writes them."""

import math
from pathlib import Path
from typing import Any, BinaryIO

from mirage.training.runs.run_dir import parse_stats

Line = dict[str, float]
MAX_LINE_BYTES = 1 << 16
"""A line has about 20 numbers, which is below 1 KiB."""
MAX_LINES = 50_000
MAX_NIMG = 2**53
"""Greater integers are not exact in JSON of browsers."""


class StatsTail:
    """The numbers of `stats.jsonl`; each call reads only what has been added since the last.

    A file that was replaced, as resuming does, is read again from its start. Incomplete lines, NULs
    and values that are not finite numbers are left out. Beyond `MAX_LINES`, every second line is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._restart()

    def read(self) -> list[Line]:
        """All lines so far; without a file there are none."""
        try:
            with self._path.open("rb") as file:
                self._follow(file)
        except OSError:
            self._restart()
        return self._lines

    def _restart(self) -> None:
        self._lines: list[Line] = []
        self._offset, self._last = 0, b""

    def _follow(self, file: BinaryIO) -> None:
        file.seek(self._offset - len(self._last))
        if file.read(len(self._last)) != self._last:
            self._restart()
            file.seek(0)
        while line := file.readline(MAX_LINE_BYTES):
            if not line.endswith(b"\n") and len(line) < MAX_LINE_BYTES:
                return  # still being written
            self._offset, self._last = self._offset + len(line), line
            self._take(line)

    def _take(self, text: bytes) -> None:
        found = parse_stats(text)
        if found is None or not 0 <= found["nimg"] <= MAX_NIMG:
            return
        self._lines.append({name: value for name, value in found.items() if _is_number(value)})
        if len(self._lines) > MAX_LINES:
            del self._lines[:-1:2]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) <= MAX_FLOAT and math.isfinite(value)


MAX_FLOAT = 1e300
"""Of a number that arithmetic keeps finite; JSON has integers of any size."""
