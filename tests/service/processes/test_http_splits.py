"""However the bytes of a client are split into packets, the answers are the same."""

import asyncio
import gc
import re
import weakref
from collections.abc import Sequence
from typing import Any

import uvicorn
from hypothesis import given, settings, strategies
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from mirage.service.processes.http_protocol import HEAD_BYTES, PIECE_BYTES, HttpProtocol
from mirage.service.processes.parser_errors import answer_errors
from mirage.service.settings import Settings
from mirage.service.telemetry.logging import has_client
from mirage.service.telemetry.metrics import Metrics

HOST = b" HTTP/1.1\r\nhost: x\r\n"
OFFER = b"connection: upgrade\r\nupgrade: h2c\r\n"
CHUNKS = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n"
PARTS = {
    "no body": b"GET /a?b=c" + HOST + b"\r\n",
    "a body": b"POST /b" + HOST + b"content-length: 5\r\n\r\nhello",
    "chunks": b"POST /c" + HOST + b"transfer-encoding: chunked\r\n\r\n" + CHUNKS + b"\r\n",
    "trailers": b"POST /d"
    + HOST
    + b"transfer-encoding: chunked\r\n\r\n"
    + CHUNKS
    + b"t: u\r\n\r\n",
    "an offer": b"POST /e" + HOST + OFFER + b"content-length: 5\r\n\r\nhello",
    "an offer and chunks": b"POST /f"
    + HOST
    + b"transfer-encoding: chunked\r\n"
    + OFFER
    + b"\r\n"
    + CHUNKS
    + b"\r\n",
    "an offer without a body": b"GET /g" + HOST + OFFER + b"\r\n",
    "asked to send": b"POST /h" + HOST + b"expect: 100-continue\r\ncontent-length: 2\r\n\r\nhi",
    "empty lines": b"\r\n\r\n",
    "a long head": b"GET /i" + HOST + b"x: " + b"y" * (HEAD_BYTES - 1000) + b"\r\n\r\n",
}
LAST = {
    "nothing": b"",
    "garbage": b"garbage\r\n\r\n",
    "a bad chunk": b"POST /j" + HOST + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
    "two lengths": b"POST /k" + HOST + b"content-length: 1\r\ncontent-length: 1\r\n\r\nx",
    "a tunnel": b"CONNECT x:1" + HOST + b"\r\nbytes",
    "no host": b"GET /q HTTP/1.1\r\n" + OFFER + b"\r\n",
    "no path": b"GET http://x:99999/" + HOST + b"\r\n",
    "half a head": b"GET /l" + HOST + b"x: y",
    "half a body": b"POST /m" + HOST + b"content-length: 9\r\n\r\nhalf",
    "the end asked for": b"GET /n" + HOST + b"connection: close\r\n\r\nGET /o" + HOST + b"\r\n",
    "an endless head": b"GET /p" + HOST + b"x: " + b"y" * (HEAD_BYTES + PIECE_BYTES),
}
# What differs from one exchange to the next, or is sent ahead at the client's wish.
VOLATILE = re.compile(rb"x-request-id: \w+\r\n|HTTP/1\.1 100 Continue\r\n\r\n")


