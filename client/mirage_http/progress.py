"""A progress bar on one line of a terminal."""

import time
from collections.abc import Callable
from typing import TextIO

BAR = 24  # characters
REFRESH_S = 0.1


class Progress:
    """Shows progress, rate and remaining time; silent if the stream is not a terminal.

    `rate` is off for work of very different sizes.
    """

    def __init__(
        self, stream: TextIO, clock: Callable[[], float] = time.monotonic, *, rate: bool = True
    ) -> None:
        self._rate = rate
        self._stream = stream
        self._shown = stream.isatty()
        self._clock = clock

    def begin(self, total: int, done: int) -> None:
        """Start with `done` of `total` images."""
        self._total, self._done, self._old = total, done, done
        self._started = self._refreshed = self._clock()
        self._show()

    def advance(self) -> None:
        """Count one more image."""
        self._done += 1
        if self._clock() - self._refreshed >= REFRESH_S:
            self._show()

    def end(self) -> None:
        """Show the final state and end the line."""
        self._show()
        if self._shown:
            self._stream.write("\n")

    def _show(self) -> None:
        self._refreshed = self._clock()
        if self._shown:
            self._stream.write(f"\r{self._line()}\x1b[K")
            self._stream.flush()

    def _line(self) -> str:
        filled = BAR * self._done // self._total
        line = f"[{'#' * filled:·<{BAR}}] {self._done:,}/{self._total:,}"
        elapsed_s = self._clock() - self._started
        new = self._done - self._old
        if not new or not elapsed_s:
            return line
        left_s = round((self._total - self._done) * elapsed_s / new)
        rate = f"  {new / elapsed_s:,.0f} images/s" if self._rate else ""
        return f"{line}{rate}  {left_s // 60}:{left_s % 60:02} left"
