"""The cohort wait, and runners on threads."""

import asyncio
import gc
import math
import os
import sys
import threading
import weakref

import numpy as np
import pytest

from mirage.service.batching.threaded_executor import NICENESS, PROBE_EVERY, CohortWait
from tests.service.batching.test_batcher import Bench, with_bench


def finish(cohort: CohortWait, saving_s: float = 1.0) -> float:
    """End a batch of 2 at second 10 with 3 queued, and return the wait in seconds."""
    cohort.batch_done(answered=2, queued=3, saving_s=saving_s, now=10.0)
    return cohort.until - 10.0


def test_it_waits_for_answered_and_queued_items() -> None:
    cohort = CohortWait(0.25)
    assert finish(cohort) == 0.25
    assert cohort.target == 5


def test_it_never_waits_longer_than_one_batch_less_saves() -> None:
    assert finish(CohortWait(0.25), saving_s=0.125) == 0.125


def test_it_stops_waiting_for_clients_that_do_not_return_but_probes() -> None:
    cohort = CohortWait(0.25)
    for _ in range(10):
        cohort.waited(came_back=False)
    waits = [finish(cohort) for _ in range(PROBE_EVERY)]
    assert waits == [0.0] * (PROBE_EVERY - 1) + [0.25]


def test_it_waits_again_once_clients_return() -> None:
    cohort = CohortWait(0.25)
    for came_back in [False] * 20 + [True] * 20:
        cohort.waited(came_back=came_back)
    assert finish(cohort) == 0.25


def test_two_runners_run_at_the_same_time() -> None:
    async def test(bench: Bench) -> None:
        tasks = [await bench.start(*range(4)), await bench.start(*range(4, 8))]
        await bench.batch_started()
        await bench.batch_started()
        bench.open()
        assert await asyncio.gather(*tasks) == [[0, 2, 4, 6], [8, 10, 12, 14]]

    with_bench(test, runners=2)


def test_free_runners_share_the_queued_items() -> None:
    async def test(bench: Bench) -> None:
        task = await bench.start(1, 2, 3)
        for _ in range(2):
            await bench.batch_started()
        bench.open()
        assert await task == [2, 4, 6]
        assert sorted(map(len, bench.engine.batches)) == [1, 2]

    with_bench(test, runners=2)


class Rows:
    """An item that is made when a batch takes it."""

    shape = (1,)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, _rows: slice) -> np.ndarray:
        return np.array([7])


def test_idle_runners_keep_no_entry() -> None:
    """An entry may hold a large picture of a client."""

    async def test(bench: Bench) -> None:
        bench.open()
        freed = threading.Semaphore(0)
        for _ in range(4):
            rows = Rows()
            weakref.finalize(rows, freed.release)
            await bench.batcher.submit((rows,), math.inf)
            del rows
        gc.collect()
        for _ in range(4):
            await asyncio.to_thread(freed.acquire)

    with_bench(test, runners=2)


def test_an_idle_runner_releases_memory_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirage.service.batching.threaded_executor.RELEASE_AFTER_S", 0.01)

    async def test(bench: Bench) -> None:
        bench.open()
        await bench.submit(7)
        await asyncio.to_thread(bench.engine.releases.acquire)
        await bench.submit(7)
        await asyncio.to_thread(bench.engine.releases.acquire)
        assert not bench.engine.releases.acquire(blocking=False)

    with_bench(test)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
def test_runners_have_a_lower_priority_than_the_event_loop() -> None:
    async def test(bench: Bench) -> None:
        await bench.occupy()
        own = os.getpriority(os.PRIO_PROCESS, 0)
        thread = next(thread for thread in threading.enumerate() if thread.name == "runner-0")
        assert thread.native_id is not None
        assert os.getpriority(os.PRIO_PROCESS, thread.native_id) == min(19, own + NICENESS)

    with_bench(test)
