"""What the routes of one application share."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from starlette.requests import Request

from mirage.service.api.admission.memory_budget import MemoryBudget
from mirage.service.api.admission.pending_requests import PendingRequests
from mirage.service.api.admission.rate_limit import Rates
from mirage.service.api.encoders import Encoders
from mirage.service.api.security.auth import Keys
from mirage.service.api.verified_files import VerifiedFiles
from mirage.service.errors import Draining, EngineStuck, NoReleasedModel, NotReady, ServiceError
from mirage.service.host import available_cpus
from mirage.service.settings import Settings
from mirage.service.sharing.counters import SharedCounters
from mirage.service.sharing.rate_buckets import Buckets, LocalBuckets
from mirage.service.sharing.redis_buckets import RedisBuckets
from mirage.service.sharing.release_barrier import ReleaseBarrier
from mirage.service.telemetry.metrics import Metrics
from mirage.service.telemetry.worker_collector import WorkerCollector
from mirage.service.versions.registry import ModelRegistry

HOW_TO_RELEASE = (
    "publish a trained run with `mirage export RUN --to models/NAME`, and release it with "
    "`mirage bundle release NAME VERSION`"
)


@dataclass
class Service:
    """The parts of a running service.

    `draining` is set by the stop signal, `refusing` once new requests are rejected; `unanswered`
    contains the ids of all requests in flight.
    """

    settings: Settings
    counters: SharedCounters | None = None  # None: the CPUs are this process' own
    metrics: Metrics = field(default_factory=Metrics)
    barrier: ReleaseBarrier | None = None  # None: no other worker serves the same models
    draining: bool = False
    refusing: bool = False
    unanswered: set[int] = field(default_factory=set)
    keys: Keys | None = field(init=False)  # None: no key is asked for
    rates: Rates = field(init=False)
    models: ModelRegistry = field(init=False)
    encoders: Encoders = field(init=False)
    pending: PendingRequests = field(init=False)
    picture_memory: MemoryBudget = field(init=False)
    files: VerifiedFiles = field(init=False, default_factory=VerifiedFiles)
    _scrapes: ThreadPoolExecutor = field(init=False)
    _following: list[asyncio.Task[None]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        """Create the parts that depend on the settings. Nothing runs before `open`."""
        path = self.settings.keys_file
        self.keys = (
            Keys(path, self.metrics.keys_failures, self.metrics.keys_unreadable) if path else None
        )
        self.limit_rates(LocalBuckets())
        self.models = ModelRegistry(self.settings, self.metrics, self.counters, self.barrier)
        self.pending = PendingRequests(self.settings.queue_images, self.models.is_saturated)
        self.picture_memory = MemoryBudget(self.settings.picture_memory_bytes)
        threads = self.settings.encode_threads or available_cpus()
        self.encoders = Encoders(threads)
        self._scrapes = ThreadPoolExecutor(1, thread_name_prefix="scrape")  # one after the other
        self.metrics.sampler.follow(self.metrics.waiting, lambda: len(self.pending))
        self.metrics.sampler.follow(self.metrics.ready, lambda: float(self.is_ready))

    @property
    def is_ready(self) -> bool:
        """Whether `check_ready` raises nothing."""
        try:
            self.check_ready()
        except ServiceError:
            return False
        return True

    def check_ready(self) -> None:
        """Raise the errors of `check_started`, and NoReleasedModel if no model is released."""
        self.check_started()
        if not self.models.has_release():
            raise NoReleasedModel(f"no model is released; {HOW_TO_RELEASE}")

    def check_started(self) -> None:
        """Raise NotReady until the models are loaded, and Draining after the stop signal."""
        if self.draining:
            raise Draining("the service is stopping", retry_after_s=1)
        if not self.models.ready:
            raise NotReady("the models are being loaded", retry_after_s=1)

    def limit_rates(self, buckets: Buckets) -> None:
        """Count images per minute in these buckets, and in Redis if the settings name it."""
        url, remote = self.settings.limits_url, None
        if url is not None:
            remote = RedisBuckets(url.get_secret_value(), buckets, self.metrics.limits_failures)
        self.rates = Rates(self.settings.images_per_minute, buckets=buckets, remote=remote)

    def check_alive(self) -> None:
        """Raise EngineStuck if an engine run takes too long, all encoding threads do, or a GPU has
        failed.

        Only a new process helps in these cases.
        """
        if (running_s := self.models.running_s()) > self.settings.stuck_s:
            raise EngineStuck(f"a run of the engine takes {running_s:.0f} s already")
        if (hanging_s := self.encoders.hanging_s()) > self.settings.stuck_s:
            raise EngineStuck(f"no encoding thread has finished anything for {hanging_s:.0f} s")
        if self.models.is_lost():
            raise EngineStuck("a GPU has failed")

    async def exposition(self) -> bytes:
        """Like `Metrics.exposition`, on a thread. Raises MetricsLost."""
        loop = asyncio.get_running_loop()
        text = await loop.run_in_executor(self._scrapes, self.metrics.exposition)
        if self.counters is None:
            return text
        registry = CollectorRegistry()
        registry.register(WorkerCollector(self.counters))
        return text + generate_latest(registry)

    async def open(self) -> None:
        """Read the keys and load the models. Raises KeysError and StartError."""
        self.metrics.sampler.start()
        if self.keys is not None:
            await self.keys.open()
            self._following.append(asyncio.create_task(self.keys.follow()))
        await self.models.open()
        self.metrics.sampler.sample()  # before the service reports that it is ready
        self._following.append(asyncio.create_task(self.models.follow()))

    async def close(self) -> None:
        """Finish queued requests and stop the threads."""
        for task in self._following:
            task.cancel()
        await self.models.close()
        await self.rates.close()
        self.encoders.shutdown(wait=False)
        self._scrapes.shutdown(wait=False)
        self.metrics.sampler.stop()


def service_of(request: Request) -> Service:
    """Return the service that handles a request."""
    service: Service = request.app.state.service
    return service
