"""Connections are accepted by the worker that should have them, and others wait unharmed."""

import asyncio
import errno
import functools
import logging
import os
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any

import pytest

from mirage.service.processes.acceptor import LEEWAY, RESERVED_FILES, Acceptor, connection_limit
from mirage.service.sharing.counters import SharedCounters

LONG_S = 60.0


class Echo(asyncio.Protocol):
    """Sends back what it is sent."""

    def __init__(self, ended: Callable[[], None]) -> None:
        self._ended = ended

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended()


class Client:
    """A connection whose other end may or may not have been accepted."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setblocking(False)

    async def echo(self) -> None:
        """Return when the other end has answered."""
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self.socket, b"x")
        async with asyncio.timeout(LONG_S):
            assert await loop.sock_recv(self.socket, 1) == b"x"

    def close(self) -> None:
        self.socket.close()


@asynccontextmanager
async def accepting(
    counters: SharedCounters, limit: int = 100
) -> AsyncIterator[tuple[Acceptor, Callable[[], Client]]]:
    """An acceptor that has started, and what opens a connection to it."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    port = listener.getsockname()[1]
    acceptor = Acceptor(listener, counters, limit, Echo)
    acceptor.start()
    with ExitStack() as stack:

        def connect() -> Client:
            client = Client(port)
            stack.callback(client.close)
            return client

        yield acceptor, connect
        acceptor.close()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG_S):
        while not is_so():
            await asyncio.sleep(0)


def in_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*arguments: Any, **options: Any) -> None:
        async def work() -> None:
            await test(*arguments, **options)

        asyncio.run(work())

    return run


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here depends on how busy the machine is."""
    monkeypatch.setattr("mirage.service.sharing.counters.LATE_S", LONG_S)
    monkeypatch.setattr("mirage.service.processes.acceptor.LATELY_S", LONG_S)


def another_worker(counters: SharedCounters, connections: int) -> None:
    counters.worker = 1
    counters.set_connections(connections)
    counters.set_accepting(True)
    counters.beat()
    counters.worker = 0


@in_loop
async def test_over_the_limit_connections_wait_until_another_ends() -> None:
    counters = SharedCounters()
    async with accepting(counters, limit=2) as (_, connect):
        clients = [connect() for _ in range(4)]
        await asyncio.gather(*(client.echo() for client in clients[:2]))
        await clients[0].echo()  # it goes on as before
        assert counters.connections(0) == 2
        for ends, begins in ((0, 2), (1, 3)):
            clients[ends].close()
            await clients[begins].echo()
        assert counters.connections(0) == 2


@in_loop
async def test_the_log_says_once_why_they_wait() -> None:
    with logged() as lines:
        async with accepting(SharedCounters(), limit=1) as (_, connect):
            clients = [connect() for _ in range(4)]
            for client in clients:
                await client.echo()
                client.close()
        assert lines == ["new connections wait: 1 are open, the most allowed"]


@contextmanager
def logged() -> Iterator[list[str]]:
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    logger, handler = logging.getLogger("mirage.service.processes.acceptor"), Keep()
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)


@in_loop
async def test_without_descriptors_it_waits_neither_spinning_nor_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counters, attempts = SharedCounters(2), 0
    accept = socket.socket.accept

    def refuse(listener: socket.socket) -> tuple[socket.socket, Any]:
        nonlocal attempts
        attempts += 1
        if attempts <= 3:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return accept(listener)

    monkeypatch.setattr("mirage.service.processes.acceptor.EXHAUSTED_S", 0.05)
    monkeypatch.setattr(socket.socket, "accept", refuse)
    with logged() as lines:
        async with accepting(counters) as (_, connect):
            client = connect()
            await until(lambda: attempts == 1)
            counters.worker = 1
            counters.set_connections(1)
            assert counters.has_fewest()  # others do not wait for it meanwhile
            counters.set_connections(0)
            counters.worker = 0
            await client.echo()
            await until(lambda: attempts == 5)  # one more, that finds none
    assert lines == [f"new connections wait, 0 are open: {os.strerror(errno.EMFILE)}"]


@in_loop
async def test_a_connection_is_left_to_a_worker_with_fewer_and_taken_when_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counters = SharedCounters(2)
    async with accepting(counters) as (_, connect):
        another_worker(counters, connections=1)
        for _ in range(2):
            await connect().echo()
        waiting = connect()
        looked = 0

        def look(apart_from: int) -> bool:
            nonlocal looked
            looked += 1
            return SharedCounters.has_fewest(counters, apart_from)

        monkeypatch.setattr(counters, "has_fewest", look)
        await until(lambda: looked >= 3)
        assert counters.connections(0) == 2
        another_worker(counters, connections=2)
        await waiting.echo()
        assert counters.connections(0) == 3


@in_loop
async def test_connections_that_soon_end_are_not_held_against_it() -> None:
    counters = SharedCounters(2)
    async with accepting(counters) as (_, connect):
        another_worker(counters, connections=2)
        clients = [connect() for _ in range(3)]
        for client in clients:
            await client.echo()
        clients[0].close()
        await until(lambda: counters.connections(0) == 2)
        another_worker(counters, connections=1)
        await connect().echo()


@in_loop
async def test_of_many_connections_a_worker_may_have_a_few_more() -> None:
    counters = SharedCounters(2)
    async with accepting(counters) as (_, connect):
        another_worker(counters, connections=LEEWAY - 1)
        for _ in range(LEEWAY + 1):
            await connect().echo()
        assert counters.connections(0) == LEEWAY + 1


@in_loop
async def test_a_listener_that_is_shut_down_ends_it_quietly() -> None:
    """As the supervisor does it, for all processes at once."""
    counters = SharedCounters()
    listener = socket.create_server(("127.0.0.1", 0))
    acceptor = Acceptor(listener, counters, 10, Echo)
    acceptor.start()
    with socket.socket(fileno=os.dup(listener.fileno())) as shared:
        shared.shutdown(socket.SHUT_RDWR)
        await until(lambda: listener.fileno() == -1)
    acceptor.close()


def test_the_limit_on_open_files_bounds_connections() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert connection_limit(1) == 1
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (RESERVED_FILES + 32, before[1]))
        assert connection_limit(1000) == 32
        resource.setrlimit(resource.RLIMIT_NOFILE, (RESERVED_FILES, before[1]))
        assert connection_limit(1000) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
