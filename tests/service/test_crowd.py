"""Workers that know of each other's requests and connections."""

import os
import time

import pytest

from mirage.service.crowd import LATE_S, Crowd, Phase


def test_one_alone_is_told_from_none_and_many() -> None:
    crowd = Crowd(2, cpus=4)
    found = [crowd.is_one()]
    for change in (crowd.join, crowd.join, crowd.leave, crowd.leave):
        change()
        found.append(crowd.is_one())
    assert found == [False, True, False, True, False]
    assert (crowd.workers, crowd.cpus) == (2, 4)


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The time in nanoseconds, which passes when told."""
    times = [10**9]
    monkeypatch.setattr(time, "monotonic_ns", lambda: times[-1])
    return times


def worker(crowd: Crowd, number: int, connections: int) -> None:
    """Count as another worker would, and be number 0 again."""
    crowd.place = number
    crowd.set_connections(connections)
    crowd.set_accepting(True)
    crowd.beat()
    crowd.place = 0


def test_the_worker_with_the_fewest_connections_is_told_from_the_others() -> None:
    crowd = Crowd(3)
    for number, connections in enumerate((2, 2, 3)):
        worker(crowd, number, connections)
    assert crowd.has_fewest()
    worker(crowd, 0, 3)
    assert not crowd.has_fewest()


def test_workers_that_accept_nothing_are_not_waited_for() -> None:
    crowd = Crowd(3)
    worker(crowd, 0, 9)
    assert crowd.has_fewest()  # the others have not begun yet
    for number in (1, 2):
        worker(crowd, number, 0)
    assert not crowd.has_fewest()
    crowd.place = 1
    crowd.set_accepting(False)  # it has as many as it may
    crowd.clear(2)  # it has ended
    crowd.place = 0
    assert crowd.has_fewest()


def test_nor_is_one_whose_event_loop_is_blocked(now: list[int]) -> None:
    crowd = Crowd(2)
    worker(crowd, 1, 0)
    worker(crowd, 0, 1)
    assert not crowd.has_fewest()
    now.append(now[-1] + int(LATE_S * 1e9))
    assert crowd.has_fewest()


def test_the_supervisor_tells_all_workers_their_phase_and_what_it_counted() -> None:
    crowd = Crowd(2)
    assert (crowd.phase, crowd.ready, crowd.lost, crowd.failed_starts) == (Phase.LOADING, 0, 0, 0)
    if (pid := os.fork()) == 0:
        crowd.take_place(1)
        crowd.beat()
        crowd.phase = Phase.DRAINING
        crowd.count_lost()
        crowd.count_failed_start()
        os._exit(0)
    os.waitpid(pid, 0)
    assert (crowd.phase, crowd.ready, crowd.lost, crowd.failed_starts) == (Phase.DRAINING, 1, 1, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_another_process_counts_until_its_place_is_taken_anew() -> None:
    crowd = Crowd(2, cpus=2)
    if (pid := os.fork()) == 0:
        crowd.take_place(1)
        for _ in range(1000):
            crowd.join()
        os._exit(0)  # lost with all that it had
    os.waitpid(pid, 0)
    crowd.join()
    assert not crowd.is_one()
    crowd.take_place(1)
    crowd.take_place(0)
    crowd.join()
    assert crowd.is_one()
