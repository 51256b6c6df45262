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
from mirage.service.engines.engine import Engine, fitted, useful_size
from mirage.service.engines.providers import PROVIDERS, ProviderConfig, kinds, plan_lanes
from mirage.service.engines.session import EngineError
from mirage.service.engines.wide import WideEngine
from mirage.service.media.tiling import join_row, plan_tiles, tile_side
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
    if engine.kind.precision == "float32":
        allowed = allowed_mean = min(engine.manifest.golden_tolerance, TOLERANCE)
    else:
        allowed, allowed_mean = REDUCED_TOLERANCE, REDUCED_MEAN
    return Deviation(float(differences.max()), float(differences.mean()), allowed, allowed_mean)


def replay_tiled(engine: Engine, golden: Golden) -> Deviation:
    """Compare the image of a picture that is made in small tiles with that of the whole picture.

    They have the same bytes on the CPU provider, and elsewhere what golden images may differ by.
    """
    model = engine.manifest.pictures
    assert model is not None
    side = 4 * model.halo + 8 * model.multiple
    picture = _widened(golden.cases[-1].inputs[engine.manifest.inputs[0].name][0], side)
    whole = engine.run([picture[None]])[0]
    height, width, _ = picture.shape
    rows = plan_tiles(height, width, side, model.halo, model.multiple)
    strips = []
    for tiles in rows:
        images = [engine.run([tile.cut(picture)[None]])[0] for tile in tiles]
        strips.append(join_row(tiles, images, model.scale))
    difference = np.abs(np.concatenate(strips).astype(np.int16) - whole)
    if engine.kind == ProviderConfig("cpu"):
        allowed = allowed_mean = 0.0
    else:
        allowed, allowed_mean = REDUCED_TOLERANCE, REDUCED_MEAN
    return Deviation(float(difference.max()), float(difference.mean()), allowed, allowed_mean)


def _widened(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A picture, repeated as often as it takes to be larger than two tiles of this side."""
    down, right = (2 * side // length + 1 for length in picture.shape[:2])
    return np.tile(picture, (down, right, 1))


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

    `largest` is in images, or in pixels of pictures, of which tiles have sides of up to `side`.
    `wide` is one that uses the CPUs of all workers, for one lone request.
    """

    engines: list[Engine]
    cost: CostModel
    largest: int
    wide: WideEngine | None = None
    side: int = 0

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
    available = kinds(settings.provider, settings.precision, onnxruntime.get_available_providers())
    allowed = [kind for kind in available if _can_run(bundle.manifest, kind)]
    if available and not allowed:
        raise LoadError(
            "engine_failed", f"{settings.provider} runs no models of pictures; cpu and auto do"
        )
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
    bundle: Bundle, kind: ProviderConfig, settings: Settings, counters: SharedCounters | None
) -> Prepared:
    place, workers = (counters.place, counters.workers) if counters else (0, 1)
    lanes, cost, wide = plan_lanes(kind, settings, place, workers), CostModel(), None
    side = _tile_side(bundle.manifest, settings)
    try:
        with ExitStack() as unless_ready:
            fit = fitted(bundle, kind)

            def build(threads: int, device: int) -> Engine:
                engine = Engine(
                    fit,
                    kind,
                    threads=threads,
                    largest=settings.max_batch_size,
                    side=side,
                    device=device,
                    gpu_bytes=settings.gpu_bytes or 0,
                )
                unless_ready.callback(engine.close)  # else a GPU's memory would stay taken
                return engine

            engines = [build(lanes.threads, lanes.device(lane)) for lane in range(lanes.count)]
            if counters is not None and kind.provider != "cuda":
                wide = WideEngine(build(counters.cpus, 0))
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
    if side:
        largest = side * side  # a tile: more pixels at once take as long each
    else:
        largest = useful_size({size: min(each[size] for each in times) for size in times[0]})
    if counters is not None and not side:
        sizes = f"{lanes.threads} threads, up to {engines[0].sizes[-1]}"
        largest = counters.batch_sizes.agree(f"{label} on {kind} with {sizes}", largest)
    prepared = Prepared(engines, cost, largest, wide, side)
    log.info("%s runs in batches of %d at most", label, largest)
    for engine in prepared.everything:
        engine.rest()  # from the largest batches, which may never come
    return prepared


def _can_run(manifest: Manifest, kind: ProviderConfig) -> bool:
    return manifest.pictures is None or PROVIDERS[kind.provider].takes_pictures


def _tile_side(manifest: Manifest, settings: Settings) -> int:
    """The side of the largest tile, in pixels; 0 for a model that takes no pictures."""
    model = manifest.pictures
    return tile_side(settings.tile, model.halo, model.multiple) if model else 0


def _prove(engine: Engine, bundle: Bundle) -> None:
    """Raise LoadError unless the engine makes the golden images, and tiles have no seams."""
    deviation = replay_golden(engine, bundle.golden)
    if not deviation.passes:
        raise LoadError("golden_mismatch", f"the golden images differ: {deviation}")
    if bundle.manifest.pictures is not None:
        deviation = replay_tiled(engine, bundle.golden)
        if not deviation.passes:
            raise LoadError("golden_mismatch", f"tiles differ from whole pictures: {deviation}")
