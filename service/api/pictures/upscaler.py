"""The model that enlarges or translates the pictures of a request."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from mirage.bundle.format.interface import Image
from mirage.bundle.format.manifest import PictureModel, Task
from mirage.service.api.admission.route_deadline import before
from mirage.service.api.content.timing import observe
from mirage.service.api.state import Service
from mirage.service.batching.queue import EntryResult
from mirage.service.errors import InvalidValue
from mirage.service.media.pictures import Picture
from mirage.service.tasks.translate import picture_job
from mirage.service.tasks.upscale import (
    UpscaleJob,
    as_pictures,
    check_enlarged,
    count_images,
    join_pictures,
)
from mirage.service.versions.version import LoadedVersion

T = TypeVar("T")
NAMED = re.compile("([^@]+)(?:@([0-9]+))?")


@dataclass
class Upscaler:
    """A version of a model of pictures in use. `deadline` is in `time.monotonic()` seconds."""

    service: Service
    version: LoadedVersion
    model: PictureModel
    deadline: float

    @property
    def name(self) -> str:
        """Name and version for headers, such as `icon-x4@1`."""
        manifest = self.version.manifest
        return f"{manifest.name}@{manifest.version}"

    def check(self, height: int, width: int, count: int = 1, field: str = "picture") -> None:
        """Raise LimitExceeded, Overloaded or DeadlineUnreachable for pictures of this size.

        Call it before the pictures are decoded or generated.
        """
        scale, settings = self.model.scale, self.service.settings
        check_enlarged(height, width, count, scale, settings, field)
        self.version.check_room(self.deadline - time.monotonic(), count * height * width)

    def admit(self, image: Image, count: int, field: str = "count") -> int:
        """Return how many images the enlarged images count as in rate limits.

        Raises the errors of `check`.
        """
        self.check(image.height, image.width, count, field)
        return count * count_images(image.height, image.width, self.model.scale)

    def job(self, pictures: Sequence[Picture]) -> UpscaleJob:
        """Create the job of pictures with equal sizes and channels. Call it with `in_thread`."""
        return picture_job(self.version.manifest, pictures, self.version.tile)

    async def enlarge(self, made: EntryResult) -> EntryResult:
        """Enlarge the images of a generator in one entry of the batcher.

        The times include those of the generator. Raises the errors of `Batcher.submit`.
        """
        cutting = in_thread(self.service, lambda: self.job(as_pictures(made.rows)))
        job = await before(self.deadline, cutting)
        outcome = await self.version.generate(job, self.deadline)
        joining = in_thread(self.service, lambda: join_pictures(job, outcome.rows))
        images = await before(self.deadline, joining)
        observe(self.service.metrics, self.version.manifest, len(images), outcome, 0.0)
        run_s = made.run_s + outcome.queue_s + outcome.run_s
        return EntryResult(images, made.queue_s, run_s)


@asynccontextmanager
async def upscaler_of(
    service: Service,
    deadline: float,
    name: str | None = None,
    version: int | None = None,
    seed: int | None = None,
    task: Task = "upscale",
) -> AsyncIterator[Upscaler]:
    """Find the model of a request, and keep it in memory during the block.

    `seed` selects the canary. Raises the errors of `ModelRegistry.find`.
    """
    models = service.models
    lease = await before(deadline, models.lease(name, version, seed, task))
    with lease as found:
        model = found.manifest.pictures
        assert model is not None  # the manifest of a model that takes pictures has it
        yield Upscaler(service, found.member(seed, 0), model, deadline)


@asynccontextmanager
async def named_upscaler(service: Service, deadline: float, name: str) -> AsyncIterator[Upscaler]:
    """Like `upscaler_of`, for a field `upscale` with `name` or `name@version`."""
    match = NAMED.fullmatch(name)
    if match is None:
        raise InvalidValue.of("upscale", f"upscale is {name!r:.100}; name or name@version is one")
    version = None if match[2] is None else int(match[2])
    async with AsyncExitStack() as held:
        try:
            lease = upscaler_of(service, deadline, match[1], version)
            upscaler = await held.enter_async_context(lease)
        except InvalidValue as error:
            raise InvalidValue.of("upscale", error.detail) from None
        yield upscaler


async def in_thread(service: Service, function: Callable[[], T]) -> T:
    """Run a function on an encoding thread."""
    return await asyncio.get_running_loop().run_in_executor(service.encoders, function)
