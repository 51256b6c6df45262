"""A version in memory: its engines behind a batcher, or an ensemble of such versions."""

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
from mirage.service.batching.queue import Array, Arrays, EntryResult, Inputs
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
# Smallest batch for the shared engine. With fewer images, several threads wait for each other about
# as long as they save.
MIN_SHARED_IMAGES = 8
# Tiles of a picture that run before the caller has consumed earlier ones. Several runners stay
# busy, and 8 tiles of 256 pixels are 25 MB of RGB at four times the size.
MAX_TILES_AHEAD = 8
MAX_OVERLAP = 4  # pixels of a picture's tiles per pixel of the picture; see `tiling.tile_side`
MAX_PLANES = {1: 4, 3: 2, 4: 1}  # of an RGBA picture, by the channels of the model


class EngineRun:
    """Runs batches on an engine and counts padding.

    A large batch of the only request in all workers runs on the engine with all CPUs instead.
    """

    def __init__(
        self, engine: Engine, padding: Counter, prepared: Prepared, counters: SharedCounters
    ) -> None:
        self._engine = engine
        self._padding = padding
        self._shared = prepared.shared
        # A single tile is large enough.
        self._min_shared_images = (
            1 if prepared.tile else min(MIN_SHARED_IMAGES, prepared.max_batch_size)
        )
        self._counters = counters

    def __call__(self, arrays: Arrays) -> Array:
        """Return the images for a batch of the model's inputs."""
        if padding := self._engine.padding(len(arrays[0])):
            self._padding.inc(padding)
        if self._shared is not None and self._may_share(len(arrays[0])):
            images = self._shared.try_run(arrays)
            if images is not None:
                return images
        return self._engine.run(arrays)

    def release_memory(self) -> None:
        """Release the memory of the engines and of the C library."""
        self._engine.release_memory()
        if self._shared is not None:
            self._shared.release_memory()
        trim_memory()

    def _may_share(self, size: int) -> bool:
        return size >= self._min_shared_images and self._counters.has_single_request()


class Job(Protocol):
    """The work of one request."""

    @property
    def arrays(self) -> Inputs:
        """The model's inputs, in the order of its manifest."""

    @property
    def weight(self) -> int:
        """Work of one item: 1, or the pixels of a picture."""


