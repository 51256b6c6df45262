"""Loads a bundle: verification, engines, golden check, warm-up."""

import logging
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from mirage.bundle.errors import BundleError
from mirage.bundle.format.golden import Golden, golden_tile
from mirage.bundle.format.manifest import Manifest
from mirage.bundle.format.outputs import IMAGES, output_of
from mirage.bundle.format.verify import Bundle, load_bundle
from mirage.service.batching.cost_model import CostModel
from mirage.service.engines.encoder import Encoder
from mirage.service.engines.engine import Engine, efficient_batch_size, optimized
from mirage.service.engines.providers import (
    PROVIDERS,
    ProviderConfig,
    plan_engines,
    provider_configs,
)
from mirage.service.engines.session import EngineError
from mirage.service.engines.shared_engine import SharedEngine
from mirage.service.media.tiling import join_row, plan_tiles, tile_side
from mirage.service.settings import Settings
from mirage.service.sharing.counters import SharedCounters

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Deviation:
    """The differences between what an engine makes and what is golden, in `unit`."""

    max: float
    mean: float
    max_allowed: float
    mean_allowed: float
    unit: str

    @property
    def passes(self) -> bool:
        """Whether the engine may serve the bundle."""
        return self.max <= self.max_allowed and self.mean <= self.mean_allowed

    def __str__(self) -> str:
        return (
            f"{self.max:g} {self.unit} at most, {self.mean:.4f} on average;"
            f" {self.max_allowed:g} and {self.mean_allowed:g} are allowed"
        )


def golden_check(engine: Engine, golden: Golden) -> Deviation:
    """Compare what the engine makes of the golden inputs with the golden outputs."""
    output = output_of(engine.manifest)
    differences = np.concatenate(
        [
            output.differences(engine.run(list(case.inputs.values())), case.output)
            for case in golden.cases
        ]
    )
    reduced = engine.config.precision != "float32"
    allowed = output.allowed(engine.manifest.golden_tolerance, reduced)
    return _deviation(differences, allowed, output.unit)


def tiling_check(engine: Engine, golden: Golden) -> Deviation:
    """Compare a picture that is enlarged in small tiles with the same picture enlarged whole.

    On the CPU provider both must be equal.
    """
    model = engine.manifest.pictures
    assert model is not None
    side = golden_tile(model)
    picture = _repeated(golden.cases[-1].inputs[engine.manifest.inputs[0].name][0], side)
    height, width, _ = picture.shape
    strips = []
    for tiles in plan_tiles(height, width, side, model.halo, model.multiple):
        images = [engine.run([tile.cut(picture)[None]])[0] for tile in tiles]
        strips.append(join_row(tiles, images, model.scale))
    whole = engine.run([picture[None]])[0]
    differences = IMAGES.differences(np.concatenate(strips), whole)
    allowed = (0.0, 0.0) if engine.config == ProviderConfig("cpu") else IMAGES.reduced
    return _deviation(differences, allowed, IMAGES.unit)


def _deviation(differences: np.ndarray, allowed: tuple[float, float], unit: str) -> Deviation:
    return Deviation(float(differences.max()), float(differences.mean()), *allowed, unit)


