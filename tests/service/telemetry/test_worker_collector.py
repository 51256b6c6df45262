"""Metrics of the workers, from what they and the supervisor count."""

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from mirage.service.sharing.counters import SharedCounters
from mirage.service.telemetry.worker_collector import WorkerCollector


def test_workers_their_connections_and_their_failures_are_told() -> None:
    counters, registry = SharedCounters(3), CollectorRegistry()
    registry.register(WorkerCollector(counters))
    for number in (0, 1):
        counters.set_worker(number)
        counters.beat()
        counters.set_connections(10 + number)
    counters.count_lost()
    for _ in range(2):
        counters.count_failed_start()
    lines = generate_latest(registry).decode().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        "mirage_workers 3.0",
        "mirage_workers_ready 2.0",
        "mirage_connections 21.0",
        "mirage_workers_lost_total 1.0",
        "mirage_worker_failed_starts_total 2.0",
    ]
