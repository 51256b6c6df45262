"""What the routes of one application share."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from starlette.requests import Request

from mirage.service.crowd import Crowd
from mirage.service.errors import EngineStuck
from mirage.service.intake import Intake
from mirage.service.keys import Keys
from mirage.service.metrics import Metrics
from mirage.service.models import Models
from mirage.service.outbox import Outbox
from mirage.service.processor import available_cpus
from mirage.service.rates import Rates
from mirage.service.settings import Settings
from mirage.service.siblings import Siblings
from mirage.service.totals import add_up
from mirage.service.worker_collector import WorkerCollector


@dataclass
class Service:
    """The parts of a running service.

    `draining` is set when it is told to stop, `refusing` when it takes nothing more; `unanswered`
    are the requests that have begun, whatever they are for.
    """

    settings: Settings
    crowd: Crowd | None = None  # None: the CPUs are this process' own
    metrics: Metrics = field(default_factory=Metrics)
    draining: bool = False
    refusing: bool = False
    unanswered: set[int] = field(default_factory=set)
    keys: Keys | None = field(init=False)  # None: no key is asked for
    rates: Rates = field(init=False)
    models: Models = field(init=False)
    encoders: ThreadPoolExecutor = field(init=False)
    intake: Intake = field(init=False)
    outbox: Outbox = field(init=False, default_factory=Outbox)
    siblings: Siblings | None = field(init=False, default=None)  # where there are several workers
    _following: list[asyncio.Task[None]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        """Build what depends on the settings; nothing runs before `models.open`."""
        path = self.settings.keys_file
        self.keys = Keys(path, self.metrics.keys_failures) if path else None
        self.rates = Rates(self.settings.images_per_minute)
        self.models = Models(self.settings, self.metrics, self.crowd, self.outbox.flush)
        self.intake = Intake(self.settings.queue_images, self.models.has_plenty)
        threads = self.settings.encode_threads or available_cpus()
        self.encoders = ThreadPoolExecutor(threads, thread_name_prefix="encode")
        self.metrics.waiting.set_function(lambda: len(self.intake))
        self.metrics.ready.set_function(lambda: float(self.ready))

    @property
    def ready(self) -> bool:
        """Whether new requests should come here."""
        return self.models.ready and not self.draining

    def check_alive(self) -> None:
        """Raise EngineStuck when only a new process can help.

        A run takes too long, or a GPU has failed.
        """
        if (running_s := self.models.running_s()) > self.settings.stuck_s:
            raise EngineStuck(f"a run of the engine takes {running_s:.0f} s already")
        if self.models.is_lost():
            raise EngineStuck("a GPU has failed")

    async def exposition(self) -> bytes:
        """The metrics of all workers together, in Prometheus' text format."""
        tell = self.metrics.exposition
        self.outbox.flush()  # to ask the others may hold up the event loop
        text = add_up(await self.siblings.ask(tell)) if self.siblings else tell()
        if self.crowd is None:
            return text
        registry = CollectorRegistry()
        registry.register(WorkerCollector(self.crowd))
        return text + generate_latest(registry)

    async def open(self) -> None:
        """Read the keys and load the models; raises KeysError and StartError."""
        if self.keys is not None:
            await self.keys.open()
            self._following.append(asyncio.create_task(self.keys.follow()))
        await self.models.open()
        self._following.append(asyncio.create_task(self.models.follow()))

    async def close(self) -> None:
        """Finish what is queued and stop the threads."""
        for task in self._following:
            task.cancel()
        await self.models.close()
        self.encoders.shutdown(wait=False)


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    service: Service = request.app.state.service
    return service
