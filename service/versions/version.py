"""A version that answers: its engines behind a batcher, or an ensemble of such versions."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from prometheus_client import Counter

from mirage.bundle.format.latents import member_of
from mirage.bundle.format.manifest import Manifest
from mirage.service.batching.batcher import Batcher, BatchOptions
from mirage.service.batching.queue import Array, Arrays, Batchable, EntryResult
from mirage.service.engines.engine import Engine
from mirage.service.errors import InvalidValue
from mirage.service.host import trim_memory
from mirage.service.settings import Settings
from mirage.service.sharing.counters import SharedCounters
from mirage.service.tasks.generate import GenerateJob
from mirage.service.telemetry.metrics import Metrics
from mirage.service.versions.loading import Prepared

log = logging.getLogger(__name__)

Key = tuple[str, int]  # name and version
WIDE_IMAGES = 8  # of a batch that more threads make sooner
AHEAD = 8  # tiles that are made before the client has read what comes before: a few tens of MB
OVERLAP = 4  # how many times its own pixels the tiles of a picture have at most, see `tile_side`


class Runner:
    """What a lane runs: an engine whose padding is counted, or the wide one for a lone request."""

    def __init__(
        self, engine: Engine, padding: Counter, prepared: Prepared, counters: SharedCounters
    ) -> None:
        self._engine = engine
        self._padding = padding
        self._wide = prepared.wide
        self._wide_from = 1 if prepared.side else min(WIDE_IMAGES, prepared.largest)
        self._counters = counters

    def __call__(self, arrays: Batchable) -> Array:
        """The images of a batch of the model's inputs."""
        if padding := self._engine.padding(len(arrays[0])):
            self._padding.inc(padding)
        if self._wide is not None and self._is_alone(len(arrays[0])):
            images = self._wide.try_run(arrays)
            if images is not None:
                return images
        return self._engine.run(arrays)

    def rest(self) -> None:
        """Give memory back."""
        self._engine.rest()
        if self._wide is not None:
            self._wide.rest()
        trim_memory()

    def _is_alone(self, size: int) -> bool:
        """Whether a batch is large, and of the only request that all workers have."""
        return size >= self._wide_from and self._counters.is_one()


class Job(Protocol):
    """What a task makes of a request: items for a model."""

    @property
    def arrays(self) -> Arrays:
        """The model's inputs, in its manifest's order."""

    @property
    def weight(self) -> int:
        """The work of an item: 1, or the pixels of a picture."""


