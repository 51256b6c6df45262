"""The parts of a connection that do not depend on HTTP: its timeouts and its writes."""

import asyncio
import math
import socket
from collections.abc import Callable
from typing import Any

LINGER_S = 2.0  # time for a client that is still sending to read the last answer
SLOWEST_BYTES_S = 64 * 1024  # of a large answer; a slower reader is disconnected


class ConnectionTimer:
    """A deadline for what a client sends and one for what it reads, on one timer of the event loop.

    `expire_reading` and `expire_writing` are called when they pass. Extending a deadline is cheap,
    because it happens with each request: the timer stays and is set again when it fires.
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
        """Give the client this long to send what is expected; infinity removes the deadline."""
        self._read_deadline = self._loop.time() + seconds
        self._watch(self._read_deadline)

    def allow_writing(self, seconds: float) -> None:
        """Give the client this long to read what was written; infinity removes the deadline."""
        self._write_deadline = self._loop.time() + seconds
        self._watch(self._write_deadline)

    def cancel(self) -> None:
        """Remove both deadlines."""
        self._read_deadline = self._write_deadline = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self, deadline: float) -> None:
        """Check the deadlines at this time, unless a timer is set for an earlier one."""
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
    """A transport that joins the writes of one iteration of the event loop.

    A head and a body are then one packet, and the answers of a batch leave together. `is_sending`
    returns whether the client has not sent all of its request; a client that does not read is
    disconnected after `write_timeout_s`.
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
        """Write data, except the part that `send_ahead` has sent."""
        if self._already_sent:
            data, self._already_sent = data[self._already_sent :], 0
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)

    def flush(self) -> None:
        """Write the data that is held, unless the connection has been lost since."""
        held, self._held = self._held, []
        if held and not self._transport.is_closing():
            self._transport.writelines(held)

    def send_ahead(self, data: bytes) -> None:
        """Send the beginning of the next write before the rest of it is known."""
        self.flush()
        self._transport.write(data)
        self._already_sent = len(data)

    def is_closing(self) -> bool:
        """Whether no more answers can be written."""
        return self._is_lingering or self._transport.is_closing()

    def is_reset(self) -> bool:
        """Whether the client has reset the connection."""
        connection = self._transport.get_extra_info("socket")
        return bool(connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def allow_writing(self) -> None:
        """Give the client time to read the bytes that are not sent yet: longer for more."""
        size = self._transport.get_write_buffer_size()
        self._timer.allow_writing(self._write_timeout_s + size / SLOWEST_BYTES_S)

    def close(self) -> None:
        """Close the connection when everything is sent.

        The kernel resets a connection that is closed with unread bytes, and the answer is lost. So
        for a client that is still sending, only this side is closed, and the rest after LINGER_S.
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
