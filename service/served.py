"""One version of a model in memory: verified, proven, warm, and behind its batcher."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path

import onnxruntime
from prometheus_client import Counter

from mirage.bundle.errors import BundleError
from mirage.bundle.format.manifest import Manifest
from mirage.bundle.format.verify import Bundle, load_bundle
from mirage.service.batcher import Batcher, BatchOptions
from mirage.service.cost import Cost
from mirage.service.crowd import SharedCounters
from mirage.service.engine import Engine, fitted, useful_size
from mirage.service.entry import Array, Arrays, Outcome
from mirage.service.lanes import plan_lanes
from mirage.service.metrics import Metrics
from mirage.service.processor import trim_memory
from mirage.service.provider import Kind, kinds
from mirage.service.replay import replay_golden
from mirage.service.session import EngineError
from mirage.service.settings import Settings
from mirage.service.wide import WideEngine
from mirage.service.work import Work

log = logging.getLogger(__name__)

Key = tuple[str, int]  # name and version
WIDE_IMAGES = 8  # of a batch that more threads make sooner


# Reasons that may pass: a disk that failed or is not mounted, files that are still to come, memory
# or threads that were not to be had. All others are the bundle's own.
PASSING = {"not_found", "file_missing", "file_unreadable", "engine_failed", "load_failed"}


class LoadError(Exception):
    """A version that will not be served: a public slug, and a message for operators.

    `is_final`: to load it again would not help.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.is_final = reason not in PASSING


@dataclass(frozen=True)
class Prepared:
    """The engines of a version, one per lane, what a batch costs on them, and the largest of use.

    `wide` is one that uses the CPUs of all workers, for one lone request.
    """

    engines: list[Engine]
    cost: Cost
    largest: int
    wide: WideEngine | None = None

    @property
    def everything(self) -> list[Engine]:
        """All engines."""
        return self.engines if self.wide is None else [self.wide.engine, *self.engines]

    @property
    def manifest(self) -> Manifest:
        """The manifest that all engines share."""
        return self.engines[0].manifest


def prepare(path: Path, settings: Settings, counters: SharedCounters | None = None) -> Prepared:
    """Verify a bundle, build its engines, replay its golden images and warm up.

    `counters`: of what shares the CPUs with it. It takes a while: call it on a thread. Raises
    LoadError.
    """
    try:
        bundle = load_bundle(path)
    except BundleError as error:
        raise LoadError(error.reason, str(error)) from error
    allowed = kinds(settings.provider, settings.precision, onnxruntime.get_available_providers())
    if not allowed:
        raise LoadError("engine_failed", f"{settings.provider} has no {settings.precision} here")
    for kind in allowed[:-1]:
        try:
            return _prepare(bundle, kind, settings, counters)
        except LoadError as error:
            name, version = bundle.manifest.name, bundle.manifest.version
            log.warning("%s@%d does not run on %s: %s", name, version, kind, error)
    return _prepare(bundle, allowed[-1], settings, counters)


def _prepare(
    bundle: Bundle, kind: Kind, settings: Settings, counters: SharedCounters | None
) -> Prepared:
    place, workers = (counters.place, counters.workers) if counters else (0, 1)
    lanes, cost, wide = plan_lanes(kind, settings, place, workers), Cost(), None
    try:
        with ExitStack() as unless_ready:
            fit = fitted(bundle, kind)

            def build(threads: int, device: int) -> Engine:
                engine = Engine(
                    fit,
                    kind,
                    threads=threads,
                    largest=settings.max_batch_size,
                    device=device,
                    gpu_bytes=settings.gpu_bytes or 0,
                )
                unless_ready.callback(engine.close)  # else a GPU's memory would stay taken
                return engine

            engines = [build(lanes.threads, lanes.device(lane)) for lane in range(lanes.count)]
            if counters is not None and kind.provider != "cuda":
                wide = WideEngine(build(counters.cpus, 0))
                _prove(wide.engine, fit)
                wide.engine.warm_up(Cost())
            for engine in engines:
                _prove(engine, fit)
            times = [engine.warm_up(cost) for engine in engines]
            unless_ready.pop_all()
    except EngineError as error:
        raise LoadError("engine_failed", str(error)) from error
    except LoadError:
        raise
    except Exception as error:  # a graph may fail when it runs, with whatever others' code raises
        raise LoadError("load_failed", f"{type(error).__name__}: {error}") from error
    label = f"{bundle.manifest.name}@{bundle.manifest.version}"
    largest = useful_size({size: min(each[size] for each in times) for size in times[0]})
    if counters is not None:
        sizes = f"{lanes.threads} threads, up to {engines[0].sizes[-1]}"
        largest = counters.batch_sizes.agree(f"{label} on {kind} with {sizes}", largest)
    prepared = Prepared(engines, cost, largest, wide)
    log.info("%s runs in batches of %d at most", label, largest)
    for engine in prepared.everything:
        engine.rest()  # from the largest batches, which may never come
    return prepared


