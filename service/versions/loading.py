"""From a bundle on disk to proven, warm engines."""

import logging
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from mirage.bundle.errors import BundleError
from mirage.bundle.format.golden import Case, Golden
from mirage.bundle.format.manifest import Manifest
from mirage.bundle.format.verify import Bundle, load_bundle
from mirage.service.batching.admission import CostModel
from mirage.service.engines.engine import Engine, efficient_batch_size, optimized
from mirage.service.engines.providers import ProviderConfig, plan_engines, provider_configs
from mirage.service.engines.session import EngineError
from mirage.service.engines.shared_engine import SharedEngine
from mirage.service.settings import Settings
from mirage.service.sharing.counters import SharedCounters

log = logging.getLogger(__name__)

TOLERANCE = 1.0  # grey levels in float32, however much a manifest would allow
REDUCED_TOLERANCE, REDUCED_MEAN = 2.0, 0.25  # grey levels in a reduced precision


@dataclass(frozen=True)
class Deviation:
    """How far the engine's images are from the golden ones, in grey levels."""

    largest: float
    mean: float
    allowed: float
    allowed_mean: float

    @property
    def passes(self) -> bool:
        """Whether the engine may serve the bundle."""
        return self.largest <= self.allowed and self.mean <= self.allowed_mean

    def __str__(self) -> str:
        return (
            f"{self.largest:g} grey levels at most, {self.mean:.4f} on average;"
            f" {self.allowed:g} and {self.allowed_mean:g} allowed"
        )


def replay_golden(engine: Engine, golden: Golden) -> Deviation:
    """Compare the engine's images of the golden inputs with the stored ones."""
    differences = np.concatenate([_difference(engine, case) for case in golden.cases])
    if engine.config.precision == "float32":
        allowed = allowed_mean = min(engine.manifest.golden_tolerance, TOLERANCE)
    else:
        allowed, allowed_mean = REDUCED_TOLERANCE, REDUCED_MEAN
    return Deviation(float(differences.max()), float(differences.mean()), allowed, allowed_mean)


def _difference(engine: Engine, case: Case) -> NDArray[np.int16]:
    """The grey levels by which each value of a case's images differs, int16 `[values]`."""
    images = engine.run(list(case.inputs.values()))
    difference: NDArray[np.int16] = np.abs(images.astype(np.int16) - case.images)
    return difference.ravel()


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
    cost: CostModel
    largest: int
    wide: SharedEngine | None = None

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
    allowed = provider_configs(
        settings.provider, settings.precision, onnxruntime.get_available_providers()
    )
    if not allowed:
        raise LoadError("engine_failed", f"{settings.provider} has no {settings.precision} here")
    for config in allowed[:-1]:
        try:
            return _prepare(bundle, config, settings, counters)
        except LoadError as error:
            name, version = bundle.manifest.name, bundle.manifest.version
            log.warning("%s@%d does not run on %s: %s", name, version, config, error)
    return _prepare(bundle, allowed[-1], settings, counters)


def _prepare(
    bundle: Bundle, config: ProviderConfig, settings: Settings, counters: SharedCounters | None
) -> Prepared:
    place, workers = (counters.place, counters.workers) if counters else (0, 1)
    lanes, cost, wide = plan_engines(config, settings, place, workers), CostModel(), None
    try:
        with ExitStack() as unless_ready:
            fit = optimized(bundle, config)

            def build(threads: int, device: int) -> Engine:
                engine = Engine(
                    fit,
                    config,
                    threads=threads,
                    max_batch_size=settings.max_batch_size,
                    device=device,
                    gpu_bytes=settings.gpu_bytes or 0,
                )
                unless_ready.callback(engine.close)  # else a GPU's memory would stay taken
                return engine

            engines = [build(lanes.threads, lanes.device(lane)) for lane in range(lanes.count)]
            if counters is not None and config.provider != "cuda":
                wide = SharedEngine(build(counters.cpus, 0))
                _prove(wide.engine, fit)
                wide.engine.warm_up(CostModel())
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
    largest = efficient_batch_size({size: min(each[size] for each in times) for size in times[0]})
    if counters is not None:
        sizes = f"{lanes.threads} threads, up to {engines[0].sizes[-1]}"
        largest = counters.batch_sizes.agree(f"{label} on {config} with {sizes}", largest)
    prepared = Prepared(engines, cost, largest, wide)
    log.info("%s runs in batches of %d at most", label, largest)
    for engine in prepared.everything:
        engine.release_memory()  # from the largest batches, which may never come
    return prepared


def _prove(engine: Engine, bundle: Bundle) -> None:
    """Raise LoadError unless the engine makes the golden images."""
    deviation = replay_golden(engine, bundle.golden)
    if not deviation.passes:
        raise LoadError("golden_mismatch", f"the golden images differ: {deviation}")
