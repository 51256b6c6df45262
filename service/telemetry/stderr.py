"""A standard error that never blocks.

It may be a pipe that is not read. Once the pipe is full, an ordinary write blocks forever.
"""

import io
import os
import select
import stat
import sys
from contextlib import suppress
from typing import Any


class UnblockedStderr(io.RawIOBase):
    """Writes the lines that a descriptor accepts without blocking, and drops the others.

    `dropped` counts the dropped lines. With `may_wait`, each write is preceded by a check for
    room; regular files need none.
    """

    def __init__(self, descriptor: int, *, may_wait: bool = True) -> None:
        self._descriptor = descriptor
        self._may_wait = may_wait
        self._rest = b""  # of a line of which only a part fitted
        self.dropped = 0

    def writable(self) -> bool:
        """Always true."""
        return True

    def fileno(self) -> int:
        """The file descriptor."""
        return self._descriptor

    def write(self, data: Any, /) -> int:
        """Write lines, or count them as dropped. Never raises and never blocks."""
        lines = bytes(data)
        self._rest = self._send(self._rest)
        if self._rest or len(rest := self._send(lines)) == len(lines):
            self.dropped += lines.count(b"\n")
        else:
            self._rest = rest
        return len(lines)

    def _send(self, data: bytes) -> bytes:
        """Write data, and return the part that did not fit."""
        with suppress(OSError):  # full, or there is no reader any more
            while data and not self._may_wait:
                data = data[os.write(self._descriptor, data) :]
            while data and self._has_room():
                data = data[os.write(self._descriptor, data[: _whole_lines(data)]) :]
        return data

    def _has_room(self) -> bool:
        return bool(select.select([], [self._descriptor], [], 0)[1])


def _whole_lines(data: bytes) -> int:
    """Return the number of bytes that a pipe writes atomically, ending with a line if possible.

    Otherwise other processes could write into the middle of a line.
    """
    return data.rfind(b"\n", 0, select.PIPE_BUF) + 1 or select.PIPE_BUF


def unblock_stderr() -> None:
    """Make standard error non-blocking in this process and in those that it forks."""
    reopen_unblocked(2)
    stream = UnblockedStderr(2, may_wait=not stat.S_ISREG(os.fstat(2).st_mode))
    sys.stderr = io.TextIOWrapper(stream, "utf-8", errors="backslashreplace", write_through=True)


def reopen_unblocked(descriptor: int) -> None:
    """Reopen a pipe or terminal so that writes fail when it is full, including those of C code.

    It is reopened so that other processes with the same end are not affected. Descriptors that
    cannot be reopened, such as sockets or pipes of other users, stay as they are; for these,
    `UnblockedStderr` checks for room before it writes.
    """
    if not (stat.S_ISFIFO(os.fstat(descriptor).st_mode) or os.isatty(descriptor)):
        return
    with suppress(OSError):
        own = os.open(f"/dev/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        os.dup2(own, descriptor)
        os.close(own)


def lines_unwritten() -> int:
    """Return the number of lines that standard error dropped."""
    stream = getattr(sys.stderr, "buffer", None)
    return stream.dropped if isinstance(stream, UnblockedStderr) else 0
