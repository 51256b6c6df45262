"""Streamed entries: rows in parts."""

import asyncio
import time
from collections.abc import AsyncGenerator

import numpy as np
import pytest

from mirage.service.batching.queue import EntryResult
from mirage.service.errors import DeadlinePassed, InternalError, Overloaded
from tests.service.batching.test_batcher import Bench, with_bench


def stream(bench: Bench, count: int, deadline: float | None = None) -> AsyncGenerator[EntryResult]:
    deadline = time.monotonic() + 600 if deadline is None else deadline
    return bench.batcher.stream((np.arange(count),), deadline)


def test_parts_arrive_in_order_as_batches_finish() -> None:
    async def test(bench: Bench) -> None:
        parts = stream(bench, 10)
        bench.engine.permits.release()
        first = await anext(parts)
        assert first.rows.tolist() == [0, 2, 4, 6]
        bench.open()
        rest = [part async for part in parts]
        assert np.concatenate([part.rows for part in rest]).tolist() == [8, 10, 12, 14, 16, 18]
        assert rest[-1].run_s >= first.run_s >= 0

    with_bench(test)


def test_runners_that_finish_out_of_order_keep_the_order() -> None:
    async def test(bench: Bench) -> None:
        bench.open()
        rows = [part.rows async for part in stream(bench, 12)]
        assert np.concatenate(rows).tolist() == list(range(0, 24, 2))

    with_bench(test, runners=3)


def test_either_all_items_are_admitted_or_none() -> None:
    async def test(bench: Bench) -> None:
        with pytest.raises(Overloaded):
            await anext(stream(bench, 13))
        assert bench.batcher.waiting == 0

    with_bench(test)


def test_a_batch_that_fails_ends_the_stream_after_the_parts_before_it() -> None:
    async def test(bench: Bench) -> None:
        bench.engine.bad_item = 5
        parts = stream(bench, 12)
        bench.engine.permits.release()
        assert (await anext(parts)).rows.tolist() == [0, 2, 4, 6]
        bench.open()
        with pytest.raises(InternalError):
            await anext(parts)

    with_bench(test)


def test_at_the_deadline_the_stream_fails_and_its_items_leave_the_queue() -> None:
    async def test(bench: Bench) -> None:
        parts = stream(bench, 8, deadline=time.monotonic() + 0.05)
        with pytest.raises(DeadlinePassed):
            await anext(parts)
        assert bench.batcher.waiting == 0

    with_bench(test)


def test_the_items_of_a_closed_stream_leave_the_queue() -> None:
    async def test(bench: Bench) -> None:
        parts = stream(bench, 12)
        bench.engine.permits.release()
        await anext(parts)
        await asyncio.to_thread(bench.engine.started.acquire)
        await asyncio.to_thread(bench.engine.started.acquire)
        await parts.aclose()
        assert bench.batcher.waiting == 0
        bench.open()
        assert await bench.submit(7) == [14]
        assert [batch[-1] for batch in bench.engine.batches] == [3, 7, 7]

    with_bench(test)


def test_no_more_is_made_than_the_caller_is_ahead() -> None:
    async def test(bench: Bench) -> None:
        bench.open()
        deadline = time.monotonic() + 600
        parts = bench.batcher.stream((np.arange(12),), deadline, 1, 4)
        first = await anext(parts)
        assert first.rows.tolist() == [0, 2, 4, 6]
        assert await bench.submit(7) == [14]  # the engine is free meanwhile
        assert bench.engine.batches == [[0, 1, 2, 3], [7]]
        rest = [row async for part in parts for row in part.rows.tolist()]
        assert rest == list(range(8, 24, 2))

    with_bench(test)


def test_a_caller_who_leaves_while_it_pauses_leaves_nothing() -> None:
    async def test(bench: Bench) -> None:
        bench.open()
        parts = bench.batcher.stream((np.arange(12),), time.monotonic() + 600, 1, 4)
        await anext(parts)
        await parts.aclose()
        assert bench.batcher.waiting == 0
        assert await bench.submit(7) == [14]

    with_bench(test)


def test_what_pauses_is_finished_when_the_batcher_closes() -> None:
    async def test(bench: Bench) -> None:
        bench.open()
        parts = bench.batcher.stream((np.arange(12),), time.monotonic() + 600, 1, 4)
        first = await anext(parts)
        closing = asyncio.create_task(bench.batcher.close())
        rest = [row async for part in parts for row in part.rows.tolist()]
        assert [*first.rows.tolist(), *rest] == list(range(0, 24, 2))
        await closing

    with_bench(test, runners=2)
