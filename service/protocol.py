"""uvicorn's HTTP protocol, which sends the head and the body of an answer as one piece, and answers
the requests that the service exists for without its application.

Each answer is one system call, and a process that is killed has sent all of it or nothing:
a proxy may then ask another.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.express import Express

UNREAD_S = 2.0  # for what a client goes on sending after its answer


class JoiningTransport:
    """Holds a write back until the next one, or until the event loop is free again.

    Everything else is the transport's own. `unread` tells whether the client is still sending.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        unread: Callable[[], bool] = lambda: False,
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._unread = unread
        self._ended = False
        self._held = b""
        self._flushing: asyncio.Handle | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Join what is held with this and send both; hold it when nothing is."""
        if self._ended:
            return
        if self._held:
            self._transport.write(self._take() + data)
        else:
            self._held = data
            self._flushing = self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Send what is held before the end.

        To a client that is still sending, a close would be a reset, by which it loses the answer:
        it is told that nothing more comes, and has a while to read that.
        """
        self._flush()
        if not self._unread() or self._transport.is_closing():
            self._transport.close()
        elif not self._ended:
            self._ended = True
            self._transport.write_eof()
            self._loop.call_later(UNREAD_S, self._transport.close)

    def _flush(self) -> None:
        if self._held:
            self._transport.write(self._take())

    def _take(self) -> bytes:
        held, self._held = self._held, b""
        if self._flushing is not None:
            self._flushing.cancel()
        return held


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol on a `JoiningTransport`, with an express way past the application."""

    def __init__(self, *arguments: Any, express: Express, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._express = express
        self._answering: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin with a new connection."""
        joining = JoiningTransport(transport, self.loop, self._is_unread)
        super().connection_made(cast(asyncio.Transport, joining))

    def connection_lost(self, exc: Exception | None) -> None:
        """End what the client waited for."""
        super().connection_lost(exc)
        if self._answering is not None:
            self._answering.cancel()

    def _is_unread(self) -> bool:
        return self.cycle is not None and self.cycle.more_body

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Begin with a request; they come one after the other, whatever is sent ahead."""
        if not self._express.takes(cast(Any, cycle.scope)):
            super()._start_asgi_task(cycle, app)
            return
        self._answering = task = self.loop.create_task(self._express.answer(cycle))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)
