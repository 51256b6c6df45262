"""One HTTP/1.1 connection: uvicorn's protocol with bounds on what a client sends and in what time.

uvicorn has no public way to bound heads and times, to answer half-closed clients or to ignore
offers to upgrade. This file subclasses its protocol for that, and is the only one that uses more
of uvicorn than its documentation names; `pyproject.toml` therefore pins uvicorn's minor version.
"""

import asyncio
import math
import socket
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from mirage.service.connections import DISCONNECT, HEAD_BYTES, Connections
from mirage.service.errors import HeadTooLarge, Malformed, RequestTimeout, ServiceError

LINGER_S = 2.0  # for the client to read the last answer, while what it still sends is discarded
PROBE_S = 0.05  # after which a client that has left altogether has refused an interim answer
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
END_OF_HEAD = b"\r\n"


class Cycle(RequestResponseCycle):
    """One request and its answer, which leaves in one write if it comes in one piece."""

    closing: Callable[[], None]
    _head: bytes = b""
    _when_left: Callable[[], object] | None = None

    def notify(self, callback: Callable[[], object]) -> None:
        """Call `callback` when the client leaves before its answer is complete."""
        self._when_left = callback

    def leave(self) -> None:
        """The client has left."""
        self.disconnected = True
        self.message_event.set()
        if self._when_left is not None and not self.response_complete:
            self._when_left()

    async def run_asgi(self, app: Any) -> None:
        """Run the application; to be cancelled by a disconnect is no error."""
        try:
            await super().run_asgi(app)
        finally:
            self._when_left = None

    async def send(self, message: Any) -> None:
        """Send the application's message; the head waits for the first piece of the body."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if kind == "http.response.start" and not self.response_started:
            self.response_started = True
            self._head = self._format_head(message)
        elif kind == "http.response.body" and self.response_started and not self.response_complete:
            self._send_body(message.get("body", b""), message.get("more_body", False))
        else:
            raise RuntimeError(f"unexpected ASGI message {kind!r}")

    def _format_head(self, message: Any) -> bytes:
        lines = [STATUS_LINE[message["status"]]]
        for name, value in (*self.default_headers, *message.get("headers", ())):
            lines += (name, b": ", value, b"\r\n")
            lower = name.lower()
            if lower == b"content-length":
                self.chunked_encoding = False
                self.expected_content_length = int(value)
            elif lower == b"connection" and b"close" in value.lower():
                self.keep_alive = False
        if self.more_body:
            self.keep_alive = False  # what is left of the body would be read as the next request
        has_body = self.scope["method"] != "HEAD" and message["status"] not in (204, 304)
        if self.chunked_encoding is None and has_body:
            self.chunked_encoding = self.scope["http_version"] == "1.1"
            if self.chunked_encoding:
                lines.append(b"transfer-encoding: chunked\r\n")
            else:
                self.keep_alive = False  # the end of the connection ends the body
                self.expected_content_length = -1
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        return b"".join((*lines, END_OF_HEAD))

    def _send_body(self, body: bytes, more_body: bool) -> None:
        if self.scope["method"] == "HEAD":
            body, self.expected_content_length = b"", 0
        elif self.chunked_encoding:
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            body = chunk if more_body else chunk + b"0\r\n\r\n"
        elif self.expected_content_length >= 0:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0 or (self.expected_content_length and not more_body):
                raise RuntimeError("the body is not as long as its Content-Length")
        data, self._head = self._head + body, b""
        if data:
            self.transport.write(data)
        if not more_body:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.closing()
            self.on_response()


class HttpProtocol(HttpToolsProtocol):
    """A connection: reads requests, runs the application on each in turn, and sends its answers.

    `dropped` is called when the connection has ended.
    """

    cycle: Cycle

    def __init__(
        self,
        *arguments: Any,
        connections: Connections,
        dropped: Callable[[], object] = lambda: None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._shared = connections
        self._dropped = dropped
        self._active: Cycle | None = None  # whose answer is awaited
        self._head_bytes = 0  # of the head that arrives, so far
        self._in_message = False
        self._ignores_upgrade = False  # the head is read again without the offer to upgrade
        self._failure: ServiceError | None = None  # told once the requests before it are answered
        self._half_closed = False
        self._lingers = False
        self._due = self._write_due = math.inf  # by the event loop's clock

    # What the transport calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._shared.all.add(self)
        self._wait(self._shared.timeouts.head)

    def connection_lost(self, exc: Exception | None) -> None:
        """End what the client waited for, and forget what it had sent ahead."""
        self._shared.all.discard(self)
        self.pipeline.clear()
        if self._active is not None:
            self._active.leave()
        super().connection_lost(exc)
        self._dropped()
        self._active = None
        self.cycle = cast(
            Any, None
        )  # they hold each other: freed now, and not by a look for cycles

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends no more, but may read: keep the connection while an answer is due."""
        self._half_closed = True
        active = self._active
        if active is None or active.more_body or self._in_message:
            return False
        if active.scope["http_version"] == "1.1" and not active.response_started:
            # A client that has closed both directions looks the same, but refuses this.
            self.transport.write(CONTINUE)
            self.loop.call_later(PROBE_S, self._abort_if_refused)
        return True

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        if self._lingers or self._failure is not None:
            return
        if self._active is None and not self._in_message:
            self._wait(self._shared.timeouts.head)
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as stop:
                data = data[stop.args[0] :]
                self._read_again_without_upgrade()
                continue
            except httptools.HttpParserCallbackError as error:
                self._fail(_cause(error))
            except httptools.HttpParserError as error:
                self._fail(Malformed(f"the request is no HTTP/1.1: {error}"))
            return

    def pause_writing(self) -> None:
        """The client does not read: give it a while."""
        super().pause_writing()
        self._write_due = self.loop.time() + self._shared.timeouts.write

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._write_due = math.inf

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Begin with a head."""
        super().on_message_begin()
        self._in_message = True
        if not self._ignores_upgrade:
            self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take a part of the target; raises HeadTooLarge."""
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; raises HeadTooLarge."""
        self._count_head(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin with the request, or queue it behind the one that is being answered."""
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise Malformed("method is CONNECT; this is no proxy")
            return
        before = self._active
        self._set_target()
        self.cycle = cycle = Cycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=self.scope["http_version"] != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        cycle.closing = self._close
        cast(Any, self.scope)["extensions"] = {DISCONNECT: {"notify": cycle.notify}}
        self._wait(self._shared.timeouts.body)
        if before is None:
            self._active = cycle
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, unless its request has been answered without it."""
        if self.cycle is not None and not self.cycle.response_complete:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is read."""
        if self.parser.should_upgrade():
            return
        self._in_message = False
        self._due = math.inf
        if self.cycle is not None:
            super().on_message_complete()

    # What the cycles call.

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for one."""
        self.server_state.total_requests += 1
        self._active = None
        if self.transport.is_closing() or self._lingers:
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._active = cast(Cycle, cycle)
            self._start_asgi_task(cycle, app)
        elif self._failure is not None:
            self._send_failure(self._failure)
        elif self._half_closed:
            self._close()
        elif self._in_message:
            self._wait(self._shared.timeouts.head)
        else:
            self._wait(self._shared.timeouts.keep_alive)

    def close_if_overdue(self, now: float) -> None:
        """Close the connection when a timeout has passed."""
        if self._half_closed:
            self._abort_if_refused()
        if now > self._write_due:
            self.transport.abort()
        elif now > self._due:
            self._time_out()

    # Inner workings.

    def _wait(self, seconds: float) -> None:
        self._due = self.loop.time() + seconds

    def _time_out(self) -> None:
        """Tell a client that it sent too slowly; say nothing where no request had begun."""
        self._due = math.inf
        active = self._active
        if active is not None and not active.response_started:
            self._active = None
            active.leave()
            self._send_failure(RequestTimeout("the body did not arrive in time"))
        elif active is None and self._in_message:
            self._send_failure(RequestTimeout("the head did not arrive in time"))
        else:
            self.transport.abort()

    def _set_target(self) -> None:
        """Split the request's target, as uvicorn does; raises Malformed for one that is none."""
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.scope["http_version"] = self.parser.get_http_version()
        try:
            target = httptools.parse_url(self.url)
            raw_path = target.path or b"/"
            path = raw_path.decode("ascii")
        except (httptools.HttpParserInvalidURLError, UnicodeDecodeError):
            raise Malformed(f"the target is {self.url!r:.100}; a path is allowed") from None
        self.scope["path"] = self.root_path + (unquote(path) if "%" in path else path)
        self.scope["raw_path"] = self.root_path.encode("ascii") + raw_path
        self.scope["query_string"] = target.query or b""

    def _count_head(self, count: int) -> None:
        self._head_bytes += count
        if self._head_bytes > HEAD_BYTES:
            raise HeadTooLarge(f"the head has more than the {HEAD_BYTES} bytes that are allowed")

    def _read_again_without_upgrade(self) -> None:
        """Parse the head anew without its offer, as RFC 9110 7.8 allows, so that its body counts.

        The parser takes what follows an offer for another protocol.
        """
        lines = [self.parser.get_method(), b" ", self.url, b" HTTP/1.1\r\n"]
        for name, value in self.headers:
            if name != b"upgrade":
                lines += (name, b": ", value, b"\r\n")
        self.parser = httptools.HttpRequestParser(self)
        self._ignores_upgrade = True
        try:
            self.parser.feed_data(b"".join((*lines, END_OF_HEAD)))
        finally:
            self._ignores_upgrade = False

    def _fail(self, error: ServiceError) -> None:
        """Answer an error behind the answers that are due, and close."""
        self._failure = error
        self.flow.pause_reading()
        active = self._active
        if active is not None and active.more_body and not self.pipeline:
            self._active = None
            active.leave()  # its body is what is broken
            self._send_failure(error)
        elif active is None:
            self._send_failure(error)

    def _send_failure(self, error: ServiceError) -> None:
        address = self.client[0] if self.client else ""
        self.transport.write(self._shared.answer_error(error, address))
        self._in_message = True
        self._close()

    def _close(self) -> None:
        """End the connection; if the client still sends, once it has had time to read the answer.

        A close with unread bytes would be a reset, by which the answer is lost.
        """
        if self.transport.is_closing() or self._lingers:
            return
        self._write_due = self.loop.time() + self._shared.timeouts.write
        if not self._in_message or self._half_closed:
            self.transport.close()
            return
        self._lingers = True
        self._due = math.inf
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)

    def _abort_if_refused(self) -> None:
        """End the connection of a client that has refused to be sent anything."""
        if self.transport is None or self.transport.is_closing():
            return
        connection = self.transport.get_extra_info("socket")
        if connection is not None and connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.transport.abort()


def _cause(error: BaseException) -> ServiceError:
    """What one of our callbacks raised; httptools puts its own error around it."""
    cause = error.__context__
    if isinstance(cause, ServiceError):
        return cause
    return Malformed("the head of the request cannot be read")
