"""Buckets of one process and of several: alike, but that the latter are one."""

import multiprocessing
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mirage.service.buckets import MOST_CALLERS, Buckets, OwnBuckets, SharedBuckets, drawn

ANNA, BERT = ("anna", 60), ("bert", 60)


@pytest.fixture(params=["own", "shared"])
def buckets(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Buckets]:
    if request.param == "own":
        yield OwnBuckets()
        return
    with closing(SharedBuckets(tmp_path / "buckets")) as shared:
        yield shared


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


def test_those_who_came_long_ago_are_forgotten(buckets: Buckets) -> None:
    for number in range(MOST_CALLERS + 1):
        assert buckets.take((f"caller {number}", 1), 1, now=1000 + number / 10**6) == 0
    assert buckets.take(("caller 0", 1), 1, now=1001) == 0
    assert buckets.take(("caller 2", 1), 1, now=1001) > 0


def test_what_one_opener_takes_another_misses(tmp_path: Path) -> None:
    path = tmp_path / "buckets"
    with closing(SharedBuckets(path)) as one, closing(SharedBuckets(path)) as other:
        assert one.take(ANNA, 40, now=1000) == 0
        assert other.take(ANNA, 40, now=1000) == pytest.approx(20)
        other.give_back(ANNA, 40)
        assert one.take(ANNA, 60, now=1000) == 0


def take_one_by_one(path: Path, times: int) -> int:
    """How many of so many images a process gets."""
    with closing(SharedBuckets(path)) as buckets:
        return sum(buckets.take(("all", 500), 1, now=1000) == 0 for _ in range(times))


def test_processes_together_get_what_is_there_and_not_one_more(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        got = pool.starmap(take_one_by_one, [(tmp_path / "buckets", 200)] * 4)
    assert sum(got) == 500


def test_a_bucket_that_nobody_used_is_full() -> None:
    assert drawn(("anna", 60), None, 10, now=5) == (50, 0)
