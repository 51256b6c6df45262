"""Admission by deadline, the cost model, and the expiry of entries."""

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


def test_a_deadline_that_cannot_be_met_is_rejected_at_admission() -> None:
    async def test(bench: Bench) -> None:
        for items in (1, 2):
            bench.cost.learn(items, 1000.0 * items)
        with pytest.raises(DeadlineUnreachable) as caught:
            await bench.submit(1, 2, deadline=time.monotonic() + 500)
        assert caught.value.retry_after_s is not None
        assert caught.value.retry_after_s > 1000
        assert bench.engine.batches == []

    with_bench(test)


def test_trials_correct_a_wrong_estimate() -> None:
    async def test(bench: Bench) -> None:
        bench.cost.learn(1, 1000.0)
        bench.open()
        rejections = 0
        while rejections < 1000:
            with contextlib.suppress(DeadlineUnreachable):
                assert await bench.submit(3, deadline=time.monotonic() + 60) == [6]
                break
            rejections += 1
        assert 0 < rejections < 1000

    with_bench(test)


def test_rejections_do_not_change_the_estimate() -> None:
    """Trials do not either, until a batch has ended."""

    async def test(bench: Bench) -> None:
        bench.cost.learn(1, 1000.0)
        for _ in range(500):
            with contextlib.suppress(DeadlineUnreachable, DeadlinePassed):
                await bench.submit(1, deadline=time.monotonic() + 0.2)
        assert bench.cost.estimate_s(1) == 1000

    with_bench(test)


def test_a_deadline_in_the_past_is_rejected_at_admission() -> None:
    async def test(bench: Bench) -> None:
        bench.cost.learn(1, 1000.0)
        with pytest.raises(DeadlinePassed):
            await bench.submit(1, deadline=time.monotonic())
        assert bench.engine.batches == []

    with_bench(test)


def test_there_are_no_trials_while_a_batch_runs() -> None:
    """Under overload, all entries admitted as trials would be late."""

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
def test_a_queued_entry_is_expected_to_run_in_a_full_batch(
    allowed_s: float, is_admitted: bool
) -> None:
    """20 s for the running item, 80 s for a full batch, and the safety margin."""

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


def test_check_room_rejects_only_behind_a_full_batch() -> None:
    async def test(bench: Bench) -> None:
        first = await bench.occupy()
        bench.cost.learn(1, 20.0)
        bench.batcher.check_room(1)  # less than a full batch is queued
        others = [await bench.start(number) for number in range(1, 5)]
        bench.batcher.check_room(1000)
        with pytest.raises(DeadlineUnreachable):
            bench.batcher.check_room(100)
        bench.open()
        await asyncio.gather(first, *others)
        bench.batcher.check_room(0.001)

    with_bench(test)


def test_the_estimate_is_zero_before_any_batch() -> None:
    assert CostModel().estimate_s(100, 4) == 0


def test_a_linear_cost_is_found() -> None:
    cost = CostModel()
    for items in (1, 32, 8, 16):
        cost.learn(items, 0.005 + 0.001 * items)
    assert cost.fixed_s == pytest.approx(0.005)
    assert cost.estimate_s(64, batches=2) == pytest.approx(0.074)


def test_a_single_batch_size_is_attributed_to_the_items() -> None:
    cost = CostModel()
    for _ in range(50):
        cost.learn(8, 0.016)
    assert (cost.fixed_s, cost.item_s) == (0, pytest.approx(0.002))


def test_the_estimate_follows_a_machine_that_becomes_slower() -> None:
    cost = CostModel()
    for seconds in [0.001] * 20 + [0.01] * 100:
        for items in (1, 10):
            cost.learn(items, seconds * items)
    assert cost.estimate_s(10) == pytest.approx(0.1, rel=0.05)


def test_neither_part_of_the_cost_is_negative() -> None:
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


def test_entries_expire_at_their_deadlines_in_any_order() -> None:
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


def test_a_forgotten_entry_does_not_expire() -> None:
    async def test(deadlines: Deadlines) -> None:
        forgotten, watched = entry_of(0.01), entry_of(0.02)
        deadlines.watch(forgotten)
        deadlines.watch(watched)
        deadlines.forget(forgotten)
        with pytest.raises(DeadlinePassed):
            await watched.future
        assert not forgotten.future.done()

    with_deadlines(test)


def test_an_entry_past_its_deadline_expires_at_once() -> None:
    async def test(deadlines: Deadlines) -> None:
        entry = entry_of(-1)
        deadlines.watch(entry)
        with pytest.raises(DeadlinePassed):
            await entry.future

    with_deadlines(test)