class LoadedVersion:
    """A version that answers. Create, call and close it on the event loop."""

    def __init__(
        self,
        prepared: Prepared,
        settings: Settings,
        metrics: Metrics,
        counters: SharedCounters | None = None,
    ) -> None:
        self.manifest = manifest = prepared.manifest
        self._labels = (manifest.name, str(manifest.version))
        self.kind = prepared.engines[0].kind
        self.tile_side = prepared.side  # in pixels; 0 for a model that takes no pictures
        self._metrics = metrics
        self._counters = counters = counters or SharedCounters()
        self._engines = prepared.everything
        padding = metrics.padding.labels(*self._labels)
        self._batcher = batcher = Batcher(
            [Runner(engine, padding, prepared, counters) for engine in prepared.engines],
            batch_options(prepared, settings, inline=self._may_run_inline),
            prepared.cost,
            metrics.batch_observer(*self._labels),
        )
        sampler = metrics.sampler
        sampler.follow(metrics.queued.labels(*self._labels), lambda: batcher.waiting)
        sampler.follow(metrics.oldest_seconds.labels(*self._labels), batcher.oldest_s)
        sampler.follow(metrics.running_seconds.labels(*self._labels), batcher.running_s)
        metrics.loaded.labels(*self._labels, self.kind.provider).set(1)

    @property
    def _may_run_inline(self) -> bool:
        """Only beside other workers, where a supervisor replaces one whose engine hangs.

        Tiles of pictures take too long.
        """
        is_short = not self.tile_side
        return self._counters.workers > 1 and self.kind.provider != "cuda" and is_short

    @property
    def key(self) -> Key:
        """Name and version."""
        return self.manifest.name, self.manifest.version

    @property
    def parts(self) -> tuple["LoadedVersion", ...]:
        """What of it is in memory: itself."""
        return (self,)

    def member(self, seed: int | None, index: int) -> "LoadedVersion":
        """What makes an image, whichever it is: itself."""
        return self

    def running_s(self) -> float:
        """How long the engine's present run takes already; 0 when it rests."""
        return self._batcher.running_s()

    def is_lost(self) -> bool:
        """Whether an engine can run in a new process only."""
        return any(engine.is_lost for engine in self._engines)

    def is_saturated(self) -> bool:
        """As `Batcher.is_saturated`."""
        return self._batcher.is_saturated()

    def check_room(self, allowed_s: float, work: int = 1) -> None:
        """As `Batcher.check_room`, by default for an image."""
        self._batcher.check_room(allowed_s, work)

    async def generate(self, job: Job, deadline: float) -> EntryResult:
        """Make the images; raises what `Batcher.submit` raises."""
        self._counters.join()
        try:
            return await self._batcher.submit(job.arrays, deadline, job.weight)
        finally:
            self._counters.leave()

    async def stream(self, job: Job, deadline: float) -> AsyncGenerator[EntryResult]:
        """Make the images and hand them out as they are made; raises as `Batcher.stream`.

        Of tiles of pictures, only as many are made ahead as are worth `AHEAD` of the largest.
        """
        self._counters.join()
        window = max(1, AHEAD * self.tile_side**2 // job.weight) if self.tile_side else None
        job_parts = self._batcher.stream(job.arrays, deadline, job.weight, window)
        try:
            async with aclosing(job_parts) as parts:
                async for part in parts:
                    yield part
        finally:
            self._counters.leave()

    async def close(self) -> None:
        """Finish what is queued and leave memory."""
        await self._batcher.close()
        metrics = self._metrics
        for gauge in (metrics.queued, metrics.oldest_seconds, metrics.running_seconds):
            metrics.sampler.leave(gauge.labels(*self._labels))
        metrics.loaded.labels(*self._labels, self.kind.provider).set(0)
        await asyncio.to_thread(_free, self._engines)


def _free(engines: list[Engine]) -> None:
    """Free the sessions, and hand back the memory that the C library would keep for later."""
    for engine in engines:
        engine.close()
    trim_memory()


def batch_options(prepared: Prepared, settings: Settings, *, inline: bool) -> BatchOptions:
    """A queue bounded in images and in pixels; the pixels of the largest request fit into it."""
    pixels = int(1e6 * max(settings.queue_megapixels, settings.megapixels_per_request))
    linger_s = settings.linger_ms / 1000
    manifest = prepared.manifest
    if manifest.pictures is not None:
        planes = {1: 4, 3: 2, 4: 1}[manifest.outputs[0].sizes[3] or 1]  # of a picture with alpha
        most = pixels * planes * OVERLAP // manifest.pictures.scale**2
        return BatchOptions(prepared.largest, max(1, most), linger_s, inline, "pixels of tiles")
    image = manifest.image
    images = pixels // (image.height * image.width)
    longest_queue = max(1, min(settings.queue_images, images))
    return BatchOptions(prepared.largest, longest_queue, linger_s, inline)


@dataclass(frozen=True)
class Ensemble:
    """The manifest, and the members in its order."""

    manifest: Manifest
    parts: tuple[LoadedVersion, ...]

    def member(self, seed: int | None, index: int) -> LoadedVersion:
        """The member that makes an image; raises InvalidValue for latents without a seed."""
        if seed is None:
            name = f"{self.manifest.name}@{self.manifest.version}"
            versions = ", ".join(str(member.version) for member in self.manifest.members)
            raise InvalidValue.of(
                "latents",
                f"latents are given; {name} is an ensemble, which makes images of seeds only, so"
                f" name one of its members: version {versions}",
            )
        version = member_of(self.manifest, seed, index).version
        return next(part for part in self.parts if part.manifest.version == version)

    async def generate(self, work: GenerateJob, deadline: float) -> EntryResult:
        """Make the images, all members at once; raises what `Batcher.submit` raises."""
        makers = [self.member(work.seed, work.index + row) for row in range(work.count)]
        shares = {
            part: [row for row, made_by in enumerate(makers) if made_by is part]
            for part in dict.fromkeys(makers)
        }
        outcomes = await _all(
            [part.generate(_rows(work, rows), deadline) for part, rows in shares.items()]
        )
        return _merge(list(shares.values()), outcomes)


Answering = LoadedVersion | Ensemble  # what a version is in memory


def _rows(work: GenerateJob, rows: list[int]) -> GenerateJob:
    labels = None if work.labels is None else work.labels[rows]
    return replace(work, latents=work.latents[rows], labels=labels)


async def _all(jobs: Sequence[Coroutine[Any, Any, EntryResult]]) -> list[EntryResult]:
    """Wait for all jobs; when one fails, or nobody waits any longer, the others end too."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _merge(shares: list[list[int]], outcomes: list[EntryResult]) -> EntryResult:
    """The rows in their order; from the first batch's start to the last batch's end."""
    first = outcomes[0].rows
    merged = np.empty((sum(map(len, shares)), *first.shape[1:]), first.dtype)
    for rows, outcome in zip(shares, outcomes, strict=True):
        merged[rows] = outcome.rows
    queue_s = min(outcome.queue_s for outcome in outcomes)
    return EntryResult(merged, queue_s, max(o.queue_s + o.run_s for o in outcomes) - queue_s)
