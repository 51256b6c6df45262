"""Requests wait until the event loop begins with them."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from types import SimpleNamespace

import pytest

from mirage.service.api.admission.pending_requests import AT_ONCE, LOOK_S, MAX_WAIT, PendingRequests
from mirage.service.errors import Overloaded

MOST = 10 * AT_ONCE


class Arrivals:
    """Requests that wait for their turn, and the order in which it came."""

    def __init__(self, pending: PendingRequests) -> None:
        self.pending = pending
        self.begun: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def arrive(self, count: int) -> None:
        """Let so many arrive in one iteration of the event loop."""
        for number in range(len(self.tasks), len(self.tasks) + count):
            self.tasks.append(asyncio.create_task(self._wait(number)))
        await asyncio.sleep(0)

    async def _wait(self, number: int) -> None:
        await self.pending.admit()
        self.begun.append(number)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=1000.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr("mirage.service.api.admission.pending_requests.time", clock)
    return clock


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scenario())  # type: ignore[arg-type]


def test_few_requests_begin_at_once() -> None:
    async def scenario() -> None:
        arrivals = Arrivals(PendingRequests(MOST))
        await arrivals.arrive(AT_ONCE)
        assert arrivals.begun == list(range(AT_ONCE))

    run(scenario)


def test_of_many_a_few_begin_in_each_iteration_in_order() -> None:
    async def scenario() -> None:
        arrivals = Arrivals(PendingRequests(MOST))
        await arrivals.arrive(3 * AT_ONCE)
        counts = [len(arrivals.begun)]
        while len(arrivals.begun) < 3 * AT_ONCE:
            await asyncio.sleep(0)
            counts.append(len(arrivals.begun))
        assert max(later - earlier for earlier, later in pairwise(counts)) <= AT_ONCE
        assert arrivals.begun == list(range(3 * AT_ONCE))

    run(scenario)


def test_what_arrives_later_does_not_overtake() -> None:
    async def scenario() -> None:
        arrivals = Arrivals(PendingRequests(MOST))
        await arrivals.arrive(2 * AT_ONCE)
        await arrivals.arrive(2 * AT_ONCE)
        await asyncio.gather(*arrivals.tasks)
        assert arrivals.begun == list(range(4 * AT_ONCE))

    run(scenario)


def test_none_begins_while_there_is_work_enough() -> None:
    async def scenario() -> None:
        saturated = True
        arrivals = Arrivals(PendingRequests(MOST, lambda: saturated))
        await arrivals.arrive(AT_ONCE + 1)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(arrivals.begun) == AT_ONCE
        saturated = False
        await asyncio.gather(*arrivals.tasks)
        assert len(arrivals.begun) == AT_ONCE + 1

    run(scenario)


def test_whoever_leaves_while_waiting_takes_no_turn() -> None:
    async def scenario() -> None:
        arrivals = Arrivals(PendingRequests(MOST))
        await arrivals.arrive(2 * AT_ONCE)
        for task in arrivals.tasks[AT_ONCE:-1]:
            task.cancel()
        await asyncio.wait(arrivals.tasks)
        assert arrivals.begun == [*range(AT_ONCE), 2 * AT_ONCE - 1]

    run(scenario)


def test_more_than_the_most_are_rejected() -> None:
    async def scenario() -> None:
        pending = PendingRequests(2, lambda: True)
        arrivals = Arrivals(pending)
        await arrivals.arrive(AT_ONCE + 1)
        pending.check_room(60.0)
        await arrivals.arrive(1)
        with pytest.raises(Overloaded, match="more requests arrive than can be started"):
            pending.check_room(60.0)
        for task in arrivals.tasks:
            task.cancel()

    run(scenario)


def test_who_would_wait_for_too_much_of_its_time_is_rejected(clock: SimpleNamespace) -> None:
    async def scenario() -> None:
        pending = PendingRequests(100 * AT_ONCE)
        arrivals = Arrivals(pending)
        await arrivals.arrive(50 * AT_ONCE)
        each_s = 2 * LOOK_S / AT_ONCE
        left = len(pending)
        for _ in range(40):
            await asyncio.sleep(0)
            clock.now += each_s * (left - len(pending))
            left = len(pending)
        wait_s = left * each_s
        assert wait_s > 0
        pending.check_room(1.1 * wait_s / MAX_WAIT)
        with pytest.raises(Overloaded) as caught:
            pending.check_room(0.9 * wait_s / MAX_WAIT)
        assert caught.value.retry_after_s == pytest.approx(wait_s, rel=0.05)
        await asyncio.gather(*arrivals.tasks)
        clock.now += 1000.0  # in which none waited, and nothing can be learned
        await arrivals.arrive(2 * AT_ONCE)
        pending.check_room(1.0)
        await asyncio.gather(*arrivals.tasks)

    run(scenario)


def test_a_stall_is_forgotten_after_bursts_without_one(clock: SimpleNamespace) -> None:
    async def scenario() -> None:
        pending = PendingRequests(100 * AT_ONCE)
        arrivals = Arrivals(pending)
        await arrivals.arrive(4 * AT_ONCE)
        await asyncio.sleep(0)
        clock.now += 20 * LOOK_S  # in which the event loop did not run
        await asyncio.gather(*arrivals.tasks)
        await arrivals.arrive(4 * AT_ONCE)
        allowed_s = 0.5 * LOOK_S
        with pytest.raises(Overloaded):
            pending.check_room(allowed_s)
        for _ in range(30):
            await arrivals.arrive(4 * AT_ONCE)
            await asyncio.gather(*arrivals.tasks)
        await arrivals.arrive(4 * AT_ONCE)
        pending.check_room(allowed_s)
        await asyncio.gather(*arrivals.tasks)

    run(scenario)
