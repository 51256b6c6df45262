"""Admission by deadline: what cannot be done in time is rejected at once."""

import asyncio
import contextlib
import time

import pytest

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
