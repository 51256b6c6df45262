"""The two sides of a client's connection that need no HTTP: what is written to it, and its time."""

import asyncio
import math
import socket
from collections.abc import Callable
from typing import Any

LINGER_S = 2.0  # to read the last answer, for a client that is still sending
SLOWEST_BYTES_S = 64 * 1024  # of a large answer; a slower reader is disconnected


class ConnectionTimer:
    """A deadline for what a client sends and one for what it reads, on one timer of the event loop.

    `expire_reading` and `expire_writing` are called when they pass. Moving a deadline on costs
    next to nothing, as that happens with each request.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        expire_reading: Callable[[], None],
        expire_writing: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._expire_reading = expire_reading
        self._expire_writing = expire_writing
        self._read_deadline = self._write_deadline = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def allow_reading(self, seconds: float) -> None:
        """Allow the client so long to send what is expected; infinity ends the deadline."""
        self._read_deadline = self._loop.time() + seconds
        self._watch(self._read_deadline)

    def allow_writing(self, seconds: float) -> None:
        """Allow the client so long to read what is written; infinity ends the deadline."""
        self._write_deadline = self._loop.time() + seconds
        self._watch(self._write_deadline)

    def cancel(self) -> None:
        """End both deadlines."""
        self._read_deadline = self._write_deadline = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self, deadline: float) -> None:
        """Look at the deadlines at this moment, unless a timer is set for an earlier one."""
        if deadline == math.inf or (self._timer is not None and self._timer.when() <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        if now >= self._write_deadline:
            self._write_deadline = math.inf
            self._expire_writing()
        elif now >= self._read_deadline:
            self._read_deadline = math.inf
            self._expire_reading()
        self._watch(min(self._read_deadline, self._write_deadline))


class ClientTransport:
    """The transport that answers are written to; everything else is the event loop's own.

    It sends what is written in one iteration of the event loop at its end: so a head and a body are
    one packet, and the answers of a batch leave together. `is_sending` tells whether the client has
    still to send what it announced; `write_timeout_s` is how long one that does not read is waited
    for.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        timer: ConnectionTimer,
        is_sending: Callable[[], bool],
        write_timeout_s: float,
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._timer = timer
        self._is_sending = is_sending
        self._write_timeout_s = write_timeout_s
        self._already_sent = 0  # bytes of the next write
        self._held: list[bytes] = []  # until the end of this iteration of the event loop
        self._is_lingering = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write what `send_ahead` has not sent yet."""
        if self._already_sent:
            data, self._already_sent = data[self._already_sent :], 0
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)

    def flush(self) -> None:
        """Write what is held."""
        if self._held:
            held, self._held = self._held, []
            self._transport.writelines(held)

    def send_ahead(self, data: bytes) -> None:
        """Send the beginning of the next write before the rest of it is known."""
        self.flush()
        self._transport.write(data)
        self._already_sent = len(data)

    def is_closing(self) -> bool:
        """Whether nothing more can be answered."""
        return self._is_lingering or self._transport.is_closing()

    def is_reset(self) -> bool:
        """Whether the client has refused what was written, because it is not there any more."""
        connection = self._transport.get_extra_info("socket")
        return bool(connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def allow_writing(self) -> None:
        """Allow the client as long to read as the bytes that are not sent yet deserve."""
        size = self._transport.get_write_buffer_size()
        self._timer.allow_writing(self._write_timeout_s + size / SLOWEST_BYTES_S)

    def close(self) -> None:
        """Close the connection when all is sent.

        The kernel resets a connection that is closed with bytes unread, and the answer is lost: a
        client that is still sending is told the end, and gets a while to read the answer.
        """
        if self.is_closing():
            return
        self.flush()
        if self._is_sending():
            self._is_lingering = True
            self._transport.write_eof()
            self._timer.allow_writing(LINGER_S)
        else:
            self.allow_writing()
            self._transport.close()
