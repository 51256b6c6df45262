"""When waiting for just answered clients pays."""

import asyncio
import os
import sys
import threading

import pytest

from mirage.service.batching.threaded_executor import NICENESS, PROBE_EVERY, CohortWait
from tests.service.batching.test_batcher import Bench, with_bench


def finish(linger: CohortWait, worth_s: float = 1.0) -> float:
    """A batch of 2 finishes at second 10 with 3 queued; returns the wait in seconds."""
    linger.batch_done(answered=2, queued=3, worth_s=worth_s, now=10.0)
    return linger.until - 10.0


def test_it_waits_for_the_answered_beside_the_queued() -> None:
    linger = CohortWait(0.25)
    assert finish(linger) == 0.25
    assert linger.target == 5


def test_it_never_waits_longer_than_a_batch_less_would_save() -> None:
    assert finish(CohortWait(0.25), worth_s=0.125) == 0.125


def test_it_gives_up_on_clients_that_do_not_come_back_but_tries_again() -> None:
    linger = CohortWait(0.25)
    for _ in range(10):
        linger.waited(came_back=False)
    waits = [finish(linger) for _ in range(PROBE_EVERY)]
    assert waits == [0.0] * (PROBE_EVERY - 1) + [0.25]


def test_it_learns_that_clients_come_back_again() -> None:
    linger = CohortWait(0.25)
    for came_back in [False] * 20 + [True] * 20:
        linger.waited(came_back=came_back)
    assert finish(linger) == 0.25


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
    monkeypatch.setattr("mirage.service.batching.executor.REST_AFTER_S", 0.01)

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
