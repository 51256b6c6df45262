"""A log handler that writes the lines of one iteration of the event loop at once.

To format and write each by itself, between all else that a request needs, costs twice as much.
"""

import asyncio
import logging
from typing import TextIO

MOST = 64  # lines that are kept


class JoinedLines(logging.StreamHandler[TextIO]):
    """Keeps lines until the next iteration of the event loop, and then writes them at once.

    A warning or an error, a line that is logged outside of an event loop, and one too many to keep
    are written at once, behind those that are kept. Any thread may use it.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._kept: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record, or write it with those that are kept."""
        self._kept.append(record)
        if record.levelno >= logging.WARNING or len(self._kept) >= MOST:
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
        """Write what is kept."""
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
        except Exception:  # as logging's own handlers do: a bad line disturbs no others
            self.handleError(record)
            return ""
