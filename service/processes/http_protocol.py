"""One HTTP/1.1 connection: uvicorn's protocol with limits on sizes and times of requests.

uvicorn has no public settings for these limits, so this is the only file that uses its internal
classes; pyproject.toml pins the minor version that it is tested with.
"""

import asyncio
import functools
import math
from collections.abc import Callable
from typing import Any, cast

import httptools
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from mirage.service.errors import HeadTooLarge, Malformed, RequestTimeout, ServiceError
from mirage.service.processes.connection import ClientTransport, ConnectionTimer
from mirage.service.processes.request_head import check_head, unreadable
from mirage.service.settings import Settings
from mirage.service.telemetry.logging import LEFT

HEAD_BYTES = 64 * 1024  # of a head, and of the trailers of a chunked body
# Parsed at once. The parser cannot pause, so this bounds the pipelined requests that are kept.
PIECE_BYTES = 16 * 1024
PROBE_S = 0.25  # interval of the checks whether a half-closed client is still connected
BEGINNING = b"HTTP/1.1 "  # the first bytes of every answer
REFUSED = b"GET / HTTP/1.0\r\n\r\n"  # parsed in place of a malformed request

Refuse = Callable[[ServiceError], ASGIApp]  # returns an application that answers with the error


class HttpProtocol(HttpToolsProtocol):
    """Answers the requests of one connection, in order.

    `refuse` answers malformed requests; `dropped` is called when the connection has ended.
    """

    transport: ClientTransport  # type: ignore[assignment]

    def __init__(
        self,
        *arguments: Any,
        settings: Settings,
        refuse: Refuse,
        dropped: Callable[[], object] = lambda: None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._settings = settings
        self._refuse_with = refuse
        self._dropped = dropped
        self._timer = ConnectionTimer(self.loop, self._time_out, self._abort)
        self._unparsed = b""
        self._is_deaf = False  # further input is ignored
        self._is_half_closed = False
        self._message = 0  # number of the current or last message
        self._in_message = self._in_head = False
        self._timed = (0, False)  # the message, and whether its head, that the timeout is set for
        self._head_bytes = 0
        self._fed_bytes = 0  # input of this head, or since the last part of this body
        self._next: tuple[RequestResponseCycle, Any] | None = None  # to start after this piece
        self._running: RequestResponseCycle | None = None

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timeout for the first head."""
        super().connection_made(transport)
        self.transport = ClientTransport(
            transport, self.loop, self._timer, self._is_sending, self._settings.write_timeout_s
        )
        self._timer.allow_reading(self._settings.head_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Notify the running request, and drop the others."""
        super().connection_lost(exc)
        self._stop_running()
        self._timer.cancel()
        self.pipeline.clear()
        self._is_deaf, self._unparsed, self._next = True, b"", None
        # Without these references the connection is freed at once, and not by the next collection.
        self.cycle = self.transport = self._timer = cast(Any, None)
        self._dropped()

    def data_received(self, data: bytes) -> None:
        """Parse the data, unless earlier requests wait."""
        if not self._is_deaf and not self.transport.is_closing():
            self._unparsed = self._unparsed + data if self._unparsed else data
            self._parse()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection open for answers to a client that has closed its side."""
        self._is_half_closed = True
        if self._in_message and not self._unparsed:
            self._is_deaf = True
            self._drop_incomplete()
        if not self._is_under_way() or self.transport.is_closing():
            self.transport.flush()  # an answer that was made in this iteration of the event loop
            return False
        if self._running is not None and not self._running.response_started:
            # A client that has closed both sides responds with a reset.
            self.transport.send_ahead(BEGINNING)
        self._probe()
        return True

    def pause_writing(self) -> None:
        """Start the timeout for a client that does not read."""
        super().pause_writing()
        self.transport.allow_writing()

    def resume_writing(self) -> None:
        """Remove the timeout: the client reads again."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._timer.allow_writing(math.inf)

    def _probe(self) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        if self.transport.is_reset():
            self.transport.abort()
        else:
            self.loop.call_later(PROBE_S, self._probe)

    def _abort(self) -> None:
        self.transport.abort()

    def _is_sending(self) -> bool:
        unread = self._is_deaf or self._in_message or bool(self._unparsed)
        return unread and not self._is_half_closed

    # Parsing

    def _parse(self) -> None:
        """Parse the input piece by piece, until a request has to wait."""
        while self._unparsed and not self.pipeline:
            piece, self._unparsed = self._unparsed[:PIECE_BYTES], self._unparsed[PIECE_BYTES:]
            self._feed(piece)
        if self._unparsed:
            self.flow.pause_reading()
        if self._next is not None:
            (cycle, app), self._next = self._next, None
            self._running = cycle
            if cycle.more_body:
                app = functools.partial(_close_if_unread, app, cycle)
            super()._start_asgi_task(cycle, app)
        self._give_time()

    def _feed(self, piece: bytes) -> None:
        message = self._message if self._in_message else self._message + 1
        offered_at = None
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            offered_at = upgrade.args[0]
        except httptools.HttpParserError as error:
            cause = error.__context__  # what a callback raised
            self._refuse(cause if isinstance(cause, ServiceError) else unreadable(error))
        if offered_at is not None:  # not above: an error within would have another context
            self._ignore_offer(piece[offered_at:])
        # The parser reports complete lines only, so an endless one is measured here. The first
        # piece after another message is not counted; it is small.
        if self._message == message:
            self._fed_bytes += len(piece)
        if self._fed_bytes > HEAD_BYTES and self._in_message and not self._is_deaf:
            self._refuse(_head_too_large())

    def _ignore_offer(self, rest: bytes) -> None:
        """Parse a head again without its Upgrade header (RFC 9110, 7.8).

        With it, the parser treats the body as bytes of the other protocol.
        """
        head = [self.parser.get_method(), b" ", self.url, b" HTTP/"]
        head += [self.parser.get_http_version().encode(), b"\r\n"]
        for name, value in self.headers:
            if name != b"upgrade":
                head += [name, b": ", value, b"\r\n"]
        self.parser = httptools.HttpRequestParser(self)
        self._feed(b"".join([*head, b"\r\n", rest]))

    def on_message_begin(self) -> None:
        """Start a message."""
        super().on_message_begin()
        self._message += 1
        self._in_message = self._in_head = True
        self._head_bytes = self._fed_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Add a part of the target."""
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header. Trailers count towards the limit and are dropped."""
        self._count_head(len(name) + len(value) + 4)
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Create a request from a valid head, unless the head will be parsed again."""
        if not self.parser.should_upgrade():
            check_head(self.parser.get_http_version(), self.headers)
            super().on_headers_complete()
            self._in_head = False
        elif self.parser.get_method() == b"CONNECT":
            raise Malformed("method is 'CONNECT'; this service is no proxy")

    def on_body(self, body: bytes) -> None:
        """Add a part of the body."""
        self._fed_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is complete, unless its head will be parsed again."""
        if not self._in_head:
            self._in_message = False
            super().on_message_complete()

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES:
            raise _head_too_large()

    # Requests

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Start a request after its piece is parsed, because the rest may be malformed."""
        self._next = cycle, app

    def on_response_complete(self) -> None:
        """Continue with the next request."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._next = self.pipeline.pop()
        elif not self._in_message:
            self._timer.allow_reading(self._settings.keep_alive_s)
        self.flow.resume_reading()
        self._parse()
        if self._is_half_closed and not self._is_under_way():
            self.transport.close()

    def _is_under_way(self) -> bool:
        running = self._running
        return self._next is not None or (running is not None and not running.response_complete)

    def _refuse(self, error: ServiceError) -> None:
        """Answer a malformed request with an error, after earlier answers, and close."""
        self._is_deaf, self._unparsed = True, b""
        if not self._drop_incomplete():
            self.transport.abort()
            return
        if not self._is_under_way():
            self.cycle = cast(Any, None)
        # The error is queued like a request, so it is answered in order.
        self.app = cast(Any, self._refuse_with(error))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(REFUSED)

    def _drop_incomplete(self) -> bool:
        """Drop the incomplete request. Returns false if its answer has started."""
        is_request, self._in_message = self._in_message and not self._in_head, False
        begun = False
        if is_request and self.pipeline:
            self.pipeline.popleft()
        elif is_request and self._next is not None:
            self._next = None
        elif is_request and self._running is not None:
            begun = self._running.response_started
            self._stop_running()
        return not begun

    def _stop_running(self) -> None:
        """Tell the running request that its client has disconnected."""
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.scope["state"][LEFT] = True
            self._running.message_event.set()
        self._running = None

    # Time

    def _give_time(self) -> None:
        """Set the timeout for the head, and then for the body, of the current message."""
        part = self._message, self._in_head
        if not self._in_message:
            if self._is_under_way():
                self._timer.allow_reading(math.inf)
        elif part != self._timed:
            self._timed = part
            settings = self._settings
            seconds = settings.head_timeout_s if self._in_head else settings.body_timeout_s
            self._timer.allow_reading(seconds)

    def _time_out(self) -> None:
        if not self._in_message:
            self.transport.close()
        elif self.flow.read_paused:  # the service does not read, so the client cannot send
            self._timer.allow_reading(self._settings.body_timeout_s)
        else:
            part = "head" if self._in_head else "body"
            self._refuse(RequestTimeout(f"the {part} of the request did not arrive in time"))
            self._parse()


def _head_too_large() -> HeadTooLarge:
    return HeadTooLarge(f"the head of the request has more than {HEAD_BYTES} bytes")


async def _close_if_unread(
    app: ASGIApp, cycle: RequestResponseCycle, scope: Scope, receive: Receive, send: Send
) -> None:
    """Close the connection after an answer that is sent before the body is complete.

    Otherwise the rest of the body could be read as the next request.
    """

    async def send_and_close(message: Message) -> None:
        if message["type"] == "http.response.start" and cycle.more_body:
            cycle.keep_alive = False
        await send(message)

    await app(scope, receive, send_and_close)
