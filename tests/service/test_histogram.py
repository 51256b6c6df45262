"""Histograms that only note what they are told."""

import numpy as np
import prometheus_client
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from service.histogram import MOST_NOTED, Histogram, Tally

BOUNDS = (0.5, 1, 2)


@pytest.mark.parametrize("count", [0, 1, 100, 2 * MOST_NOTED + 7])
def test_tells_prometheus_what_its_own_would(count: int) -> None:
    values = np.random.default_rng(0).choice([0.125, 0.5, 0.75, 1.0, 1.5, 2.0, 9.0], count)
    expositions = []
    for kind in (Histogram, prometheus_client.Histogram):
        registry = CollectorRegistry()
        histogram = kind("seconds", "How long", ("model",), buckets=BOUNDS, registry=registry)
        for value in values.tolist():
            histogram.labels("toy").observe(value)
        histogram.labels("idle")
        lines = generate_latest(registry).decode().splitlines()
        expositions.append([line for line in lines if "_created" not in line])
    assert expositions[0] == expositions[1]


def test_without_labels_it_tells_of_nothing_from_the_start() -> None:
    registry = CollectorRegistry()
    Histogram("seconds", "How long", buckets=BOUNDS, registry=registry)
    assert 'seconds_bucket{le="+Inf"} 0.0' in generate_latest(registry).decode()


def test_label_values_share_one_tally() -> None:
    histogram = Histogram("x", "y", ("model",), buckets=BOUNDS, registry=CollectorRegistry())
    assert histogram.labels("toy") is histogram.labels("toy")
    assert histogram.labels("toy") is not histogram.labels("other")


def test_values_are_sorted_in_at_any_time() -> None:
    tally = Tally(BOUNDS)
    for value in (1.0, 0.2):
        tally.observe(value)
        tally.buckets()
    assert tally.buckets() == [("0.5", 1), ("1.0", 2), ("2.0", 2), ("+Inf", 2)]
    assert tally.sum() == pytest.approx(1.2)
