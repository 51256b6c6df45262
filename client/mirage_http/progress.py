"""A progress bar on one line of a terminal, or lines of a log."""

import time
from collections.abc import Callable
from typing import TextIO

BAR = 24  # characters
REFRESH_S = 0.1  # on a terminal
LINE_S = 15.0  # seconds between two lines of a log


class Progress:
    """Shows progress, rate and remaining time.

    If the stream is not a terminal, it writes a line every 15 seconds.
    `rate` is off for work of very different sizes.
    """

    def __init__(
        self, stream: TextIO, clock: Callable[[], float] = time.monotonic, *, rate: bool = True
    ) -> None:
        self._rate = rate
        self._stream = stream
        self._on_terminal = stream.isatty()
        self._clock = clock

    def begin(self, total: int, done: int) -> None:
        """Start with `done` of `total` images."""
        self._total, self._done, self._old = total, done, done
        self._started = self._refreshed = self._clock()
        if self._on_terminal:
            self._show()

    def advance(self, images: int = 1) -> None:
        """Count more images."""
        self._done += images
        if self._clock() - self._refreshed >= (REFRESH_S if self._on_terminal else LINE_S):
            self._show()

    def skip(self, images: int) -> None:
        """Count images that exist already, which the rate leaves out."""
        self._old += images
        self.advance(images)

    def end(self) -> None:
        """Show the final state and end the line."""
        if self._on_terminal:
            self._show()
            self._stream.write("\n")

    def _show(self) -> None:
        self._refreshed = self._clock()
        bar = f"[{'#' * (BAR * self._done // self._total):·<{BAR}}]"
        counts = self._counts()
        self._stream.write(f"\r{bar} {counts}\x1b[K" if self._on_terminal else f"{counts}\n")
        self._stream.flush()

    def _counts(self) -> str:
        line = f"{self._done:,}/{self._total:,}"
        elapsed_s = self._clock() - self._started
        new = self._done - self._old
        if not new or not elapsed_s:
            return line
        left_s = round((self._total - self._done) * elapsed_s / new)
        rate = f"  {new / elapsed_s:,.0f} images/s" if self._rate else ""
        return f"{line}{rate}  {left_s // 60}:{left_s % 60:02} left"