class Wire(asyncio.Transport):
    """A transport that writes to bytes; its client has gone when it says so."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = False
        self.reading = True

    def write(self, data: Any) -> None:
        if not self.closed:
            self.sent += data

    def writelines(self, pieces: Any) -> None:
        self.write(b"".join(pieces))

    def write_eof(self) -> None:
        self.closed = True

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return Untouched() if name == "socket" else None


class Untouched:
    """The socket of a client that is there."""

    def getsockname(self) -> str:
        return ""

    def getpeername(self) -> str:
        return ""

    def getsockopt(self, _level: int, _name: int) -> int:
        return 0


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the method, the path and the body."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        more = message["more_body"]
    text = f"{scope['method']} {scope['path']}?{scope['query_string'].decode()} ".encode() + body
    headers = [(b"content-length", b"%d" % len(text))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def connection(app: Any, wire: Wire) -> HttpProtocol:
    """A connection of an application that runs on this event loop."""
    config = uvicorn.Config(app, lifespan="off", log_config=None, ws="none", proxy_headers=False)
    options: dict[str, Any] = {"settings": Settings(), "refuse": answer_errors(METRICS)}
    protocol = HttpProtocol(config, ServerState(), {}, **options)
    protocol.connection_made(wire)
    return protocol


METRICS = Metrics()


async def turn(times: int = 20) -> None:
    """Let the event loop go round."""
    for _ in range(times):
        await asyncio.sleep(0)


async def received(packets: Sequence[bytes], turns: int) -> bytes:
    """All that the client of an echo is sent."""
    wire = Wire()
    protocol = connection(echo, wire)
    for packet in packets:
        while not wire.reading and not wire.closed:
            await turn(1)
        if wire.closed:
            break
        protocol.data_received(packet)
        await turn(turns)
    while not wire.reading and not wire.closed:
        await turn(1)
    if not wire.closed and not protocol.eof_received():
        wire.close()
    while not wire.closed:
        await turn(1)
    await turn()
    protocol.connection_lost(None)
    return VOLATILE.sub(b"", wire.sent)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    parts=strategies.lists(strategies.sampled_from(sorted(PARTS)), max_size=6),
    last=strategies.sampled_from(sorted(LAST)),
    cuts=strategies.lists(strategies.integers(0, 4000), max_size=30),
    turns=strategies.integers(0, 4),
)
def test_the_answers_do_not_depend_on_the_packets(
    parts: list[str], last: str, cuts: list[int], turns: int
) -> None:
    stream = b"".join(PARTS[part] for part in parts) + LAST[last]
    stops = sorted({cut for cut in cuts if cut < len(stream)})
    pieces = [stream[a:b] for a, b in zip([0, *stops], [*stops, len(stream)], strict=True)]
    whole = asyncio.run(received([stream], 20))
    assert asyncio.run(received([piece for piece in pieces if piece], turns)) == whole
    expected = sum(part != "empty lines" for part in parts)
    expected += last not in ("nothing", "half a head", "half a body")
    assert len(re.findall(rb"HTTP/1\.1 \d{3} ", whole)) == expected


def test_every_byte_may_be_a_packet() -> None:
    for name, request in (PARTS | LAST).items():
        if len(request) < 1000:
            whole = asyncio.run(received([request], 20))
            bytewise = asyncio.run(received([bytes([byte]) for byte in request], 1))
            assert bytewise == whole, name


def test_requests_of_a_client_that_has_left_are_not_started() -> None:
    started: list[str] = []
    ended: list[str] = []

    async def wait(scope: Scope, receive: Receive, send: Send) -> None:
        started.append(scope["path"])
        while (await receive())["type"] != "http.disconnect":
            pass
        ended.append(scope["path"])

    async def run() -> None:
        protocol = connection(wait, Wire())
        protocol.data_received(b"".join(b"GET /%d%s\r\n" % (n, HOST) for n in range(1000)))
        await turn()
        assert len(protocol.pipeline) < 1000, "what is not parsed yet takes less memory"
        protocol.connection_lost(ConnectionResetError())
        await turn()

    asyncio.run(run())
    assert started == ended == ["/0"]


def test_a_request_whose_client_has_left_is_told() -> None:
    """However soon it left: what is sent from then on reaches nobody."""
    there: list[bool] = []

    async def run() -> None:
        left = asyncio.Event()

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            there.append(has_client(scope))
            await left.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            there.append(has_client(scope))

        protocol = connection(answer, Wire())
        protocol.data_received(PARTS["a body"])
        await turn()
        protocol.connection_lost(ConnectionResetError())
        left.set()
        await turn()

    asyncio.run(run())
    assert there == [True, False]


def test_a_connection_that_has_ended_is_freed_without_the_garbage_collector() -> None:
    """Of thousands, what stayed until then would be tens of megabytes."""

    async def run() -> None:
        protocol = connection(echo, Wire())
        protocol.data_received(PARTS["a body"])
        await turn()
        protocol.data_received(PARTS["a body"][:-1])
        await turn()
        protocol.connection_lost(None)
        await turn()
        left = weakref.ref(protocol)
        del protocol
        assert left() is None

    gc.disable()
    try:
        asyncio.run(run())
    finally:
        gc.enable()


def test_a_fault_of_the_application_is_answered_and_ends_the_connection() -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("broken")

    async def run() -> bytes:
        wire = Wire()
        protocol = connection(fail, wire)
        protocol.data_received(PARTS["no body"])
        await turn()
        assert wire.closed
        protocol.connection_lost(None)
        return wire.sent

    assert asyncio.run(run()).startswith(b"HTTP/1.1 500 ")


def test_an_error_names_what_is_wrong() -> None:
    assert b"Duplicate Content-Length" in asyncio.run(received([LAST["two lengths"]], 20))
