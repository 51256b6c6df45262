"""A standard error that never makes the process wait.

It may be a pipe that nobody reads: once that is full, an ordinary write blocks for ever.
"""

import io
import os
import select
import stat
import sys
from contextlib import suppress
from typing import Any


class UnblockedStderr(io.RawIOBase):
    """Writes to a descriptor what fits into it now, and drops the rest, line by line.

    `dropped` counts the lines that were not written. `may_wait`: a write could block, so it is
    asked for room before each; a regular file always has some.
    """

    def __init__(self, descriptor: int, *, may_wait: bool = True) -> None:
        self._descriptor = descriptor
        self._may_wait = may_wait
        self._rest = b""  # of a line of which only a part fitted
        self.dropped = 0

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def write(self, data: Any, /) -> int:
        """Write the bytes of lines, or count them as dropped; never raises and never waits."""
        lines = bytes(data)
        self._rest = self._send(self._rest)
        if self._rest or len(rest := self._send(lines)) == len(lines):
            self.dropped += lines.count(b"\n")
        else:
            self._rest = rest
        return len(lines)

    def _send(self, data: bytes) -> bytes:
        """Write; returns what did not fit."""
        with suppress(OSError):  # full, or there is no reader any more
            while data and not self._may_wait:
                data = data[os.write(self._descriptor, data) :]
            while data and self._has_room():
                data = data[os.write(self._descriptor, data[: _whole_lines(data)]) :]
        return data

    def _has_room(self) -> bool:
        return bool(select.select([], [self._descriptor], [], 0)[1])


def _whole_lines(data: bytes) -> int:
    """The bytes that a pipe takes at once, or not at all, if it has room: whole lines if possible.

    Otherwise other processes could write into the middle of a line.
    """
    return data.rfind(b"\n", 0, select.PIPE_BUF) + 1 or select.PIPE_BUF


def unblock_stderr() -> None:
    """Let nothing in this process, and in those that it forks, wait for standard error."""
    reopen_unblocked(2)
    stream = UnblockedStderr(2, may_wait=not stat.S_ISREG(os.fstat(2).st_mode))
    sys.stderr = io.TextIOWrapper(stream, "utf-8", errors="backslashreplace", write_through=True)


def reopen_unblocked(descriptor: int) -> None:
    """Make writes to a pipe or a terminal fail when it is full, for what runs in C as well.

    It is opened anew because others who hold the same end of it must not be affected. What cannot
    be opened again, such as a socket or a pipe of another user, stays as it is: `UnblockedStderr`
    looks whether there is room before it writes.
    """
    if not (stat.S_ISFIFO(os.fstat(descriptor).st_mode) or os.isatty(descriptor)):
        return
    with suppress(OSError):
        own = os.open(f"/dev/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        os.dup2(own, descriptor)
        os.close(own)


def lines_unwritten() -> int:
    """The lines that standard error has not taken."""
    stream = getattr(sys.stderr, "buffer", None)
    return stream.dropped if isinstance(stream, UnblockedStderr) else 0
