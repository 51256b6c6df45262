"""Token buckets of one process and of several."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mirage.service.sharing.rate_buckets import (
    MAX_CALLERS,
    SETS,
    SLOTS,
    Buckets,
    LocalBuckets,
    SharedBuckets,
    take_from,
)

ANNA, BERT = ("anna", 60), ("bert", 60)


@pytest.fixture(params=[LocalBuckets, SharedBuckets])
def buckets(request: pytest.FixtureRequest) -> Buckets:
    made: Buckets = request.param()
    return made


def test_a_bucket_starts_full_and_is_refilled_evenly(buckets: Buckets) -> None:
    assert buckets.take(ANNA, 60, now=1000) == 0
    assert buckets.take(ANNA, 3, now=1001) == pytest.approx(2)
    assert buckets.take(ANNA, 3, now=1003) == 0
    assert buckets.take(ANNA, 1, now=1003) == pytest.approx(1)


def test_each_caller_and_limit_has_its_own_bucket(buckets: Buckets) -> None:
    for caller in (ANNA, BERT, ("anna", 7)):
        assert buckets.take(caller, caller[1], now=1000) == 0
        assert buckets.take(caller, 1, now=1000) > 0


def test_images_that_are_given_back_are_available_again(buckets: Buckets) -> None:
    assert buckets.take(ANNA, 60, now=1000) == 0
    buckets.give_back(ANNA, 60)
    buckets.give_back(BERT, 60)  # an unknown caller
    assert buckets.take(ANNA, 60, now=1000) == 0
    assert buckets.take(BERT, 61, now=1000) > 0


def test_a_bucket_never_holds_more_than_the_images_of_a_minute(buckets: Buckets) -> None:
    assert buckets.take(ANNA, 1, now=1000) == 0
    assert buckets.take(ANNA, 61, now=10**6) == pytest.approx(1)


def test_the_least_recent_callers_are_forgotten() -> None:
    buckets = LocalBuckets()
    for number in range(MAX_CALLERS + 1):
        assert buckets.take((f"caller {number}", 1), 1, now=1000 + number / 10**6) == 0
    assert buckets.take(("caller 0", 1), 1, now=1001) == 0
    assert buckets.take(("caller 2", 1), 1, now=1001) > 0


def test_shared_buckets_forget_the_least_recent_callers_as_well() -> None:
    buckets, callers = SharedBuckets(), 2 * SETS * SLOTS
    for number in range(callers):
        assert buckets.take((f"caller {number}", 1), 1, now=1000 + number / 10**6) == 0
    assert buckets.take(("caller 0", 1), 1, now=1001) == 0
    for number in range(callers - MAX_CALLERS, callers):
        assert buckets.take((f"caller {number}", 1), 1, now=1001) > 0


def test_processes_share_a_bucket() -> None:
    buckets = SharedBuckets()
    if (pid := os.fork()) == 0:
        os._exit(int(buckets.take(ANNA, 40, now=1000)))
    assert os.waitpid(pid, 0)[1] == 0
    assert buckets.take(ANNA, 40, now=1000) == pytest.approx(20)
    buckets.give_back(ANNA, 40)
    assert buckets.take(ANNA, 60, now=1000) == 0


def test_processes_together_take_exactly_what_a_bucket_holds() -> None:
    buckets, children = SharedBuckets(), []
    for _ in range(4):
        if (pid := os.fork()) == 0:
            with unlimited_timeout():
                got = sum(buckets.take(("all", 500), 1, now=1000) == 0 for _ in range(200))
            os._exit(got)
        children.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    assert sum(codes) == 500
    assert max(codes) <= 200


@contextmanager
def unlimited_timeout() -> Iterator[None]:
    """On a busy machine a process may be suspended while it holds the lock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mirage.service.sharing.rate_buckets.LOCK_TIMEOUT_S", 60)
        yield


def test_a_process_that_stops_with_the_lock_does_not_block_others() -> None:
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


def test_an_unused_bucket_is_full() -> None:
    assert take_from(("anna", 60), None, 10, now=5) == (50, 0)
