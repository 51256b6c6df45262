"""Copies values into metrics once a second and before each scrape."""

import logging
import threading
from collections.abc import Callable
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector

log = logging.getLogger(__name__)

Read = Callable[[], float]
Mode = Literal["livesum", "livemax", "livemin"]
"""How the values of workers are combined; those of lost workers do not count."""

PERIOD_S = 1.0  # age limit of values of other workers; scrapes are some seconds apart
# How the gauges of several processes are combined: as sum or minimum.
PROCESS_GAUGES: dict[str, tuple[str, Mode]] = {
    "mirage_process_virtual_memory_bytes": ("Virtual memory of the processes", "livesum"),
    "mirage_process_resident_memory_bytes": ("Resident memory of the processes", "livesum"),
    "mirage_process_open_fds": ("Open file descriptors of the processes", "livesum"),
    "mirage_process_max_fds": ("File descriptors that a process may open", "livemin"),
    "mirage_process_start_time_seconds": (
        "Start of the oldest process since the Unix epoch",
        "livemin",
    ),
}


class Sampler:
    """Sets gauges and counters to the values that functions return. Thread-safe."""

    def __init__(self) -> None:
        self._gauges: dict[Gauge, Read] = {}
        self._updates: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def follow(self, gauge: Gauge, read: Read) -> None:
        """Start setting a gauge to what `read` returns."""
        with self._lock:
            self._gauges[gauge] = read
            gauge.set(read())

    def leave(self, gauge: Gauge) -> None:
        """Stop setting a gauge, and set it to 0."""
        with self._lock:
            self._gauges.pop(gauge, None)
            gauge.set(0)

    def call(self, update: Callable[[], None]) -> None:
        """Call a function that sets metrics, now and at each sample."""
        with self._lock:
            self._updates.append(update)
            update()

    def sample(self) -> None:
        """Copy all values."""
        with self._lock:
            for gauge, read in self._gauges.items():
                gauge.set(read())
            for update in self._updates:
                update()

    def start(self) -> None:
        """Sample on a thread, so that values are current while the event loop is blocked."""
        threading.Thread(target=self._run, name="sample", daemon=True).start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(PERIOD_S):
            try:
                self.sample()
            except Exception:
                log.exception("metrics could not be sampled")


class Total:
    """Keeps a counter equal to a total that is counted elsewhere, from `start` on."""

    def __init__(self, counter: Counter, start: float = 0) -> None:
        self._counter = counter
        self._value = start

    def reach(self, value: float) -> None:
        """Add the growth of the total."""
        if value > self._value:
            self._counter.inc(value - self._value)
            self._value = value


class ProcessMetrics:
    """The process metrics of prometheus_client, combined over all workers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._process = ProcessCollector(namespace="mirage", registry=None)
        cpu = Counter("mirage_process_cpu_seconds", "CPU time of the processes", registry=registry)
        self._cpu = Total(cpu)
        self._gauges = {
            name: Gauge(name, text, registry=registry, multiprocess_mode=mode)
            for name, (text, mode) in PROCESS_GAUGES.items()
        }

    def update(self) -> None:
        """Update the metrics from the system."""
        for family in self._process.collect():
            value = family.samples[0].value
            if (gauge := self._gauges.get(family.name)) is not None:
                gauge.set(value)
            elif family.name == "mirage_process_cpu_seconds":
                self._cpu.reach(value)
