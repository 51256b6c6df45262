"""What Prometheus is told of the workers themselves, whichever of them is asked."""

from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mirage.service.crowd import Crowd


class WorkerCollector(Collector):
    """Collects what the supervisor and the workers count together."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        crowd = self._crowd
        yield GaugeMetricFamily("mirage_workers", "Worker processes wanted", crowd.workers)
        yield GaugeMetricFamily("mirage_workers_ready", "Worker processes that serve", crowd.ready)
        yield GaugeMetricFamily(
            "mirage_connections",
            "Open connections of all workers",
            sum(map(crowd.connections, range(crowd.workers))),
        )
        yield CounterMetricFamily(
            "mirage_workers_lost",
            "Worker processes that ended unasked while they served",
            crowd.lost,
        )
        yield CounterMetricFamily(
            "mirage_worker_failed_starts",
            "Worker processes that ended before they served, or could not be started",
            crowd.failed_starts,
        )
