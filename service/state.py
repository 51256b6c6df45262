"""What the routes of one application share."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from starlette.requests import Request

from service.metrics import Metrics
from service.models import Models
from service.processor import available_cpus
from service.settings import Settings


@dataclass
class Service:
    """The parts of a running service; `draining` is set when it is told to stop."""

    settings: Settings
    metrics: Metrics = field(default_factory=Metrics)
    draining: bool = False
    models: Models = field(init=False)
    encoders: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        """Build what depends on the settings; nothing runs before `models.open`."""
        self.models = Models(self.settings, self.metrics)
        threads = self.settings.encode_threads or available_cpus()
        self.encoders = ThreadPoolExecutor(threads, thread_name_prefix="encode")
        self.metrics.ready.set_function(lambda: float(self.ready))

    @property
    def ready(self) -> bool:
        """Whether new requests should come here."""
        return self.models.ready and not self.draining

    async def close(self) -> None:
        """Finish what is queued and stop the threads."""
        await self.models.close()
        self.encoders.shutdown(wait=False)


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    service: Service = request.app.state.service
    return service
