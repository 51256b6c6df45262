"""Batches that run on the event loop."""

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
from mirage.service.batching.inline_executor import MAX_BLOCK_S, MIN_INLINE_ITEMS, SATURATED_AT
from mirage.service.batching.queue import Arrays
from mirage.service.errors import Draining, InternalError

Test = Callable[["Bench"], Awaitable[None]]


class Engine:
    """Doubles its items; records its batches and the threads that it ran on."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.threads: set[str] = set()
        self.released = asyncio.Event()

    def __call__(self, arrays: Arrays) -> NDArray[Any]:
        self.batches.append(arrays[0].tolist())
        self.threads.add(threading.current_thread().name)
        if 13 in arrays[0]:
            raise RuntimeError("a bad item")
        return arrays[0] * 2

    def release_memory(self) -> None:
        self.released.set()


class Bench:
    """A batcher that may run batches on the event loop."""

    def __init__(self, cost: CostModel, max_batch_size: int) -> None:
        self.engine = Engine()
        options = BatchOptions(max_batch_size, 64, 0.0, inline=True)
        self.batcher = Batcher([self.engine], options, cost, lambda _n, _s: None)

    async def submit(self, *items: int) -> list[int]:
        result = await self.batcher.submit((np.array(items),), time.monotonic() + 600)
        return result.rows.tolist()


def with_bench(test: Test, cost: CostModel | None = None, max_batch_size: int = 8) -> None:
    async def run() -> None:
        bench = Bench(cost or CostModel(), max_batch_size)
        try:
            await test(bench)
        finally:
            await bench.batcher.close()

    asyncio.run(asyncio.wait_for(run(), 60))


def test_the_engine_runs_on_the_event_loop() -> None:
    async def test(bench: Bench) -> None:
        assert await bench.submit(7) == [14]
        assert bench.engine.threads == {threading.current_thread().name}

    with_bench(test)


def test_all_entries_of_one_iteration_form_one_batch() -> None:
    async def test(bench: Bench) -> None:
        rows = await asyncio.gather(*(bench.submit(n) for n in range(5)))
        assert rows == [[0], [2], [4], [6], [8]]
        assert bench.engine.batches == [[0, 1, 2, 3, 4]]

    with_bench(test)


def test_an_entry_larger_than_a_batch_runs_in_several_in_order() -> None:
    async def test(bench: Bench) -> None:
        assert await bench.submit(*range(14, 34)) == list(range(28, 68, 2))
        assert [len(batch) for batch in bench.engine.batches] == [8, 8, 4]

    with_bench(test)


def test_other_coroutines_run_between_two_batches() -> None:
    async def test(bench: Bench) -> None:
        seen: list[int] = []

        async def look() -> None:
            while not large.done():
                seen.append(len(bench.engine.batches))
                await asyncio.sleep(0)

        large = asyncio.create_task(bench.submit(*range(20, 60)))
        await look()
        assert {1, 2, 3, 4} <= set(seen)

    with_bench(test)


def test_batches_are_small_enough_not_to_block_the_event_loop() -> None:
    cost = CostModel()
    for items in (1, 2, 4, 8):
        cost.learn(items, 0.99 * items * MAX_BLOCK_S / MIN_INLINE_ITEMS)

    async def test(bench: Bench) -> None:
        await bench.submit(*range(20, 40))
        assert len(bench.engine.batches[0]) == MIN_INLINE_ITEMS

    with_bench(test, cost, max_batch_size=32)


def test_many_entries_saturate_and_a_large_one_does_not() -> None:
    async def test(bench: Bench) -> None:
        def ask(count: int, *items: int) -> list[asyncio.Task[list[int]]]:
            return [asyncio.create_task(bench.submit(*items)) for _ in range(count)]

        large = ask(1, *range(20, 20 + SATURATED_AT))
        await asyncio.sleep(0)
        assert not bench.batcher.is_saturated()
        await asyncio.gather(*large)
        many = ask(SATURATED_AT, 7)
        await asyncio.sleep(0)
        assert bench.batcher.is_saturated()
        await asyncio.gather(*many)
        assert not bench.batcher.is_saturated()

    with_bench(test)


def test_long_batches_run_on_a_thread() -> None:
    cost = CostModel()
    cost.learn(1, MAX_BLOCK_S)

    async def test(bench: Bench) -> None:
        assert await bench.submit(7) == [14]
        assert bench.engine.threads == {"runner-0"}

    with_bench(test, cost)


def test_a_failing_batch_fails_its_own_entries_only(caplog: pytest.LogCaptureFixture) -> None:
    async def test(bench: Bench) -> None:
        with pytest.raises(InternalError):
            await bench.submit(*range(10, 30))
        assert await bench.submit(1) == [2]
        assert bench.batcher.waiting == 0

    with_bench(test)
    assert "a bad item" in caplog.text


def test_close_finishes_queued_entries_and_rejects_new_ones() -> None:
    async def test(bench: Bench) -> None:
        task = asyncio.create_task(bench.submit(*range(20, 50)))
        await asyncio.sleep(0)
        await bench.batcher.close()
        assert await task == list(range(40, 100, 2))
        with pytest.raises(Draining):
            await bench.submit(1)

    with_bench(test)


def test_an_idle_runner_releases_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirage.service.batching.inline_executor.RELEASE_AFTER_S", 0.01)

    async def test(bench: Bench) -> None:
        await bench.submit(7)
        await bench.engine.released.wait()

    with_bench(test)
