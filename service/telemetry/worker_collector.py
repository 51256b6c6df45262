"""What Prometheus is told of the workers themselves, whichever of them is asked."""

from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mirage.service.sharing.counters import SharedCounters


class WorkerCollector(Collector):
    """Collects what the supervisor and the workers count together."""

    def __init__(self, counters: SharedCounters) -> None:
        self._counters = counters

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
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
