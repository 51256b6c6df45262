"""What the routes of one application share."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from starlette.requests import Request

from service.keys import Keys
from service.metrics import Metrics
from service.models import Models
from service.processor import available_cpus
from service.rates import Rates
from service.settings import Settings


@dataclass
class Service:
    """The parts of a running service; `draining` is set when it is told to stop."""

    settings: Settings
    metrics: Metrics = field(default_factory=Metrics)
    draining: bool = False
    keys: Keys | None = field(init=False)  # None: no key is asked for
    rates: Rates = field(init=False)
    models: Models = field(init=False)
    encoders: ThreadPoolExecutor = field(init=False)
    _following: asyncio.Task[None] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Build what depends on the settings; nothing runs before `models.open`."""
        path = self.settings.keys_file
        self.keys = Keys(path, self.metrics.keys_failures) if path else None
        self.rates = Rates(self.settings.images_per_minute)
        self.models = Models(self.settings, self.metrics)
        threads = self.settings.encode_threads or available_cpus()
        self.encoders = ThreadPoolExecutor(threads, thread_name_prefix="encode")
        self.metrics.ready.set_function(lambda: float(self.ready))

    @property
    def ready(self) -> bool:
        """Whether new requests should come here."""
        return self.models.ready and not self.draining

    async def open(self) -> None:
        """Read the keys and load the models; raises KeysError and StartError."""
        if self.keys is not None:
            await self.keys.open()
            self._following = asyncio.create_task(self.keys.follow())
        await self.models.open()

    async def close(self) -> None:
        """Finish what is queued and stop the threads."""
        await self.models.close()
        if self._following is not None:
            self._following.cancel()
        self.encoders.shutdown(wait=False)


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    service: Service = request.app.state.service
    return service
