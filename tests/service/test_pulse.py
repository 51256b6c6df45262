"""When the event loop counts as behind."""

import asyncio
import time
from collections.abc import Callable

import pytest

from service import pulse
from service.errors import QueueFull
from service.pulse import Pulse
from service.settings import Settings
from service.state import Service


class Clock:
    """Seconds that pass when told, for a loop and a pulse."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[Callable[[], None]] = []

    def call_later(self, _delay: float, call: Callable[[], None]) -> "Clock":
        self.timers.append(call)
        return self

    def cancel(self) -> None:
        self.timers.clear()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: clock)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


def beat(clock: Clock, after_s: float, times: int) -> None:
    for _ in range(times):
        clock.now += after_s
        clock.timers.pop()()


IN_TIME = pulse.BEAT_S
LATE = pulse.BEAT_S + 2 * pulse.LATE_S


def test_a_loop_that_beats_in_time_is_not_behind(clock: Clock) -> None:
    heart = Pulse()
    beat(clock, IN_TIME, 100)
    clock.now += LATE
    assert not heart.is_behind()


def test_one_burst_does_not_make_it_behind(clock: Clock) -> None:
    heart = Pulse()
    beat(clock, IN_TIME, 10)
    beat(clock, 1.0, 3)
    clock.now += LATE
    assert not heart.is_behind()


def test_beats_that_keep_coming_late_do(clock: Clock) -> None:
    heart = Pulse()
    beat(clock, LATE, 10)
    assert not heart.is_behind(), "what comes first after a beat is in time"
    clock.now += LATE
    assert heart.is_behind()


def test_it_recovers(clock: Clock) -> None:
    heart = Pulse()
    beat(clock, LATE, 100)
    beat(clock, IN_TIME, 10)
    clock.now += LATE
    assert not heart.is_behind()


def test_it_stops(clock: Clock) -> None:
    Pulse().stop()
    assert clock.timers == []


def test_a_service_that_is_behind_refuses(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pulse, "is_behind", lambda _: True)

    async def run() -> None:
        service = Service(settings)
        service.check_keeps_up()
        await service.open()
        with pytest.raises(QueueFull, match="more requests come than can be read"):
            service.check_keeps_up()
        await service.close()

    asyncio.run(run())