def _prove(engine: Engine, bundle: Bundle) -> None:
    """Raise LoadError unless the engine makes the golden images."""
    deviation = replay_golden(engine, bundle.golden)
    if not deviation.passes:
        raise LoadError("golden_mismatch", f"the golden images differ: {deviation}")


class Runner:
    """What a lane runs: an engine whose padding is counted, or the wide one for a lone request."""

    def __init__(
        self, engine: Engine, padding: Counter, prepared: Prepared, counters: SharedCounters
    ) -> None:
        self._engine = engine
        self._padding = padding
        self._wide = prepared.wide
        self._wide_from = min(WIDE_IMAGES, prepared.largest)
        self._counters = counters

    def __call__(self, arrays: Arrays) -> Array:
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


class Served:
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
        self._metrics = metrics
        self._counters = counters = counters or SharedCounters()
        self._engines = prepared.everything
        padding = metrics.padding.labels(*self._labels)
        self._batcher = batcher = Batcher(
            [Runner(engine, padding, prepared, counters) for engine in prepared.engines],
            _batch_options(prepared, settings, inline=self._may_run_inline),
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
        """Only beside other workers, where a supervisor replaces one whose engine hangs."""
        return self._counters.workers > 1 and self.kind.provider != "cuda"

    @property
    def key(self) -> Key:
        """Name and version."""
        return self.manifest.name, self.manifest.version

    @property
    def parts(self) -> tuple["Served", ...]:
        """What of it is in memory: itself."""
        return (self,)

    def member(self, seed: int | None, index: int) -> "Served":
        """What makes an image, whichever it is: itself."""
        return self

    def running_s(self) -> float:
        """How long the engine's present run takes already; 0 when it rests."""
        return self._batcher.running_s()

    def is_lost(self) -> bool:
        """Whether an engine can run in a new process only."""
        return any(engine.is_lost for engine in self._engines)

    def has_plenty(self) -> bool:
        """As `Batcher.has_plenty`."""
        return self._batcher.has_plenty()

    def check_room(self, allowed_s: float) -> None:
        """As `Batcher.check_room`, for an image."""
        self._batcher.check_room(allowed_s)

    async def generate(self, work: Work, deadline: float) -> Outcome:
        """Make the images; raises what `Batcher.submit` raises."""
        self._counters.join()
        try:
            return await self._batcher.submit(_arrays(work), deadline)
        finally:
            self._counters.leave()

    async def stream(self, work: Work, deadline: float) -> AsyncGenerator[Outcome]:
        """Make the images and hand them out as they are made; raises as `Batcher.stream`."""
        self._counters.join()
        try:
            async with aclosing(self._batcher.stream(_arrays(work), deadline)) as parts:
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


def _batch_options(prepared: Prepared, settings: Settings, *, inline: bool) -> BatchOptions:
    """A queue bounded in images and in pixels; the pixels of the largest request fit into it."""
    megapixels = max(settings.queue_megapixels, settings.megapixels_per_request)
    image = prepared.manifest.image
    images = int(1e6 * megapixels / (image.height * image.width))
    longest_queue = max(1, min(settings.queue_images, images))
    linger_s = settings.linger_ms / 1000
    return BatchOptions(prepared.largest, longest_queue, linger_s, inline)


def _arrays(work: Work) -> Arrays:
    return (work.latents,) if work.labels is None else (work.latents, work.labels)