class LoadedVersion:
    """A version in memory. Create, call and close it on the event loop."""

    def __init__(
        self,
        prepared: Prepared,
        settings: Settings,
        metrics: Metrics,
        counters: SharedCounters | None = None,
    ) -> None:
        self.manifest = manifest = prepared.manifest
        self.key: Key = (manifest.name, manifest.version)
        self._labels = (manifest.name, str(manifest.version))
        self.provider_config = prepared.engines[0].config
        self.tile = prepared.tile  # side of the largest tile in pixels; 0 if it takes no pictures
        self.encoder = prepared.encoder
        # Of inversions of its own images, by their iterations and the index of the image.
        self.typical_errors: dict[tuple[int, int], float] = {}
        self._metrics = metrics
        self._counters = counters = counters or SharedCounters()
        self._engines = prepared.all_engines
        padding = metrics.padding.labels(*self._labels)
        self._batcher = batcher = Batcher(
            [EngineRun(engine, padding, prepared, counters) for engine in prepared.engines],
            _batch_options(prepared, settings, inline=self._may_run_inline),
            prepared.cost,
            metrics.batch_observer(*self._labels),
        )
        sampler = metrics.sampler
        sampler.follow(metrics.queued.labels(*self._labels), lambda: batcher.waiting)
        sampler.follow(metrics.oldest_seconds.labels(*self._labels), batcher.oldest_s)
        sampler.follow(metrics.running_seconds.labels(*self._labels), batcher.running_s)
        metrics.loaded.labels(*self._labels, self.provider_config.provider).set(1)

    @property
    def _may_run_inline(self) -> bool:
        # A hanging engine call blocks the event loop. Only with several workers does a supervisor
        # replace such a worker. A tile takes too long for the event loop.
        is_cpu = self.provider_config.provider != "cuda"
        return self._counters.workers > 1 and is_cpu and not self.tile

    @property
    def members(self) -> tuple["LoadedVersion", ...]:
        """The versions that it consists of: itself."""
        return (self,)

    def member(self, seed: int | None, index: int) -> "LoadedVersion":
        """Return the version that makes an image: itself."""
        return self

    def running_s(self) -> float:
        """See `Batcher.running_s`."""
        return self._batcher.running_s()

    def is_lost(self) -> bool:
        """Whether an engine can only run in a new process."""
        return any(engine.is_lost for engine in self._engines)

    def is_saturated(self) -> bool:
        """See `Batcher.is_saturated`."""
        return self._batcher.is_saturated()

    def check_room(self, allowed_s: float, work: int = 1) -> None:
        """See `Batcher.check_room`."""
        self._batcher.check_room(allowed_s, work)

    def check_deadline(self, deadline: float, work: int) -> None:
        """See `Batcher.check_deadline`."""
        self._batcher.check_deadline(deadline, work)

    async def generate(self, job: Job, deadline: float) -> EntryResult:
        """Make the images of a job. Raises the errors of `Batcher.submit`."""
        self._counters.begin_request()
        try:
            return await self._batcher.submit(job.arrays, deadline, job.weight)
        finally:
            self._counters.end_request()

    async def stream(self, job: Job, deadline: float) -> AsyncGenerator[EntryResult]:
        """Yield the images of a job in parts. Raises the errors of `Batcher.stream`.

        Tiles run at most `MAX_TILES_AHEAD` ahead of the caller, which bounds the memory.
        """
        self._counters.begin_request()
        window = max(1, MAX_TILES_AHEAD * self.tile**2 // job.weight) if self.tile else None
        stream = self._batcher.stream(job.arrays, deadline, job.weight, window)
        try:
            async with aclosing(stream) as parts:
                async for part in parts:
                    yield part
        finally:
            self._counters.end_request()

    async def close(self) -> None:
        """Finish the queued jobs and free the engines."""
        await self._batcher.close()
        metrics = self._metrics
        for gauge in (metrics.queued, metrics.oldest_seconds, metrics.running_seconds):
            metrics.sampler.leave(gauge.labels(*self._labels))
        metrics.loaded.labels(*self._labels, self.provider_config.provider).set(0)
        await asyncio.to_thread(_free, self._engines)


def _free(engines: list[Engine]) -> None:
    """Free the engines, and return the memory that the C library keeps for reuse."""
    for engine in engines:
        engine.close()
    trim_memory()


def _batch_options(prepared: Prepared, settings: Settings, *, inline: bool) -> BatchOptions:
    # The queue is bounded in images and in pixels, but always holds the largest allowed request.
    pixels = int(1e6 * max(settings.queue_megapixels, settings.megapixels_per_request))
    linger_s = settings.linger_ms / 1000
    manifest = prepared.manifest
    if manifest.pictures is not None:
        planes = MAX_PLANES[manifest.outputs[0].sizes[3] or 1]
        work = max(1, pixels * planes * MAX_OVERLAP // manifest.pictures.scale**2)
        return BatchOptions(prepared.max_batch_size, work, linger_s, inline, "pixels of tiles")
    max_queue_size = max(1, min(settings.queue_images, pixels // manifest.positions))
    return BatchOptions(prepared.max_batch_size, max_queue_size, linger_s, inline)


@dataclass(frozen=True)
class Ensemble:
    """An ensemble in memory: its manifest, and its members in the same order."""

    manifest: Manifest
    members: tuple[LoadedVersion, ...]

    def member(self, seed: int | None, index: int) -> LoadedVersion:
        """Return the member that makes an image. Raises InvalidValue without a seed."""
        if seed is None:
            name = f"{self.manifest.name}@{self.manifest.version}"
            versions = ", ".join(str(member.version) for member in self.manifest.members)
            raise InvalidValue.of(
                "latents",
                f"latents are given; {name} is an ensemble, which makes images from seeds only;"
                f" name one of its members: version {versions}",
            )
        version = member_of(self.manifest, seed, index).version
        return next(member for member in self.members if member.manifest.version == version)

    async def generate(self, job: GenerateJob, deadline: float) -> EntryResult:
        """Make the images of a job on all members. Raises the errors of `Batcher.submit`."""
        chosen = [self.member(job.seed, job.index + row) for row in range(job.count)]
        shares = {
            member: [row for row, choice in enumerate(chosen) if choice is member]
            for member in dict.fromkeys(chosen)
        }
        results = await _gather(
            [member.generate(_rows(job, rows), deadline) for member, rows in shares.items()]
        )
        return _merge(list(shares.values()), results)


Servable = LoadedVersion | Ensemble  # a version that answers requests


def _rows(job: GenerateJob, rows: list[int]) -> GenerateJob:
    labels = None if job.labels is None else job.labels[rows]
    return replace(job, latents=job.latents[rows], labels=labels)


async def _gather(jobs: Sequence[Coroutine[Any, Any, EntryResult]]) -> list[EntryResult]:
    """Like `asyncio.gather`, but cancel the other jobs when one fails or the caller leaves."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _merge(shares: list[list[int]], results: list[EntryResult]) -> EntryResult:
    """Merge the rows. The run lasts from the start of the first batch to the end of the last."""
    first = results[0].rows
    merged = np.empty((sum(map(len, shares)), *first.shape[1:]), first.dtype)
    for rows, result in zip(shares, results, strict=True):
        merged[rows] = result.rows
    queue_s = min(result.queue_s for result in results)
    run_s = max(result.queue_s + result.run_s for result in results) - queue_s
    return EntryResult(merged, queue_s, run_s)
