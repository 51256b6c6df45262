"""What the batcher takes in, by when it expects to have made it."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from mirage.service.batching.admission import CostModel, Deadlines
from mirage.service.batching.queue import Entry
from mirage.service.errors import DeadlinePassed, DeadlineUnreachable
from tests.service.batching.test_batcher import Bench, with_bench


def test_a_deadline_that_cannot_be_met_is_refused_at_admission() -> None:
    async def test(bench: Bench) -> None:
        for items in (1, 2):
            bench.cost.learn(items, 1000.0 * items)
        with pytest.raises(DeadlineUnreachable) as caught:
            await bench.submit(1, 2, deadline=time.monotonic() + 500)
        assert caught.value.retry_after_s is not None
        assert caught.value.retry_after_s > 1000
        assert bench.engine.batches == []

    with_bench(test)


def test_refusals_end_when_the_belief_behind_them_was_wrong() -> None:
    async def test(bench: Bench) -> None:
        bench.cost.learn(1, 1000.0)
        bench.open()
        refusals = 0
        while refusals < 1000:
            with contextlib.suppress(DeadlineUnreachable):
                assert await bench.submit(3, deadline=time.monotonic() + 60) == [6]
                break
            refusals += 1
        assert 0 < refusals < 1000

    with_bench(test)


def test_refusals_leave_what_was_measured_as_it_is() -> None:
    """Nor do those that are tried change it, as long as no batch has ended."""

    async def test(bench: Bench) -> None:
        bench.cost.learn(1, 1000.0)
        for _ in range(500):
            with contextlib.suppress(DeadlineUnreachable, DeadlinePassed):
                await bench.submit(1, deadline=time.monotonic() + 0.2)
        assert bench.cost.estimate_s(1) == 1000

    with_bench(test)


def test_a_deadline_that_is_over_at_admission_has_passed() -> None:
    async def test(bench: Bench) -> None:
        bench.cost.learn(1, 1000.0)
        with pytest.raises(DeadlinePassed):
            await bench.submit(1, deadline=time.monotonic())
        assert bench.engine.batches == []

    with_bench(test)


def test_refusals_beside_work_leave_the_belief_as_it_is() -> None:
    """For they are many under too much load, and all that was admitted then would be late."""

    async def test(bench: Bench) -> None:
        first = await bench.occupy()
        bench.cost.learn(1, 1000.0)
        for _ in range(20):
            with pytest.raises(DeadlineUnreachable):
                await bench.submit(1, deadline=time.monotonic() + 60)
        assert bench.cost.estimate_s(1) == 1000
        bench.open()
        await first

    with_bench(test)


@pytest.mark.parametrize(("allowed_s", "is_admitted"), [(80, False), (140, True)])
def test_behind_others_an_entry_is_expected_to_share_a_full_batch_with_later_ones(
    allowed_s: float, is_admitted: bool
) -> None:
    """Twenty seconds of the item under way, eighty of a full batch, and some more by caution."""

    async def test(bench: Bench) -> None:
        bench.cost.learn(1, 20.0)
        first = await bench.occupy()
        second = await bench.start(1, deadline=time.monotonic() + allowed_s)
        bench.open()
        await first
        if is_admitted:
            assert await second == [2]
        else:
            with pytest.raises(DeadlineUnreachable):
                await second

    with_bench(test)


def test_room_is_looked_for_only_behind_a_full_batch() -> None:
    async def test(bench: Bench) -> None:
        first = await bench.occupy()
        bench.cost.learn(1, 20.0)
        bench.batcher.check_room(1)  # the next batch tells what is true
        others = [await bench.start(number) for number in range(1, 5)]
        bench.batcher.check_room(1000)
        with pytest.raises(DeadlineUnreachable):
            bench.batcher.check_room(100)
        bench.open()
        await asyncio.gather(first, *others)
        bench.batcher.check_room(0.001)

    with_bench(test)


def test_nothing_known_costs_nothing() -> None:
    assert CostModel().estimate_s(100, 4) == 0


def test_a_straight_line_is_found() -> None:
    cost = CostModel()
    for items in (1, 32, 8, 16):
        cost.learn(items, 0.005 + 0.001 * items)
    assert cost.fixed_s == pytest.approx(0.005)
    assert cost.estimate_s(64, batches=2) == pytest.approx(0.074)


def test_batches_of_one_size_are_all_items() -> None:
    cost = CostModel()
    for _ in range(50):
        cost.learn(8, 0.016)
    assert (cost.fixed_s, cost.item_s) == (0, pytest.approx(0.002))


def test_a_machine_that_became_slower_is_noticed() -> None:
    cost = CostModel()
    for seconds in [0.001] * 20 + [0.01] * 100:
        for items in (1, 10):
            cost.learn(items, seconds * items)
    assert cost.estimate_s(10) == pytest.approx(0.1, rel=0.05)


def test_no_part_of_the_cost_is_negative() -> None:
    falling, steep = CostModel(), CostModel()
    for items, seconds in ((1, 0.01), (2, 0.001)):
        falling.learn(items, seconds)
    for items, seconds in ((1, 0.001), (10, 0.1)):
        steep.learn(items, seconds)
    assert min(falling.fixed_s, falling.item_s, steep.fixed_s, steep.item_s) >= 0


Test = Callable[[Deadlines], Awaitable[None]]


def with_deadlines(test: Test) -> None:
    async def run() -> None:
        deadlines = Deadlines(asyncio.get_running_loop())
        try:
            await test(deadlines)
        finally:
            deadlines.close()

    asyncio.run(asyncio.wait_for(run(), 60))


def entry_of(seconds: float) -> Entry:
    now = time.monotonic()
    return Entry((np.zeros(1),), now + seconds, now)


def test_entries_expire_at_their_deadlines_whatever_their_order() -> None:
    async def test(deadlines: Deadlines) -> None:
        late, soon = entry_of(0.02), entry_of(0.01)
        far = entry_of(600)
        for entry in (far, late, soon):
            deadlines.watch(entry)
        for entry in (soon, late):
            with pytest.raises(DeadlinePassed):
                await entry.future
            assert time.monotonic() >= entry.deadline
        assert not far.future.done()

    with_deadlines(test)


def test_one_that_is_forgotten_does_not_expire() -> None:
    async def test(deadlines: Deadlines) -> None:
        forgotten, watched = entry_of(0.01), entry_of(0.02)
        deadlines.watch(forgotten)
        deadlines.watch(watched)
        deadlines.forget(forgotten)
        with pytest.raises(DeadlinePassed):
            await watched.future
        assert not forgotten.future.done()

    with_deadlines(test)


def test_one_that_is_late_already_expires() -> None:
    async def test(deadlines: Deadlines) -> None:
        entry = entry_of(-1)
        deadlines.watch(entry)
        with pytest.raises(DeadlinePassed):
            await entry.future

    with_deadlines(test)
