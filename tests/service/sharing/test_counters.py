"""Workers that know of each other's requests and connections."""

import os
import time

import pytest

from mirage.service.sharing.counters import LATE_S, Phase, SharedCounters


def test_one_alone_is_told_from_none_and_many() -> None:
    counters = SharedCounters(2, cpus=4)
    found = [counters.is_one()]
    for change in (counters.join, counters.join, counters.leave, counters.leave):
        change()
        found.append(counters.is_one())
    assert found == [False, True, False, True, False]
    assert (counters.workers, counters.cpus) == (2, 4)


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The time in nanoseconds, which passes when told."""
    times = [10**9]
    monkeypatch.setattr(time, "monotonic_ns", lambda: times[-1])
    return times


def worker(counters: SharedCounters, number: int, connections: int) -> None:
    """Count as another worker would, and be number 0 again."""
    counters.place = number
    counters.set_connections(connections)
    counters.set_accepting(True)
    counters.beat()
    counters.place = 0


def test_the_worker_with_the_fewest_connections_is_told_from_the_others() -> None:
    counters = SharedCounters(3)
    for number, connections in enumerate((2, 2, 3)):
        worker(counters, number, connections)
    assert counters.has_fewest()
    worker(counters, 0, 3)
    assert not counters.has_fewest()


def test_workers_that_accept_nothing_are_not_waited_for() -> None:
    counters = SharedCounters(3)
    worker(counters, 0, 9)
    assert counters.has_fewest()  # the others have not begun yet
    for number in (1, 2):
        worker(counters, number, 0)
    assert not counters.has_fewest()
    counters.place = 1
    counters.set_accepting(False)  # it has as many as it may
    counters.clear(2)  # it has ended
    counters.place = 0
    assert counters.has_fewest()


def test_nor_is_one_whose_event_loop_is_blocked(now: list[int]) -> None:
    counters = SharedCounters(2)
    worker(counters, 1, 0)
    worker(counters, 0, 1)
    assert not counters.has_fewest()
    now.append(now[-1] + int(LATE_S * 1e9))
    assert counters.has_fewest()


def test_the_supervisor_tells_all_workers_their_phase_and_what_it_counted() -> None:
    counters = SharedCounters(2)
    assert (counters.phase, counters.ready, counters.lost, counters.failed_starts) == (
        Phase.LOADING,
        0,
        0,
        0,
    )
    if (pid := os.fork()) == 0:
        counters.take_place(1)
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
def test_another_process_counts_until_its_place_is_taken_anew() -> None:
    counters = SharedCounters(2, cpus=2)
    if (pid := os.fork()) == 0:
        counters.take_place(1)
        for _ in range(1000):
            counters.join()
        os._exit(0)  # lost with all that it had
    os.waitpid(pid, 0)
    counters.join()
    assert not counters.is_one()
    counters.take_place(1)
    counters.take_place(0)
    counters.join()
    assert counters.is_one()