def _repeated(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Repeat a picture until it is larger than two tiles along both axes."""
    down, right = (2 * side // length + 1 for length in picture.shape[:2])
    return np.tile(picture, (down, right, 1))


# Reasons that may be temporary: a disk that failed or is not mounted, files that are being copied,
# memory or threads that are not available. All other reasons are faults of the bundle.
TEMPORARY = {"not_found", "file_missing", "file_unreadable", "engine_failed", "load_failed"}


class LoadError(Exception):
    """A version cannot be served. `reason` is public; the message is for operators.

    `is_final` is true if loading it again cannot succeed.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.is_final = reason not in TEMPORARY


@dataclass(frozen=True)
class Prepared:
    """The engines of a version, one per runner, and the cost of their batches.

    `max_batch_size` counts images, or pixels if the model takes pictures. `tile` is the side of the
    largest tile of a picture, in pixels; 0 if it takes none.
    `shared` is an engine with the CPUs of all workers, for a single request. `encoder` is that of
    the bundle, or None.
    """

    engines: list[Engine]
    cost: CostModel
    max_batch_size: int
    shared: SharedEngine | None = None
    tile: int = 0
    encoder: Encoder | None = None

    @property
    def all_engines(self) -> list[Engine]:
        """The engines, including the shared one."""
        return self.engines if self.shared is None else [self.shared.engine, *self.engines]

    @property
    def manifest(self) -> Manifest:
        """The manifest of all engines."""
        return self.engines[0].manifest


def prepare(
    path: Path, settings: Settings, counters: SharedCounters | None = None, *, worker: int = 0
) -> Prepared:
    """Verify a bundle, open its engines, run the golden check and warm up.

    `counters` are those of the workers that use the same CPUs. Without them, `worker` is the number
    of a process among others that share only the GPUs, which they use in turn. It takes seconds:
    call it on a thread. Raises LoadError.
    """
    share = (counters.worker, counters.workers) if counters else (worker, 1)
    try:
        bundle = load_bundle(path)
    except BundleError as error:
        raise LoadError(error.reason, str(error)) from error
    available = onnxruntime.get_available_providers()
    configs = provider_configs(settings.provider, settings.precision, available)
    allowed = [config for config in configs if _can_run(bundle.manifest, config)]
    if configs and not allowed:
        raise LoadError(
            "engine_failed",
            f"provider {settings.provider} runs no models that take pictures; cpu and auto do",
        )
    if not allowed:
        raise LoadError(
            "engine_failed",
            f"provider {settings.provider} does not support {settings.precision} on this machine",
        )
    for config in allowed[:-1]:
        try:
            return _prepare(bundle, config, settings, counters, *share)
        except LoadError as error:
            name, version = bundle.manifest.name, bundle.manifest.version
            log.warning("%s@%d does not run on %s: %s", name, version, config, error)
    return _prepare(bundle, allowed[-1], settings, counters, *share)


def _prepare(
    bundle: Bundle,
    config: ProviderConfig,
    settings: Settings,
    counters: SharedCounters | None,
    worker: int,
    workers: int,
) -> Prepared:
    plan, cost, shared = plan_engines(config, settings, worker, workers), CostModel(), None
    tile = _tile(bundle.manifest, settings)
    try:
        with ExitStack() as on_error:
            graph = optimized(bundle, config)

            def open_engine(threads: int, device: int) -> Engine:
                engine = Engine(
                    graph,
                    config,
                    threads=threads,
                    max_batch_size=settings.max_batch_size,
                    tile=tile,
                    device=device,
                    gpu_bytes=settings.gpu_bytes or 0,
                )
                on_error.callback(engine.close)  # GPU memory is not freed otherwise
                return engine

            engines = [open_engine(plan.threads, plan.device(n)) for n in range(plan.count)]
            if counters is not None and config.provider != "cuda":
                shared = SharedEngine(open_engine(counters.cpus, 0))
                _check(shared.engine, graph)
                shared.engine.warm_up(CostModel())
            for engine in engines:
                _check(engine, graph)
            times = [engine.warm_up(cost) for engine in engines]
            encoder = _open_encoder(bundle)
            on_error.pop_all()
    except EngineError as error:
        raise LoadError("engine_failed", str(error)) from error
    except LoadError:
        raise
    except Exception as error:  # running a graph may raise anything
        raise LoadError("load_failed", f"{type(error).__name__}: {error}") from error
    label = f"{bundle.manifest.name}@{bundle.manifest.version}"
    seconds = {size: min(each[size] for each in times) for size in times[0]}
    # More than a tile at once saves no time: measured with tiles of 48 to 256 pixels.
    max_batch_size = tile * tile if tile else efficient_batch_size(seconds)
    if counters is not None and not tile:
        sizes = f"{plan.threads} threads, up to {engines[0].sizes[-1]}"
        max_batch_size = counters.batch_sizes.agree(
            f"{label} on {config} with {sizes}", max_batch_size
        )
    prepared = Prepared(engines, cost, max_batch_size, shared, tile, encoder)
    unit = "pixels" if tile else "images"
    log.info("%s runs in batches of up to %d %s", label, max_batch_size, unit)
    for engine in prepared.all_engines:
        engine.release_memory()  # the warm-up ran the largest batches, which may never occur
    return prepared


def _open_encoder(bundle: Bundle) -> Encoder | None:
    """Open the encoder, if there is one, and run it once on a golden image. Raises EngineError."""
    if bundle.encoder is None:
        return None
    encoder = Encoder(bundle.encoder, bundle.manifest)
    encoder.run(bundle.golden.cases[0].output[0])
    return encoder


def _can_run(manifest: Manifest, config: ProviderConfig) -> bool:
    return manifest.pictures is None or PROVIDERS[config.provider].takes_pictures


def _tile(manifest: Manifest, settings: Settings) -> int:
    model = manifest.pictures
    return tile_side(settings.tile, model.halo, model.multiple) if model else 0


def _check(engine: Engine, bundle: Bundle) -> None:
    """Raise LoadError if the golden check or the tiling check fails."""
    deviation = golden_check(engine, bundle.golden)
    if not deviation.passes:
        raise LoadError("golden_mismatch", f"the golden images differ: {deviation}")
    if bundle.manifest.pictures is not None:
        deviation = tiling_check(engine, bundle.golden)
        if not deviation.passes:
            raise LoadError("golden_mismatch", f"tiles differ from whole pictures: {deviation}")
