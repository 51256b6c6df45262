"""Accepts connections from a listener that workers share, and balances them among workers."""

import asyncio
import errno
import functools
import logging
import resource
import socket
import time
from collections import deque
from collections.abc import Callable

from mirage.service.sharing.counters import SharedCounters

log = logging.getLogger(__name__)

AT_ONCE = 16  # connections that are accepted before anything else on the event loop runs
# How long a worker with more connections than others leaves new ones to them. It is short because
# the workers take turns in a burst; without waiting connections it costs nothing.
PAUSE_S = 0.001
# Up to 8 connections closed within the last 0.1 s are subtracted from a worker's count. Otherwise,
# workers would wait for each other when clients open a connection for each request.
SHORT_LIVED, LATELY_S = 8, 0.1
# A worker may have 1/32 (3 %) more connections than another, so that it accepts many of a burst at
# once instead of taking turns for each.
LEEWAY = 32
EXHAUSTED_S = 0.5  # wait before the next attempt after the system ran out of file descriptors
WARN_EVERY_S = 10.0
RESERVED_FILES = 64  # descriptors of a process beside its connections; about 30 were seen in use
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
SHUT_DOWN = {errno.EINVAL, errno.EBADF}  # errors of accept on a listener that was shut down

MakeProtocol = Callable[[Callable[[], None]], asyncio.Protocol]
"""Makes the protocol of one connection, which calls its argument when the connection has ended."""


class Acceptor:
    """Accepts connections up to a limit, while no other worker has clearly fewer.

    Other connections stay in the listener's backlog, for another worker or for later. Create and
    use it on the event loop. It closes the listener.
    """

    def __init__(
        self,
        listener: socket.socket,
        counters: SharedCounters,
        limit: int,
        make_protocol: MakeProtocol,
    ) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._counters = counters
        self._limit = limit
        self._make_protocol = make_protocol
        self._loop = asyncio.get_running_loop()
        self._open: set[object] = set()  # connections
        self._ended: deque[float] = deque(maxlen=SHORT_LIVED)  # when connections did
        self._connecting: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._started = self._closed = self._reading = False
        self._warned_at = -WARN_EVERY_S

    def start(self) -> None:
        """Start accepting; the listener must be listening."""
        if not self._started:
            self._started = True
            self._resume()

    def close(self) -> None:
        """Stop accepting."""
        self._closed = True
        self._stop_reading()
        self._listener.close()

    def _accept(self) -> None:
        """Accept waiting connections, as long as this worker has the fewest."""
        for _ in range(AT_ONCE):
            if len(self._open) >= self._limit:
                self._stop_reading()  # until a connection ends
                self._warn("new connections wait: %d are open, the most allowed", self._limit)
                return
            if not self._counters.has_fewest(self._ended_lately() + len(self._open) // LEEWAY):
                self._pause_for(PAUSE_S, accepting=True)
                return
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._handle(error)
                return
            self._add(connection)

    def _handle(self, error: OSError) -> None:
        """Pause after an error of accept; open connections are not affected."""
        if error.errno in SHUT_DOWN:
            self.close()
            return
        reason = error.strerror if error.errno in EXHAUSTED else repr(error)
        self._warn("new connections wait, %d are open: %s", len(self._open), reason)
        self._pause_for(EXHAUSTED_S, accepting=False)

    def _add(self, connection: socket.socket) -> None:
        token = object()
        self._open.add(token)
        self._counters.set_connections(len(self._open))
        task = self._loop.create_task(self._connect(connection, token))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, connection: socket.socket, token: object) -> None:
        drop = functools.partial(self._drop, token)
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(lambda: self._make_protocol(drop), connection)
        except OSError as error:  # the client has already disconnected
            log.debug("connection failed: %s", error)
            connection.close()
            drop()

    def _drop(self, token: object) -> None:
        """Note that a connection has ended, and accept again if the limit had been reached."""
        self._open.discard(token)
        self._ended.append(self._loop.time())
        self._counters.set_connections(len(self._open))
        if self._started and not self._closed and not self._reading:
            self._resume()

    def _ended_lately(self) -> int:
        since = self._loop.time() - LATELY_S
        return sum(ended > since for ended in self._ended)

    def _pause_for(self, seconds: float, accepting: bool) -> None:
        self._stop_reading()
        self._counters.set_accepting(accepting)
        self._pause = self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if not self._closed:
            self._reading = True
            self._counters.set_accepting(True)
            self._loop.add_reader(self._listener.fileno(), self._accept)

    def _stop_reading(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._listener.fileno())
        self._counters.set_accepting(False)

    def _warn(self, message: str, *arguments: object) -> None:
        """Log why connections wait, at most every WARN_EVERY_S seconds."""
        now = time.monotonic()
        if now - self._warned_at >= WARN_EVERY_S:
            self._warned_at = now
            log.warning(message, *arguments)


def connection_limit(wanted: int) -> int:
    """The wanted number of connections, capped by the limit on open files of the process."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, files - RESERVED_FILES))
