"""The Prometheus metrics. Every name starts with mirage_; units are seconds and bytes."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mirage.service.host import memory_bytes
from mirage.service.telemetry.aggregation import MetricsLost, SharedMetrics
from mirage.service.telemetry.logging import lines_over_limit
from mirage.service.telemetry.sampling import Mode, ProcessMetrics, Sampler, Total
from mirage.service.telemetry.stderr import lines_unwritten

log = logging.getLogger(__name__)

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
MODEL = ("model", "version")


@dataclass(frozen=True)
class Answered:
    """The metrics of the answers of one version."""

    images: Counter
    queue_seconds: Histogram
    engine_seconds: Histogram
    encode_seconds: Histogram


class Metrics:
    """The metrics of one application, in their own registry.

    `shared` are the files of all workers, which this process must have joined. Without them,
    `is_whole` says whether this process is the only one.
    """

    def __init__(self, shared: SharedMetrics | None = None, is_whole: bool = True) -> None:
        self.registry = registry = CollectorRegistry()
        self.sampler = Sampler()
        self._shared = shared
        self._is_lost = False
        self._answered: dict[tuple[str, int], Answered] = {}
        self._by_status: dict[int, Counter] = {}
        self._by_slug: dict[str, Counter] = {}
        self.sampler.call(ProcessMetrics(registry).update)
        self.requests = self._counter(
            "requests",
            "Answers where images are made, and to what cannot be read, by status",
            ("code",),
        )
        self.request_seconds = self._histogram(
            "request_duration_seconds",
            "From the request's headers to the last byte of its answer",
            (),
            SECONDS,
        )
        self.rejected = self._counter("rejected", "Problems answered, by slug", ("reason",))
        self.abandoned = self._counter("abandoned", "Requests whose client left before the answer")
        self.images = self._counter("images", "Images answered", MODEL)
        self.queue_seconds = self._seconds("queue", "Wait of a request for its first batch")
        self.engine_seconds = self._seconds("engine", "First batch's start to last batch's end")
        self.encode_seconds = self._seconds("encode", "Encoding of one answer")
        self.batch_seconds = self._seconds("batch", "One run of the engine")
        self.batch_images = self._histogram("batch_images", "Images per batch", MODEL, SIZES)
        self.padding = self._counter(
            "padding_images",
            "Images that filled batches up to a size the engine is prepared for",
            MODEL,
        )
        self.in_flight = 0
        in_flight = self._gauge(
            "requests_in_flight", "Requests for images that are not answered yet", "livesum"
        )
        self.sampler.follow(in_flight, lambda: self.in_flight)
        self.waiting = self._gauge(
            "requests_waiting",
            "Requests that have been read and wait to be begun; their images are not queued yet",
            "livesum",
        )
        self.queued = self._gauge("queued_images", "Images that wait", "livesum", MODEL)
        self.oldest_seconds = self._gauge(
            "queue_oldest_seconds",
            "How long the request that waits longest has waited; 0: none",
            "livemax",
            MODEL,
        )
        self.running_seconds = self._gauge(
            "batch_running_seconds",
            "How long the engine's present run takes already; 0: none",
            "livemax",
            MODEL,
        )
        self.loaded = self._gauge(
            "model_loaded", "1 for each version in memory", "livemax", (*MODEL, "provider")
        )
        self.loading = self._gauge(
            "model_loading", "1 while a version is being loaded", "livemax", MODEL
        )
        self.released = self._gauge(
            "model_released", "1 for the version that answers", "livemax", MODEL
        )
        self.canary_share = self._gauge(
            "model_canary_share",
            "Share of the seeds, 0 to 1, that the canary gets; 0: no canary any more",
            "livemax",
            MODEL,
        )
        self.release_refused = self._gauge(
            "release_refused",
            "1 while what is to be released does not answer",
            "livemax",
            (*MODEL, "reason"),
        )
        self.models_unreadable = self._gauge(
            "models_unreadable", "1 while the folder of models cannot be read", "livemax"
        )
        self.reloads = self._counter(
            "reloads",
            "Changes of what is released, by outcome: ok, or why they were refused",
            ("model", "reason"),
        )
        self.refused = self._counter(
            "model_refused", "Versions that did not pass verification", (*MODEL, "reason")
        )
        self.limits_failures = self._counter(
            "limits_failures",
            "Calls for which Redis did not answer, so that a worker counted alone",
        )
        self.keys_failures = self._counter(
            "keys_failures", "Changes of the keys file that could not be read"
        )
        self.keys_unreadable = self._gauge(
            "keys_unreadable",
            "1 while the keys file cannot be read, so that the keys stay as they were",
            "livemax",
        )
        memory = self._gauge(
            "memory_bytes",
            "Memory but for mapped files, which processes share; 0: unknown",
            "livesum",
        )
        self.sampler.follow(memory, memory_bytes)
        self.ready = self._gauge("ready", "1 when able to serve", "livemin")
        whole = self._gauge(
            "metrics_whole", "1 if these are of all workers, 0 if of one alone", "livemin"
        )
        whole.set(shared is not None or is_whole)
        self._count_dropped_lines()

    def _seconds(self, stage: str, text: str) -> Histogram:
        return self._histogram(f"{stage}_duration_seconds", text, MODEL, SECONDS)

    def _histogram(
        self, name: str, text: str, labels: Sequence[str], buckets: Sequence[float]
    ) -> Histogram:
        return Histogram(f"mirage_{name}", text, labels, buckets=buckets, registry=self.registry)

    def _counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        return Counter(f"mirage_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, mode: Mode, labels: Sequence[str] = ()) -> Gauge:
        """A gauge. Gauges of a version are set to 0 at its end, as series cannot be removed."""
        return Gauge(f"mirage_{name}", text, labels, registry=self.registry, multiprocess_mode=mode)

    def _count_dropped_lines(self) -> None:
        dropped = self._counter(
            "log_lines_dropped",
            "Log lines that nobody read in time (unread), or that were too many alike (limit)",
            ("reason",),
        )
        unread = Total(dropped.labels("unread"), lines_unwritten())
        limited = Total(dropped.labels("limit"), lines_over_limit())
        self.sampler.call(lambda: unread.reach(lines_unwritten()))
        self.sampler.call(lambda: limited.reach(lines_over_limit()))

    def answered(self, model: str, version: int) -> Answered | None:
        """Return the metrics of the answers of a version.

        None if the shared files have no room for another version.
        """
        if (found := self._answered.get((model, version))) is None:
            if not self._has_room():
                return None
            labels = (model, str(version))
            found = self._answered[model, version] = Answered(
                self.images.labels(*labels),
                self.queue_seconds.labels(*labels),
                self.engine_seconds.labels(*labels),
                self.encode_seconds.labels(*labels),
            )
        return found

    def _has_room(self) -> bool:
        """Whether the shared files have room for another version."""
        return self._shared is None or self._shared.has_room(len(self._answered))

    def count_request(self, status: int, seconds: float, times: int = 1) -> None:
        """Count `times` answers to requests for images, each of which took `seconds`."""
        self._count_status(status, times)
        for _ in range(times):
            self.request_seconds.observe(seconds)

    def count_unreadable(self, status: int, slug: str) -> None:
        """Count the answer to a malformed request, without its duration."""
        self._count_status(status, 1)
        self.count_problem(slug)

    def _count_status(self, status: int, times: int) -> None:
        if (counter := self._by_status.get(status)) is None:
            counter = self._by_status[status] = self.requests.labels(str(status))
        counter.inc(times)

    def count_problem(self, slug: str, times: int = 1) -> None:
        """Count `times` answers with a problem."""
        if (counter := self._by_slug.get(slug)) is None:
            counter = self._by_slug[slug] = self.rejected.labels(slug)
        counter.inc(times)

    def batch_observer(self, model: str, version: str) -> Callable[[int, float], None]:
        """Return a function that a batcher calls with the items and seconds of each batch."""
        if self.answered(model, int(version)) is None:
            log.warning("no room for the metrics of a version model=%s@%s", model, version)
            return lambda items, elapsed_s: None
        images = self.batch_images.labels(model, version)
        seconds = self.batch_seconds.labels(model, version)

        def observe(items: int, elapsed_s: float) -> None:
            images.observe(items)
            seconds.observe(elapsed_s)

        return observe

    def exposition(self) -> bytes:
        """Return all metrics, of all workers if they share files, in Prometheus' text format.

        Thread-safe. Raises MetricsLost, and logs it once, if the shared files are gone: with the
        metrics of this worker alone, all counters would appear to have fallen.
        """
        self.sampler.sample()
        if self._shared is None:
            return generate_latest(self.registry)
        try:
            text = self._shared.exposition()
        except MetricsLost as error:
            if not self._is_lost:
                log.error("metrics are lost until the service starts anew: %s", error)
            self._is_lost = True
            raise
        self._is_lost = False
        return text
