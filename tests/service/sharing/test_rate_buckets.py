"""Buckets of one process and of several: alike, but that the latter are one."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mirage.service.sharing.rate_buckets import (
    MOST_CALLERS,
    PLACES,
    SETS,
    Buckets,
    OwnBuckets,
    SharedBuckets,
    drawn,
)

ANNA, BERT = ("anna", 60), ("bert", 60)


@pytest.fixture(params=[OwnBuckets, SharedBuckets])
def buckets(request: pytest.FixtureRequest) -> Buckets:
    made: Buckets = request.param()
    return made


def test_a_bucket_starts_full_and_is_refilled_evenly(buckets: Buckets) -> None:
    assert buckets.take(ANNA, 60, now=1000) == 0
    assert buckets.take(ANNA, 3, now=1001) == pytest.approx(2)
    assert buckets.take(ANNA, 3, now=1003) == 0
    assert buckets.take(ANNA, 1, now=1003) == pytest.approx(1)


def test_each_caller_and_each_limit_has_its_own(buckets: Buckets) -> None:
    for caller in (ANNA, BERT, ("anna", 7)):
        assert buckets.take(caller, caller[1], now=1000) == 0
        assert buckets.take(caller, 1, now=1000) > 0


def test_what_is_given_back_is_there_again(buckets: Buckets) -> None:
    assert buckets.take(ANNA, 60, now=1000) == 0
    buckets.give_back(ANNA, 60)
    buckets.give_back(BERT, 60)  # of whom nobody has heard
    assert buckets.take(ANNA, 60, now=1000) == 0
    assert buckets.take(BERT, 61, now=1000) > 0


def test_more_is_never_held_than_a_minutes_images(buckets: Buckets) -> None:
    assert buckets.take(ANNA, 1, now=1000) == 0
    assert buckets.take(ANNA, 61, now=10**6) == pytest.approx(1)


def test_those_who_came_long_ago_are_forgotten() -> None:
    buckets = OwnBuckets()
    for number in range(MOST_CALLERS + 1):
        assert buckets.take((f"caller {number}", 1), 1, now=1000 + number / 10**6) == 0
    assert buckets.take(("caller 0", 1), 1, now=1001) == 0
    assert buckets.take(("caller 2", 1), 1, now=1001) > 0


def test_so_it_is_with_shared_ones_whose_memory_does_not_grow() -> None:
    buckets, callers = SharedBuckets(), 2 * SETS * PLACES
    for number in range(callers):
        assert buckets.take((f"caller {number}", 1), 1, now=1000 + number / 10**6) == 0
    assert buckets.take(("caller 0", 1), 1, now=1001) == 0
    for number in range(callers - MOST_CALLERS, callers):
        assert buckets.take((f"caller {number}", 1), 1, now=1001) > 0


def test_what_one_process_takes_another_misses() -> None:
    buckets = SharedBuckets()
    if (pid := os.fork()) == 0:
        os._exit(int(buckets.take(ANNA, 40, now=1000)))
    assert os.waitpid(pid, 0)[1] == 0
    assert buckets.take(ANNA, 40, now=1000) == pytest.approx(20)
    buckets.give_back(ANNA, 40)
    assert buckets.take(ANNA, 60, now=1000) == 0


def test_processes_together_get_what_is_there_and_not_one_more() -> None:
    buckets, children = SharedBuckets(), []
    for _ in range(4):
        if (pid := os.fork()) == 0:
            with unlimited_patience():
                got = sum(buckets.take(("all", 500), 1, now=1000) == 0 for _ in range(200))
            os._exit(got)
        children.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    assert sum(codes) == 500
    assert max(codes) <= 200


@contextmanager
def unlimited_patience() -> Iterator[None]:
    """On a busy machine a process may lose the CPU while it has the lock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mirage.service.sharing.rate_buckets.PATIENCE_S", 60)
        yield


def test_a_process_that_stops_while_it_takes_holds_up_nobody() -> None:
    buckets = SharedBuckets()
    reader, writer = os.pipe()
    if (pid := os.fork()) == 0:
        with buckets._set(ANNA):
            os.write(writer, b"x")
            signal.pause()
    try:
        assert os.read(reader, 1) == b"x"
        assert buckets.take(ANNA, 60, now=1000) == 0
        assert buckets.take(ANNA, 1, now=1000) == 1
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reader)
        os.close(writer)


def test_a_bucket_that_nobody_used_is_full() -> None:
    assert drawn(("anna", 60), None, 10, now=5) == (50, 0)
