"""What Prometheus is told. Every name begins with mirage_; units are seconds and bytes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector
from prometheus_client.exposition import generate_latest

from mirage.service.histogram import Histogram, Tally
from mirage.service.processor import memory_bytes

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
MODEL = ("model", "version")


@dataclass(frozen=True)
class Answered:
    """What the answers of one version are told to."""

    images: Counter
    queue_seconds: Tally
    engine_seconds: Tally
    encode_seconds: Tally


class Metrics:
    """The metrics of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._answered: dict[tuple[str, int], Answered] = {}
        self._by_status: dict[int, Counter] = {}
        self._by_slug: dict[str, Counter] = {}
        ProcessCollector(namespace="mirage", registry=registry)
        self.requests = Counter(
            "mirage_requests",
            "Answers where images are made, by status",
            ("code",),
            registry=registry,
        )
        self._histograms: list[Histogram] = []
        self.request_seconds = self._histogram(
            "request_duration_seconds",
            "From the request's headers to the last byte of its answer",
            (),
            SECONDS,
        ).labels()
        self.rejected = Counter(
            "mirage_rejected", "Problems answered, by slug", ("reason",), registry=registry
        )
        self.abandoned = Counter(
            "mirage_abandoned", "Requests whose client left before the answer", registry=registry
        )
        self.images = Counter("mirage_images", "Images answered", MODEL, registry=registry)
        self.queue_seconds = self._seconds("queue", "Wait of a request for its first batch")
        self.engine_seconds = self._seconds("engine", "First batch's start to last batch's end")
        self.encode_seconds = self._seconds("encode", "Encoding of one answer")
        self.batch_seconds = self._seconds("batch", "One run of the engine")
        self.batch_images = self._histogram("batch_images", "Images per batch", MODEL, SIZES)
        self.padding = Counter(
            "mirage_padding_images",
            "Images that filled batches up to a size the engine is prepared for",
            MODEL,
            registry=registry,
        )
        self.in_flight = 0
        in_flight = Gauge(
            "mirage_requests_in_flight",
            "Requests for images that are not answered yet",
            registry=registry,
        )
        in_flight.set_function(lambda: self.in_flight)
        self.waiting = Gauge(
            "mirage_requests_waiting",
            "Requests that have been read and wait to be begun; their images are not queued yet",
            registry=registry,
        )
        self.queued = self._gauge("queued_images", "Images that wait")
        self.oldest_seconds = self._gauge(
            "queue_oldest_seconds", "How long the request that waits longest has waited; 0: none"
        )
        self.running_seconds = self._gauge(
            "batch_running_seconds", "How long the engine's present run takes already; 0: none"
        )
        self.loaded = self._gauge("model_loaded", "1 for each version in memory", "provider")
        self.loading = self._gauge("model_loading", "1 while a version is being loaded")
        self.released = self._gauge("model_released", "1 for the version that answers")
        self.canary_share = self._gauge(
            "model_canary_share", "Share of the seeds, 0 to 1, that the canary gets"
        )
        self.release_refused = self._gauge(
            "release_refused", "1 while what is to be released does not answer", "reason"
        )
        self.models_unreadable = Gauge(
            "mirage_models_unreadable",
            "1 while the folder of models cannot be read",
            registry=registry,
        )
        self.reloads = Counter(
            "mirage_reloads",
            "Changes of what is released, by outcome: ok, or why they were refused",
            ("model", "reason"),
            registry=registry,
        )
        self.refused = Counter(
            "mirage_model_refused",
            "Versions that did not pass verification",
            (*MODEL, "reason"),
            registry=registry,
        )
        self.keys_failures = Counter(
            "mirage_keys_failures",
            "Changes of the keys file that could not be read",
            registry=registry,
        )
        self.keys_unreadable = Gauge(
            "mirage_keys_unreadable",
            "1 while the keys file cannot be read, so that the keys stay as they were",
            registry=registry,
        )
        memory = Gauge(
            "mirage_memory_bytes",
            "Memory but for mapped files, which processes share; 0: unknown",
            registry=registry,
        )
        memory.set_function(memory_bytes)
        self.ready = Gauge("mirage_ready", "1 when able to serve", registry=registry)

    def _seconds(self, stage: str, text: str) -> Histogram:
        return self._histogram(f"{stage}_duration_seconds", text, MODEL, SECONDS)

    def _histogram(
        self, name: str, text: str, labels: Sequence[str], buckets: Sequence[float]
    ) -> Histogram:
        histogram = Histogram(f"mirage_{name}", text, labels, buckets=buckets)
        self._histograms.append(histogram)
        return histogram

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """A gauge of each version; whoever sets it removes it again."""
        return Gauge(f"mirage_{name}", text, (*MODEL, *labels), registry=self.registry)

    def answered(self, model: str, version: int) -> Answered:
        """The metrics of a version's answers, found once: every answer is told to them."""
        if (found := self._answered.get((model, version))) is None:
            labels = (model, str(version))
            found = self._answered[model, version] = Answered(
                self.images.labels(*labels),
                self.queue_seconds.labels(*labels),
                self.engine_seconds.labels(*labels),
                self.encode_seconds.labels(*labels),
            )
        return found

    def count_request(self, status: int, seconds: float, times: int = 1) -> None:
        """Count the answer of a request for images, and its seconds; or so many of them."""
        if (counter := self._by_status.get(status)) is None:
            counter = self._by_status[status] = self.requests.labels(str(status))
        counter.inc(times)
        self.request_seconds.observe(seconds, times)

    def count_problem(self, slug: str, times: int = 1) -> None:
        """Count an answer that tells of a problem, or so many of them."""
        if (counter := self._by_slug.get(slug)) is None:
            counter = self._by_slug[slug] = self.rejected.labels(slug)
        counter.inc(times)

    def batch_observer(self, model: str, version: str) -> Callable[[int, float], None]:
        """What a batcher tells its batches to: items and seconds."""
        images = self.batch_images.labels(model, version)
        seconds = self.batch_seconds.labels(model, version)

        def observe(items: int, elapsed_s: float) -> None:
            images.observe(items)
            seconds.observe(elapsed_s)

        return observe

    def exposition(self) -> bytes:
        """All metrics of this process in Prometheus' text format; any thread may ask."""
        text: bytes = generate_latest(self.registry)
        lines = [line for histogram in self._histograms for line in histogram.lines()]
        return text + "\n".join([*lines, ""]).encode()
