"""The batcher on an engine whose batches the test releases."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mirage.service.batching.batcher import Batcher, BatchOptions
from mirage.service.batching.cost_model import CostModel
from mirage.service.batching.queue import Arrays, EntryResult
from mirage.service.errors import DeadlinePassed, Draining, InternalError, Overloaded

Test = Callable[["Bench"], Awaitable[None]]


class GatedEngine:
    """Doubles its items; each batch waits for a permit."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.started = threading.Semaphore(0)
        self.permits = threading.Semaphore(0)
        self.releases = threading.Semaphore(0)
        self.bad_item: int | None = None

    def __call__(self, arrays: Arrays) -> NDArray[Any]:
        items = arrays[0]
        self.batches.append(items.tolist())
        self.started.release()
        self.permits.acquire()
        if self.bad_item in items:
            raise RuntimeError("a bad item")
        return items * 2

    def release_memory(self) -> None:
        self.releases.release()


class Bench:
    """A batcher with batches of 4 and a queue of 12 items, on a gated engine."""

    def __init__(self, runners: int = 1, linger_s: float = 0.0) -> None:
        self.engine = GatedEngine()
        self.cost = CostModel()
        self.observed: list[int] = []
        options = BatchOptions(max_batch_size=4, max_queue_size=12, linger_s=linger_s)
        runs = [self.engine] * runners
        self.batcher = Batcher(runs, options, self.cost, lambda n, _s: self.observed.append(n))

    async def submit(self, *items: int, deadline: float | None = None) -> list[int]:
        return (await self.result(*items, deadline=deadline)).rows.tolist()

    async def result(self, *items: int, deadline: float | None = None) -> EntryResult:
        if deadline is None:
            deadline = time.monotonic() + 600
        return await self.batcher.submit((np.array(items),), deadline)

    async def start(self, *items: int, deadline: float | None = None) -> "asyncio.Task[list[int]]":
        """Start a caller, and return once its items are in the queue."""
        task = asyncio.create_task(self.submit(*items, deadline=deadline))
        await asyncio.sleep(0)
        return task

    async def occupy(self) -> "asyncio.Task[list[int]]":
        """Start a caller with the item 0, and return once the engine runs it."""
        task = await self.start(0)
        await self.batch_started()
        return task

    async def batch_started(self) -> None:
        await asyncio.to_thread(self.engine.started.acquire)

    def open(self) -> None:
        """Permit all further batches."""
        self.engine.permits.release(1000)


def with_bench(test: Test, **options: Any) -> None:
    async def run() -> None:
        bench = Bench(**options)
        try:
            await test(bench)
        finally:
            bench.open()
            await bench.batcher.close()

    asyncio.run(asyncio.wait_for(run(), 60))


def test_a_single_entry_runs_at_once() -> None:
    async def test(bench: Bench) -> None:
        bench.open()
        assert await bench.submit(7) == [14]
        assert bench.observed == [1]

    with_bench(test)


def test_small_entries_are_merged_and_each_gets_its_own_rows() -> None:
    async def test(bench: Bench) -> None:
        first = await bench.occupy()
        others = [await bench.start(n, n + 10) for n in (1, 2)]
        bench.open()
        assert await asyncio.gather(first, *others) == [[0], [2, 22], [4, 24]]
        assert bench.engine.batches == [[0], [1, 11, 2, 12]]

    with_bench(test)


def test_a_large_entry_is_split_and_its_rows_keep_their_order() -> None:
    async def test(bench: Bench) -> None:
        bench.open()
        assert await bench.submit(*range(11)) == list(range(0, 22, 2))
        assert [len(batch) for batch in bench.engine.batches] == [4, 4, 3]

    with_bench(test)


def test_a_single_item_does_not_wait_behind_a_large_entry() -> None:
    async def test(bench: Bench) -> None:
        first = await bench.occupy()
        large = await bench.start(*range(10, 20))
        single = await bench.start(1)
        bench.open()
        await asyncio.gather(first, large, single)
        assert 1 in bench.engine.batches[1]

    with_bench(test)


def test_an_entry_that_exceeds_the_queue_is_rejected_at_once() -> None:
    async def test(bench: Bench) -> None:
        first = await bench.occupy()
        waiting = await bench.start(*range(10))
        with pytest.raises(Overloaded, match="limit of 12") as caught:
            await bench.submit(1, 2, 3)
        assert caught.value.retry_after_s is not None
        fitting = await bench.start(1, 2)
        bench.open()
        await asyncio.gather(first, waiting, fitting)
        assert bench.batcher.waiting == 0

    with_bench(test)


def test_a_cancelled_caller_frees_its_items_and_affects_no_other() -> None:
    async def test(bench: Bench) -> None:
        first = await bench.occupy()
        tasks = [await bench.start(n, n) for n in range(1, 5)]
        tasks[1].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[1]
        assert bench.batcher.waiting == 6
        bench.open()
        others = [first, tasks[0], tasks[2], tasks[3]]
        assert await asyncio.gather(*others) == [[0], [2, 2], [6, 6], [8, 8]]
        assert all(2 not in batch for batch in bench.engine.batches)

    with_bench(test)


