"""When what a worker counts is in its files."""

import asyncio
import re
import threading

from mirage.service.telemetry.metrics import Metrics
from tests.service.conftest import JoinWorker

SECONDS = re.compile(rb"mirage_request_duration_seconds_sum (\S+)")


def written(metrics: Metrics) -> float:
    """The seconds of all requests that have been counted, as all workers read them."""
    found = SECONDS.search(metrics.exposition())
    assert found is not None
    return float(found[1])


def test_what_is_counted_in_an_iteration_is_written_in_the_next(worker: JoinWorker) -> None:
    metrics = Metrics(worker(0))

    async def run() -> None:
        for number in range(3):
            for _ in range(4):
                metrics.count_request(200, 0.5)
            assert written(metrics) == 2 * number
            await asyncio.sleep(0)
            assert written(metrics) == 2 * (number + 1)

    asyncio.run(run())


def test_the_last_iteration_is_written_too(worker: JoinWorker) -> None:
    metrics = Metrics(worker(0))

    async def run() -> None:
        metrics.count_request(200, 0.5)

    asyncio.run(run())
    assert written(metrics) == 0.5


def test_other_threads_write_at_once(worker: JoinWorker) -> None:
    metrics = Metrics(worker(0))

    async def run() -> None:
        metrics.count_request(200, 0.5)
        thread = threading.Thread(target=metrics.count_request, args=(200, 1.5))
        thread.start()
        thread.join()
        assert written(metrics) == 1.5
        await asyncio.sleep(0)
        assert written(metrics) == 2

    asyncio.run(run())
