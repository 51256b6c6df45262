"""Lanes on threads: side by side, and at rest."""

import asyncio
import os
import sys
import threading

import pytest

from mirage.service.threads import NICENESS
from tests.service.test_batcher import Bench, with_bench


def test_two_lanes_run_at_the_same_time() -> None:
    async def test(bench: Bench) -> None:
        tasks = [await bench.start(*range(4)), await bench.start(*range(4, 8))]
        await bench.batch_started()
        await bench.batch_started()
        bench.open()
        assert await asyncio.gather(*tasks) == [[0, 2, 4, 6], [8, 10, 12, 14]]

    with_bench(test, lanes=2)


def test_lanes_that_are_free_share_what_waits() -> None:
    async def test(bench: Bench) -> None:
        task = await bench.start(1, 2, 3)
        for _ in range(2):
            await bench.batch_started()
        bench.open()
        assert await task == [2, 4, 6]
        assert sorted(map(len, bench.engine.batches)) == [1, 2]

    with_bench(test, lanes=2)


def test_a_lane_without_work_gives_memory_back_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirage.service.threads.REST_AFTER_S", 0.01)

    async def test(bench: Bench) -> None:
        bench.open()
        await bench.submit(7)
        await asyncio.to_thread(bench.engine.rests.acquire)
        await bench.submit(7)
        await asyncio.to_thread(bench.engine.rests.acquire)
        assert not bench.engine.rests.acquire(blocking=False)

    with_bench(test)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
def test_lanes_let_the_event_loop_go_first() -> None:
    async def test(bench: Bench) -> None:
        await bench.occupy()
        own = os.getpriority(os.PRIO_PROCESS, 0)
        lane = next(thread for thread in threading.enumerate() if thread.name == "lane-0")
        assert lane.native_id is not None
        assert os.getpriority(os.PRIO_PROCESS, lane.native_id) == min(19, own + NICENESS)

    with_bench(test)
