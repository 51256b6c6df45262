"""Metrics of the workers themselves, the same from each of them."""

from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mirage.service.sharing.counters import SharedCounters


class WorkerCollector(Collector):
    """Collects the counters that the supervisor and the workers share."""

    def __init__(self, counters: SharedCounters) -> None:
        self._counters = counters

    def collect(self) -> Iterator[Metric]:
        """Yield the current metrics."""
        counters = self._counters
        yield GaugeMetricFamily("mirage_workers", "Worker processes wanted", counters.workers)
        yield GaugeMetricFamily(
            "mirage_workers_ready", "Worker processes that serve", counters.ready
        )
        yield GaugeMetricFamily(
            "mirage_connections",
            "Open connections of all workers",
            sum(map(counters.connections, range(counters.workers))),
        )
        yield CounterMetricFamily(
            "mirage_workers_lost",
            "Worker processes that ended unasked while they served",
            counters.lost,
        )
        yield CounterMetricFamily(
            "mirage_worker_failed_starts",
            "Worker processes that ended before they served, or could not be started",
            counters.failed_starts,
        )
