"""uvicorn's HTTP protocol, which sends the head and the body of an answer as one piece, and answers
the requests that the service exists for without its application.

Each answer is one system call, and a process that is killed has sent all of it or nothing:
a proxy may then ask another.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, cast

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from mirage.service.express import Express
from mirage.service.heads import Head
from mirage.service.outbox import Outbox

UNREAD_S = 2.0  # for what a client goes on sending after its answer


class JoiningTransport:
    """Holds a write back until the next one, or until all in an outbox is sent.

    Everything else is the transport's own. `unread` tells whether the client is still sending.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        outbox: Outbox,
        unread: Callable[[], bool] | None = None,
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._outbox = outbox
        self._unread = unread or _nothing
        self._ended = False
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Join what is held with this and send both; hold it when nothing is."""
        if self._held:
            self._transport.write(self._take() + data)
        else:
            self.writelines((data,))

    def writelines(self, pieces: Iterable[bytes]) -> None:
        """Hold a whole answer, behind what is held."""
        if self._ended:
            return
        first = not self._held
        self._held = b"".join((self._held, *pieces))
        if first:
            self._outbox.add(self._flush)

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

    def lose_client(self) -> None:
        """Note that nobody is sending any more."""
        self._unread = _nothing

    def _flush(self) -> None:
        if self._held:
            self._transport.write(self._take())

    def _take(self) -> bytes:
        held, self._held = self._held, b""
        return held


def _nothing() -> bool:
    return False


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol on a `JoiningTransport`, with an express way past the application.

    On that way it reads a whole request whose head it knows without the parser. `dropped` is called
    when the connection has ended.
    """

    def __init__(
        self,
        *arguments: Any,
        express: Express,
        dropped: Callable[[], object] = lambda: None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._express = express
        self._dropped = dropped
        self._answering: asyncio.Task[None] | None = None
        self._messages = 0  # that the parser has begun with
        self._between = True  # two of them
        self._head: Head | None = None  # of the last one on the express way
        self._idle_since: float | None = None  # by the event loop's clock

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin with a new connection."""
        joining = JoiningTransport(transport, self.loop, self._express.outbox, self._is_unread)
        super().connection_made(cast(asyncio.Transport, joining))

    def connection_lost(self, exc: Exception | None) -> None:
        """End what the client waited for, and let go of what holds this object in turn.

        So it is freed at once; what waits for a look for cycles is much, of thousands of clients.
        """
        super().connection_lost(exc)
        self._dropped()
        self.cycle = cast(Any, None)
        cast(JoiningTransport, self.transport).lose_client()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        if self._answering is not None:
            self._answering.cancel()

    def data_received(self, data: bytes) -> None:
        """Begin with a request of a known head at once; leave all else to the parser."""
        if not self._is_idle():
            super().data_received(data)
        elif self._express.is_open and (found := self._express.heads.find(data)):
            self._unset_keepalive_if_required()
            head, stop = found
            if not self._refuse(head):
                self._begin(head, data[stop:])
        else:
            self._parse_and_learn(data)

    def on_message_begin(self) -> None:
        """Note that the parser is within a request."""
        self._messages += 1
        self._between = False
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """Note that the parser is between two requests."""
        self._between = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on after an answer, as uvicorn does, but for a timer of its own for each."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_later(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """End a connection on which nothing has come for so long; look again later at others."""
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return
        left_s = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self._look_later(left_s)
        else:
            super().timeout_keep_alive_handler()

    def _unset_keepalive_if_required(self) -> None:
        """Note that something comes; the timer stays, for it mostly would be set again at once."""
        self._idle_since = None

    def _look_later(self, left_s: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(left_s, self.timeout_keep_alive_handler)

    def _is_unread(self) -> bool:
        return self.cycle is not None and self.cycle.more_body

    def _is_idle(self) -> bool:
        """Whether what comes now is the start of a request, and nothing is before it."""
        last = self.cycle
        return self._between and (last is None or (last.response_complete and last.keep_alive))

    def _parse_and_learn(self, data: bytes) -> None:
        """Remember the head of data if it is all of one request on the express way."""
        before, self._head = self._messages, None
        super().data_received(data)
        only = self._between and self._messages == before + 1
        if only and self._head is not None and self.cycle.keep_alive:
            self._express.heads.learn(data, self._head, len(self.cycle.body))

    def _refuse(self, head: Head) -> bool:
        """Answer at once that it is to come again later, if too many wait."""
        if self.flow.write_paused:
            return False
        lines = self.server_state.default_headers
        refusal = self._express.refusal(head, self.client, lines)
        if refusal is None:
            return False
        self.transport.writelines(refusal)
        self.on_response_complete()
        return True

    def _begin(self, head: Head, body: bytes) -> None:
        """Begin with a request as the parser's callbacks would."""
        self.cycle = cycle = RequestResponseCycle(
            scope=cast(Any, {**head.scope, "server": self.server, "client": self.client}),
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=True,
            on_response=self.on_response_complete,
        )
        cycle.body += body
        cycle.more_body = False
        cycle.message_event.set()
        self._express.enter(cycle, head, self._start)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Begin with a request; they come one after the other, whatever is sent ahead."""
        if not self._express.takes(cast(Any, cycle.scope)):
            super()._start_asgi_task(cycle, app)
            return
        self._head = head = Head.of(cycle.scope)
        self._express.enter_if_room(cycle, head, self._start)

    def _start(self, answer: Coroutine[Any, Any, None]) -> None:
        self._answering = task = self.loop.create_task(answer)
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)