def test_a_caller_cancelled_during_its_batch_affects_no_other() -> None:
    async def test(bench: Bench) -> None:
        first = await bench.occupy()
        second = await bench.start(5)
        first.cancel()
        bench.open()
        assert await second == [10]

    with_bench(test)


def test_a_large_entry_that_is_cancelled_halfway_stops_running() -> None:
    async def test(bench: Bench) -> None:
        large = await bench.start(*range(10))
        await bench.batch_started()
        large.cancel()
        await asyncio.wait([large])
        bench.open()
        assert await bench.submit(99) == [198]
        assert bench.engine.batches == [[0, 1, 2, 3], [99]]

    with_bench(test)


def test_an_entry_whose_deadline_passes_in_the_queue_is_dropped() -> None:
    async def test(bench: Bench) -> None:
        first = await bench.occupy()
        with pytest.raises(DeadlinePassed):
            await bench.submit(5, deadline=time.monotonic() + 0.01)
        bench.open()
        await first
        assert bench.engine.batches == [[0]]

    with_bench(test)


def test_a_failing_batch_fails_its_own_entries_only(caplog: pytest.LogCaptureFixture) -> None:
    async def test(bench: Bench) -> None:
        bench.engine.bad_item = 13
        bad = await bench.start(13)
        await bench.batch_started()
        neighbours = [await bench.start(1, 1), await bench.start(2, 2)]
        bench.open()
        results = await asyncio.gather(bad, *neighbours, return_exceptions=True)
        assert isinstance(results[0], InternalError)
        assert results[1:] == [[2, 2], [4, 4]]
        assert "a bad item" not in results[0].detail

    with_bench(test)
    assert "a bad item" in caplog.text


def test_a_large_entry_fails_if_one_of_its_batches_fails() -> None:
    async def test(bench: Bench) -> None:
        bench.engine.bad_item = 5
        bench.open()
        with pytest.raises(InternalError):
            await bench.submit(*range(12))
        assert bench.batcher.waiting == 0
        assert await bench.submit(1) == [2]
        assert [8, 9, 10, 11] not in bench.engine.batches

    with_bench(test)


def test_a_batch_with_missing_rows_fails() -> None:
    async def run() -> None:
        options = BatchOptions(4, 12, 0.0)
        batcher = Batcher(
            [lambda arrays: arrays[0][:-1]], options, CostModel(), lambda _n, _s: None
        )
        with pytest.raises(InternalError):
            await batcher.submit((np.arange(3),), time.monotonic() + 600)
        await batcher.close()

    asyncio.run(run())


def test_close_finishes_queued_entries_and_rejects_new_ones() -> None:
    async def test(bench: Bench) -> None:
        tasks = [await bench.occupy(), await bench.start(1), await bench.start(*range(8))]
        closing = asyncio.create_task(bench.batcher.close())
        await asyncio.sleep(0)
        with pytest.raises(Draining):
            await bench.submit(5)
        bench.open()
        await closing
        assert all(task.done() for task in tasks)
        assert await tasks[1] == [2]

    with_bench(test)


def test_a_free_runner_waits_for_clients_that_come_back() -> None:
    async def test(bench: Bench) -> None:
        for items in (1, 2, 4):
            bench.cost.learn(items, 1000.0)  # one batch less saves a lot
        first = await bench.start(1, deadline=time.monotonic() + 10**6)
        await bench.batch_started()
        second = await bench.start(2, deadline=time.monotonic() + 10**6)
        bench.engine.permits.release()
        await first
        third = await bench.start(3, deadline=time.monotonic() + 10**6)
        bench.open()
        assert await asyncio.gather(second, third) == [[4], [6]]
        assert bench.engine.batches == [[1], [2, 3]]

    with_bench(test, linger_s=500.0)


def test_a_result_has_queue_and_run_times() -> None:
    async def test(bench: Bench) -> None:
        bench.open()
        result = await bench.result(1, 2)
        assert result.queue_s >= 0
        assert result.run_s > 0

    with_bench(test)


def test_oldest_s_and_running_s() -> None:
    async def test(bench: Bench) -> None:
        assert (bench.batcher.oldest_s(), bench.batcher.running_s()) == (0, 0)
        first = await bench.occupy()
        running_s = bench.batcher.running_s()
        assert bench.batcher.oldest_s() == 0
        older = await bench.start(1)
        oldest_s = bench.batcher.oldest_s()
        await bench.start(2)
        assert bench.batcher.oldest_s() > oldest_s > 0
        assert bench.batcher.running_s() > running_s > 0
        bench.open()
        await asyncio.gather(first, older)
        assert (bench.batcher.oldest_s(), bench.batcher.running_s()) == (0, 0)

    with_bench(test)
