"""Requests wait until the event loop begins with them."""

import asyncio
import time
from collections.abc import Callable

import pytest

from mirage.service.errors import QueueFull
from mirage.service.intake import AT_ONCE, LOOK_S, PATIENCE, Intake

MOST = 10 * AT_ONCE


class Clock:
    """An event loop, and seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.calls: list[Callable[[], None]] = []

    def call_soon(self, call: Callable[[], None]) -> "Clock":
        self.calls.append(call)
        return self

    def turn(self, seconds: float = 0.0) -> None:
        """Let a turn of the loop pass, which takes so long."""
        self.now += seconds
        calls, self.calls = self.calls, []
        for call in calls:
            call()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: clock)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


def enter(into: Intake, begun: list[int], count: int) -> None:
    first = len(begun) + len(into)
    for number in range(first, first + count):
        into.enter(lambda number=number: begun.append(number))  # type: ignore[misc]


def test_few_requests_are_begun_at_once(clock: Clock) -> None:
    begun: list[int] = []
    enter(Intake(MOST), begun, AT_ONCE)
    assert begun == list(range(AT_ONCE))


def test_of_many_a_few_are_begun_in_each_turn_in_order(clock: Clock) -> None:
    begun: list[int] = []
    into = Intake(MOST)
    enter(into, begun, 3 * AT_ONCE)
    counts = [len(begun)]
    for _ in range(2):
        clock.turn()
        counts.append(len(begun))
    assert counts == [AT_ONCE, 2 * AT_ONCE, 3 * AT_ONCE]
    assert begun == list(range(3 * AT_ONCE))


def test_what_comes_later_does_not_overtake(clock: Clock) -> None:
    begun: list[int] = []
    into = Intake(MOST)
    enter(into, begun, AT_ONCE + 1)
    clock.turn()
    enter(into, begun, AT_ONCE)
    assert begun == list(range(2 * AT_ONCE)), "with those that waited it is as many in this turn"
    clock.turn()
    assert begun == list(range(2 * AT_ONCE + 1))


def test_none_is_begun_while_there_is_plenty_to_do(clock: Clock) -> None:
    plenty = True
    begun: list[int] = []
    into = Intake(MOST, lambda: plenty)
    enter(into, begun, AT_ONCE + 1)
    for _ in range(5):
        clock.turn()
    assert len(begun) == AT_ONCE
    plenty = False
    clock.turn()
    assert len(begun) == AT_ONCE + 1


def test_when_none_comes_any_more_the_event_loop_may_sleep(clock: Clock) -> None:
    begun: list[int] = []
    into = Intake(MOST)
    enter(into, begun, AT_ONCE + 1)
    for _ in range(3):
        clock.turn()
    assert clock.calls == []
    enter(into, begun, 1)
    assert len(begun) == AT_ONCE + 2


def test_more_than_the_most_are_refused(clock: Clock) -> None:
    begun: list[int] = []
    into = Intake(2)
    enter(into, begun, AT_ONCE + 1)
    into.check_room(60.0)
    enter(into, begun, 1)
    with pytest.raises(QueueFull, match="more requests come than can be begun"):
        into.check_room(60.0)
    clock.turn()
    into.check_room(60.0)


def flooded(clock: Clock, each_s: float) -> Intake:
    """An intake in which requests wait always, and are begun one in so many seconds."""
    into = Intake(100 * AT_ONCE)
    enter(into, [], 50 * AT_ONCE)
    for _ in range(40):
        clock.turn(each_s * AT_ONCE)
    return into


def test_who_would_wait_for_too_much_of_its_time_is_refused(clock: Clock) -> None:
    each_s = 2 * LOOK_S / AT_ONCE
    into = flooded(clock, each_s)
    wait_s = len(into) * each_s
    assert wait_s > 0
    into.check_room(1.1 * wait_s / PATIENCE)
    with pytest.raises(QueueFull) as caught:
        into.check_room(0.9 * wait_s / PATIENCE)
    assert caught.value.retry_after_s == pytest.approx(wait_s, rel=0.01)


def test_time_in_which_none_waited_tells_nothing(clock: Clock) -> None:
    into = flooded(clock, 2 * LOOK_S / AT_ONCE)
    while len(into):
        clock.turn()
    clock.turn(1000.0)
    enter(into, [], 2 * AT_ONCE)
    clock.turn()
    into.check_room(1.0)
