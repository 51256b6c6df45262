"""The deadlines of a connection, and the transport that answers are written to."""

import asyncio
import math
from collections.abc import Callable
from typing import Any, cast

import pytest

from mirage.service.processes.connection import (
    LINGER_S,
    SLOWEST_BYTES_S,
    ClientTransport,
    ConnectionTimer,
)


class Clock:
    """An event loop of which only the time passes, when told."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, moment: float, call: Callable[[], None]) -> "Timer":
        timer = Timer(self, moment, call)
        self.timers.append(timer)
        return timer

    def call_soon(self, call: Callable[[], None]) -> "Timer":
        return self.call_at(self.now, call)

    def run_until(self, moment: float) -> None:
        """Let time pass, and timers ring."""
        while due := [timer for timer in self.timers if timer.moment <= moment]:
            timer = min(due, key=Timer.when)
            self.timers.remove(timer)
            self.now = timer.moment
            timer.call()
        self.now = moment


class Timer:
    def __init__(self, clock: Clock, moment: float, call: Callable[[], None]) -> None:
        self.clock = clock
        self.moment = moment
        self.call = call

    def when(self) -> float:
        return self.moment

    def cancel(self) -> None:
        self.clock.timers.remove(self)


class Sent:
    """A transport that remembers what it was told; `unsent` is what its buffer holds."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.unsent = 0
        self.closed = False

    def write(self, data: bytes) -> None:
        self.pieces.append(data)

    def writelines(self, pieces: tuple[bytes, ...]) -> None:
        self.pieces.append(b"".join(pieces))

    def write_eof(self) -> None:
        self.pieces.append(b"<eof>")

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def get_extra_info(self, name: str) -> str:
        return f"the {name}"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def passed() -> list[str]:
    """Which deadlines have passed."""
    return []


@pytest.fixture
def timer(clock: Clock, passed: list[str]) -> ConnectionTimer:
    loop = cast(asyncio.AbstractEventLoop, clock)
    return ConnectionTimer(loop, lambda: passed.append("read"), lambda: passed.append("write"))


def transport(sent: Sent, timer: ConnectionTimer, *, is_sending: bool = False) -> ClientTransport:
    loop = cast(asyncio.AbstractEventLoop, timer._loop)
    return ClientTransport(cast(Any, sent), loop, timer, lambda: is_sending, 30.0)


def test_a_deadline_passes_once(clock: Clock, timer: ConnectionTimer, passed: list[str]) -> None:
    timer.allow_reading(5)
    clock.run_until(104.9)
    assert passed == []
    clock.run_until(200)
    assert passed == ["read"]


def test_a_deadline_that_moves_on_needs_one_timer(
    clock: Clock, timer: ConnectionTimer, passed: list[str]
) -> None:
    for _ in range(3):
        timer.allow_reading(5)
        clock.now += 1
        assert len(clock.timers) == 1
    clock.run_until(106.9)
    assert passed == []
    clock.run_until(107)
    assert passed == ["read"]


def test_an_earlier_deadline_is_kept(
    clock: Clock, timer: ConnectionTimer, passed: list[str]
) -> None:
    timer.allow_reading(75)
    timer.allow_writing(3)
    clock.run_until(103)
    assert passed == ["write"]
    clock.run_until(175)
    assert passed == ["write", "read"]


def test_a_deadline_that_is_ended_or_cancelled_does_not_pass(
    clock: Clock, timer: ConnectionTimer, passed: list[str]
) -> None:
    timer.allow_reading(5)
    timer.allow_reading(math.inf)
    clock.run_until(200)
    timer.allow_writing(5)
    timer.cancel()
    clock.run_until(300)
    assert (passed, clock.timers) == ([], [])


def test_what_is_sent_ahead_is_not_sent_again(
    sent: Sent, clock: Clock, timer: ConnectionTimer
) -> None:
    client = transport(sent, timer)
    client.send_ahead(b"HTTP/1.1 ")
    client.write(b"HTTP/1.1 200 OK\r\n")
    client.write(b"body")
    clock.run_until(clock.now)
    assert sent.pieces == [b"HTTP/1.1 ", b"200 OK\r\nbody"]


def test_what_is_written_in_one_iteration_is_sent_together(
    sent: Sent, clock: Clock, timer: ConnectionTimer
) -> None:
    client = transport(sent, timer)
    for piece in (b"head ", b"body ", b"more"):
        client.write(piece)
    clock.run_until(clock.now)
    client.write(b"next")
    clock.run_until(clock.now)
    assert sent.pieces == [b"head body more", b"next"]


def test_what_is_held_is_sent_before_the_end(sent: Sent, timer: ConnectionTimer) -> None:
    client = transport(sent, timer)
    client.write(b"head")
    client.close()
    assert (sent.pieces, sent.closed) == ([b"head"], True)


def test_what_is_held_when_the_connection_is_lost_is_dropped(
    sent: Sent, clock: Clock, timer: ConnectionTimer
) -> None:
    client = transport(sent, timer)
    client.write(b"answer")
    sent.close()
    clock.run_until(clock.now)
    assert sent.pieces == []


def test_everything_else_is_the_event_loops_own(sent: Sent, timer: ConnectionTimer) -> None:
    assert transport(sent, timer).get_extra_info("peername") == "the peername"


def test_a_client_that_has_sent_all_is_closed_and_has_time_to_read(
    sent: Sent, clock: Clock, timer: ConnectionTimer, passed: list[str]
) -> None:
    client = transport(sent, timer)
    sent.unsent = 10 * SLOWEST_BYTES_S
    client.close()
    assert sent.closed
    assert client.is_closing()
    clock.run_until(139)
    assert passed == []
    clock.run_until(140)
    assert passed == ["write"]


def test_a_client_that_is_still_sending_is_told_the_end_and_not_cut_off(
    sent: Sent, clock: Clock, timer: ConnectionTimer, passed: list[str]
) -> None:
    client = transport(sent, timer, is_sending=True)
    client.write(b"answer")
    client.close()
    client.close()
    assert sent.pieces == [b"answer", b"<eof>"]
    assert (client.is_closing(), sent.closed) == (True, False)
    clock.run_until(100 + LINGER_S)
    assert passed == ["write"]
