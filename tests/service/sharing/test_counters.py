"""Counters of requests and connections of all workers."""

import os
import time

import pytest

from mirage.service.sharing.counters import LATE_S, Phase, SharedCounters


def test_a_single_request_is_detected() -> None:
    counters = SharedCounters(2, cpus=4)
    found = [counters.has_single_request()]
    for change in (
        counters.begin_request,
        counters.begin_request,
        counters.end_request,
        counters.end_request,
    ):
        change()
        found.append(counters.has_single_request())
    assert found == [False, True, False, True, False]
    assert (counters.workers, counters.cpus) == (2, 4)


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The clock in nanoseconds: appending to the list advances it."""
    times = [10**9]
    monkeypatch.setattr(time, "monotonic_ns", lambda: times[-1])
    return times


def worker(counters: SharedCounters, number: int, connections: int) -> None:
    """Set the counters of a worker, and become worker 0 again."""
    counters.worker = number
    counters.set_connections(connections)
    counters.set_accepting(True)
    counters.beat()
    counters.worker = 0


def test_the_worker_with_the_fewest_connections_is_known() -> None:
    counters = SharedCounters(3)
    for number, connections in enumerate((2, 2, 3)):
        worker(counters, number, connections)
    assert counters.has_fewest()
    worker(counters, 0, 3)
    assert not counters.has_fewest()


def test_workers_that_do_not_accept_are_ignored() -> None:
    counters = SharedCounters(3)
    worker(counters, 0, 9)
    assert counters.has_fewest()  # the others have not started yet
    for number in (1, 2):
        worker(counters, number, 0)
    assert not counters.has_fewest()
    counters.worker = 1
    counters.set_accepting(False)  # it has as many connections as are allowed
    counters.clear(2)  # it has ended
    counters.worker = 0
    assert counters.has_fewest()


def test_workers_whose_event_loop_is_blocked_are_ignored(now: list[int]) -> None:
    counters = SharedCounters(2)
    worker(counters, 1, 0)
    worker(counters, 0, 1)
    assert not counters.has_fewest()
    now.append(now[-1] + int(LATE_S * 1e9))
    assert counters.has_fewest()


def test_phase_and_counters_are_shared_by_all_processes() -> None:
    counters = SharedCounters(2)
    assert (counters.phase, counters.ready, counters.lost, counters.failed_starts) == (
        Phase.LOADING,
        0,
        0,
        0,
    )
    if (pid := os.fork()) == 0:
        counters.set_worker(1)
        counters.beat()
        counters.phase = Phase.DRAINING
        counters.count_lost()
        counters.count_failed_start()
        os._exit(0)
    os.waitpid(pid, 0)
    assert (counters.phase, counters.ready, counters.lost, counters.failed_starts) == (
        Phase.DRAINING,
        1,
        1,
        1,
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_the_counters_of_an_ended_worker_are_reset() -> None:
    counters = SharedCounters(2, cpus=2)
    if (pid := os.fork()) == 0:
        counters.set_worker(1)
        for _ in range(1000):
            counters.begin_request()
        os._exit(0)  # ends without ending its requests
    os.waitpid(pid, 0)
    counters.begin_request()
    assert not counters.has_single_request()
    counters.set_worker(1)
    counters.set_worker(0)
    counters.begin_request()
    assert counters.has_single_request()
