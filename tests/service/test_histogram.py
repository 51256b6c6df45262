"""Histograms that only note what they are told."""

import threading

import numpy as np
import prometheus_client
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from mirage.service.histogram import MOST_NOTED, Histogram, Tally

BOUNDS = (0.5, 1, 2)


@pytest.mark.parametrize("count", [0, 1, 100, 2 * MOST_NOTED + 7])
def test_tells_prometheus_what_its_own_would(count: int) -> None:
    values = np.random.default_rng(0).choice([0.125, 0.5, 0.75, 1.0, 1.5, 2.0, 9.0], count)
    registry = CollectorRegistry()
    about = ("seconds", "How long", ("model", "author"))
    own = Histogram(*about, buckets=BOUNDS)
    other = prometheus_client.Histogram(*about, buckets=BOUNDS, registry=registry)
    for histogram in (own, other):
        tally = histogram.labels("toy", 'a "b"\\\n')
        for value in values.tolist():
            tally.observe(value)
        histogram.labels("idle", "nobody")
    lines = generate_latest(registry).decode().splitlines()
    assert list(own.lines()) == [line for line in lines if "_created" not in line]


def test_without_labels_it_tells_of_nothing_from_the_start() -> None:
    lines = list(Histogram("seconds", "How long", buckets=BOUNDS).lines())
    assert lines[-3:] == ['seconds_bucket{le="+Inf"} 0.0', "seconds_count 0.0", "seconds_sum 0.0"]


def test_label_values_share_one_tally() -> None:
    histogram = Histogram("x", "y", ("model",), buckets=BOUNDS)
    assert histogram.labels("toy") is histogram.labels("toy")
    assert histogram.labels("toy") is not histogram.labels("other")


def test_values_are_sorted_in_at_any_time() -> None:
    tally = Tally(BOUNDS)
    for value in (1.0, 0.2):
        tally.observe(value)
        tally.so_far()
    counts, total = tally.so_far()
    assert counts == [1, 2, 2, 2]
    assert total == pytest.approx(1.2)


def test_nothing_is_lost_of_what_is_noted_while_others_ask() -> None:
    tally, ended = Tally(BOUNDS), threading.Event()

    def ask() -> None:
        while not ended.is_set():
            tally.so_far()

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    for _ in range(20 * MOST_NOTED):
        tally.observe(1.0)
    ended.set()
    for asker in askers:
        asker.join()
    counts, total = tally.so_far()
    assert counts[-1] == 20 * MOST_NOTED
    assert total == 20 * MOST_NOTED
