"""A log handler that writes the lines of one iteration of the event loop together.

Formatting and writing each line on its own takes twice the CPU time.
"""

import asyncio
import logging
from typing import TextIO

MAX_LINES = 64  # kept before they are written


class JoinedLines(logging.StreamHandler[TextIO]):
    """Keeps records until the next iteration of the event loop, then writes them together.

    Warnings and errors, records logged outside an event loop, and the last of MAX_LINES are written
    at once, after those that are kept. The handler is thread-safe.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._kept: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record, or write it with the kept ones."""
        self._kept.append(record)
        if record.levelno >= logging.WARNING or len(self._kept) >= MAX_LINES:
            self.flush()
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
        else:
            if len(self._kept) == 1:
                loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write the kept records."""
        self.acquire()
        try:
            kept, self._kept = self._kept, []
            if kept:
                self.stream.write("".join(map(self._line, kept)))
            super().flush()
        finally:
            self.release()

    def _line(self, record: logging.LogRecord) -> str:
        try:
            return self.format(record) + self.terminator
        except Exception:  # as in the handlers of logging: a bad record does not affect others
            self.handleError(record)
            return ""
