"""Engines of several workers that know of each other."""

import os

import pytest

from service.crowd import Crowd


def test_who_runs_alone_knows_it() -> None:
    crowd = Crowd(2, cpus=4)
    for _ in range(2):
        with crowd.joined() as first, crowd.joined() as second:
            assert (first, second) == (True, False)
    assert crowd.cpus == 4


def test_who_fails_is_not_counted_any_more() -> None:
    crowd = Crowd(1, cpus=2)
    with pytest.raises(RuntimeError), crowd.joined():
        raise RuntimeError
    with crowd.joined() as alone:
        assert alone


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_another_process_counts_until_its_place_is_taken_anew() -> None:
    crowd = Crowd(2, cpus=2)
    if (pid := os.fork()) == 0:
        crowd.take_place(1)
        running = crowd.joined()
        running.__enter__()
        os._exit(0)  # killed while it ran
    os.waitpid(pid, 0)
    with crowd.joined() as alone:
        assert not alone
    crowd.take_place(1)
    with crowd.joined() as alone:
        assert alone
