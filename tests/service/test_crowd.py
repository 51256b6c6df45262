"""Workers that know of each other's requests."""

import os

import pytest

from mirage.service.crowd import Crowd


def test_one_alone_is_told_from_none_and_many() -> None:
    crowd = Crowd(2, cpus=4)
    found = [crowd.is_one()]
    for change in (crowd.join, crowd.join, crowd.leave, crowd.leave):
        change()
        found.append(crowd.is_one())
    assert found == [False, True, False, True, False]
    assert (crowd.workers, crowd.cpus) == (2, 4)


def test_connections_are_those_given_and_not_dropped() -> None:
    crowd = Crowd(2)
    crowd.take_place(1)
    for _ in range(3):
        crowd.give(1)
    crowd.give(0)
    crowd.drop()
    assert [crowd.connections(0), crowd.connections(1)] == [1, 2]
    crowd.take_place(1)  # by its successor, which has none of them
    assert crowd.connections(1) == 0


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
