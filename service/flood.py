"""Keeps a log readable, and its disk, when lines of one kind come by the thousand."""

import asyncio
from collections.abc import Callable

LINES_S = 100  # lines a second


class Flood:
    """Takes the first lines of each second; `tell` is then told how many others there were.

    For one event loop.
    """

    def __init__(self, tell: Callable[[int], object]) -> None:
        self._tell = tell
        self._second: asyncio.TimerHandle | None = None
        self._room = 0
        self._others = 0

    def takes(self) -> bool:
        """Whether a line that comes now is to be written."""
        if self._second is None:
            self._room = LINES_S
            self._second = asyncio.get_running_loop().call_later(1, self._end)
        if self._room:
            self._room -= 1
            return True
        self._others += 1
        return False

    def _end(self) -> None:
        others, self._others, self._second = self._others, 0, None
        if others:
            self._tell(others)
