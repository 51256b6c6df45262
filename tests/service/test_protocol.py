"""Answers are sent in one piece, and connections end when nothing comes on them."""

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any, cast

import pytest
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from mirage.service.express import Express
from mirage.service.outbox import Outbox
from mirage.service.protocol import JoiningTransport, Protocol
from mirage.service.settings import Settings
from mirage.service.state import Service


class Sent:
    """A transport that remembers what it was told."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.pieces.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def write_eof(self) -> None:
        self.pieces.append(b"<eof>")

    def get_extra_info(self, name: str) -> str:
        return f"the {name}"


class Nowhere(Sent):
    """One without a socket."""

    def get_extra_info(self, name: str) -> Any:
        return None


@pytest.fixture
def sent() -> Sent:
    return Sent()


def on(sent: Sent, *steps: Any) -> None:
    """Do things with a joining transport, each once the loop is free again."""

    async def run() -> None:
        joining = JoiningTransport(sent, asyncio.get_running_loop(), Outbox())  # type: ignore[arg-type]
        for step in steps:
            step(joining)
            await asyncio.sleep(0)

    asyncio.run(run())


def both(joining: JoiningTransport) -> None:
    joining.write(b"head ")
    joining.write(b"body")


def test_a_head_and_its_body_are_one_piece(sent: Sent) -> None:
    on(sent, both)
    assert sent.pieces == [b"head body"]


def test_what_comes_alone_is_sent_once_the_loop_is_free(sent: Sent) -> None:
    on(sent, lambda joining: joining.write(b"head "), lambda joining: joining.write(b"later"))
    assert sent.pieces == [b"head ", b"later"]


def test_answers_follow_each_other_in_order(sent: Sent) -> None:
    on(sent, lambda joining: [joining.write(bytes([n])) for n in range(5)])
    assert b"".join(sent.pieces) == bytes(range(5))


def test_what_is_held_is_sent_before_the_end(sent: Sent) -> None:
    def end(joining: JoiningTransport) -> None:
        joining.write(b"head")
        joining.close()

    on(sent, end)
    assert sent.pieces == [b"head"]
    assert sent.closed


def test_whole_answers_are_sent_together_behind_what_is_held(sent: Sent) -> None:
    def end(joining: JoiningTransport) -> None:
        joining.write(b"100 Continue ")
        joining.writelines([b"head ", b"body "])
        joining.writelines([b"next"])
        assert sent.pieces == []

    on(sent, end)
    assert sent.pieces == [b"100 Continue head body next"]


def test_everything_else_is_the_transports_own(sent: Sent) -> None:
    on(sent, lambda joining: joining.write(joining.get_extra_info("peer").encode()))
    assert sent.pieces == [b"the peer"]


def test_a_client_that_is_still_sending_is_told_the_end_and_not_cut_off(
    sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirage.service.protocol.UNREAD_S", 0)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        joining = JoiningTransport(sent, loop, Outbox(), lambda: True)  # type: ignore[arg-type]
        joining.write(b"answer")
        joining.close()
        joining.write(b"nothing more")
        joining.writelines([b"nothing more"])
        joining.close()
        assert sent.pieces == [b"answer", b"<eof>"]
        assert not sent.closed
        while not sent.closed:
            await asyncio.sleep(0)

    asyncio.run(run())


def test_what_begins_a_request_in_uvicorn_is_what_is_replaced() -> None:
    """Under another name every request would go through the application, slowly and unnoticed."""
    assert "_start_asgi_task" in vars(HttpToolsProtocol)
    assert "_start_asgi_task" in vars(Protocol)


@pytest.mark.parametrize(
    "hook",
    ["on_response_complete", "timeout_keep_alive_handler", "_unset_keepalive_if_required"],
)
def test_what_ends_idle_connections_in_uvicorn_is_what_is_replaced(hook: str) -> None:
    assert hook in vars(HttpToolsProtocol)
    assert hook in vars(Protocol)


class Clock:
    """An event loop of which only the time passes, when told."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, call: Callable[[], None]) -> "Clock":
        self.timers.append((self.now + delay, call))
        return self

    def cancel(self) -> None:
        self.timers.clear()

    def ring(self) -> None:
        """Let the time come for the only timer."""
        ((self.now, call),) = self.timers
        self.timers = []
        call()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def connection(clock: Clock, sent: Sent, settings: Settings) -> Any:
    """A connection that closes when nothing has come for 5 seconds."""
    config = uvicorn.Config(FastAPI(), log_config=None)
    express = Express(Service(settings))
    arguments: dict[str, Any] = {"app_state": {}, "_loop": clock, "express": express}
    protocol: Any = Protocol(config, ServerState(), **arguments)
    protocol.transport = JoiningTransport(cast(Any, sent), cast(Any, clock), Outbox())
    protocol.flow = FlowControl(cast(Any, sent))
    return protocol


def test_a_connection_on_which_nothing_comes_is_closed(
    connection: Any, clock: Clock, sent: Sent
) -> None:
    connection.on_response_complete()
    clock.ring()
    assert (clock.now, sent.closed) == (105.0, True)


def test_one_timer_is_enough_for_many_requests(connection: Any, clock: Clock, sent: Sent) -> None:
    for _ in range(3):
        connection.on_response_complete()
        clock.now += 1
        connection._unset_keepalive_if_required()
    connection.on_response_complete()
    clock.ring()
    assert (clock.now, sent.closed) == (105.0, False)
    clock.ring()
    assert (clock.now, sent.closed) == (108.0, True)


def test_a_connection_with_a_request_under_way_stays(
    connection: Any, clock: Clock, sent: Sent
) -> None:
    connection.on_response_complete()
    connection._unset_keepalive_if_required()
    clock.ring()
    assert not sent.closed
    connection.on_response_complete()
    clock.ring()
    assert (clock.now, sent.closed) == (110.0, True)


def test_a_connection_that_is_gone_has_no_timer(connection: Any, clock: Clock) -> None:
    connection.on_response_complete()
    connection.connections.add(connection)
    connection.connection_lost(None)
    assert clock.timers == []


def test_a_connection_that_has_ended_is_freed_without_a_look_for_cycles(
    settings: Settings, clock: Clock
) -> None:
    """Of thousands, what stayed until then would be tens of megabytes."""
    gc.disable()
    try:
        config = uvicorn.Config(FastAPI(), log_config=None)
        arguments: dict[str, Any] = {"app_state": {}, "_loop": clock}
        protocol: Any = Protocol(
            config, ServerState(), express=Express(Service(settings)), **arguments
        )
        protocol.connection_made(Nowhere())
        protocol.cycle = RequestResponseCycle(
            scope=cast(Any, {"headers": []}),
            transport=protocol.transport,
            flow=protocol.flow,
            logger=protocol.logger,
            access_logger=protocol.access_logger,
            access_log=False,
            default_headers=[],
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=True,
            on_response=protocol.on_response_complete,
        )
        protocol.connection_lost(None)
        left = weakref.ref(protocol)
        del protocol
        assert left() is None
    finally:
        gc.enable()
