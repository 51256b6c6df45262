"""Runs the graph of a bundle on one execution provider."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mirage.bundle.format.manifest import Manifest
from mirage.bundle.format.verify import Bundle
from mirage.service.batching.cost_model import CostModel
from mirage.service.engines.cuda_graph import CudaGraphRunner, Stream
from mirage.service.engines.graph_precision import (
    cut_before_convolutions,
    in_float16,
    with_float32_weights,
)
from mirage.service.engines.polyphase import decompose
from mirage.service.engines.providers import PROVIDERS, ProviderConfig, provider_options
from mirage.service.engines.session import (
    Chain,
    EngineError,
    Feed,
    check_provider,
    load_cuda,
    open_session,
)

Array = NDArray[Any]

# Rounds of warm-up through all batch sizes. Two are enough to measure slow models; fast ones run up
# to eight within MIN_WARM_UP_S, because a short disturbance looks like the cost of a batch size.
MIN_ROUNDS, MAX_ROUNDS, MIN_WARM_UP_S = 2, 8, 0.3
# Limits of `efficient_batch_size`. Chosen with 256x256 images on the CPU provider: batches of 4
# instead of 32 reduced p99 at 80 % of the sustainable load from 100-188 to 83-95 ms.
SHORT_BATCH_S = 0.03  # a request that arrives meanwhile waits for all of the batch
SHORT_TOLERANCE, LONG_TOLERANCE = 1.15, 1.05  # time per image, relative to the fastest size
# Pixels of a batch on a GPU, where every batch is padded to one size. Measured in float16: twice as
# many make 15 to 20 % more images per second, but each batch, full or not, takes 1.7 times as long.
CUDA_BATCH_PIXELS = 2**19


MAX_WARM_SIDE = 256  # pixels; larger pictures take as long per pixel, so they show nothing new


class Graph(Protocol):
    """A loaded graph; `is_lost` is true once only a new process can run it again."""

    is_lost: bool

    def run(self, feed: Feed) -> Array:
        """Return the output for the inputs."""

    def release_memory(self, feed: Feed) -> None:
        """Release memory; `feed` is a small batch that may be run for it."""

    def close(self) -> None:
        """Free the graph. It must not be running, and cannot be run afterwards."""


class Engine:
    """A bundle's graph on one provider, for one thread at a time.

    With bfloat16, only the convolutions and what follows them run in bfloat16. The dense layers
    before them take little time, but rounding them would add much to the error of the images.

    `threads` is the number of compute threads, `device` the number of a GPU, and `gpu_bytes` the
    limit on its memory; 0 means no limit. `tile` is the side of the largest picture, in pixels, if
    the model takes pictures. Work is counted in images, or in pixels of pictures.
    Raises EngineError if onnxruntime rejects the graph or falls back to another provider.
    """

    def __init__(
        self,
        bundle: Bundle,
        config: ProviderConfig,
        *,
        threads: int = 1,
        max_batch_size: int = 32,
        tile: int = 256,
        device: int = 0,
        gpu_bytes: int = 0,
    ) -> None:
        self.manifest = manifest = bundle.manifest
        self._pictures = manifest.pictures
        self._row_shape = None if self._pictures else row_shape(manifest)
        self._dtype = np.dtype(manifest.outputs[0].dtype)
        self.config = config
        self._pads = PROVIDERS[config.provider].pads
        self._tile = tile
        if self._pictures is not None:
            self.sizes: tuple[int, ...] = (1,)
        elif self._pads:
            self.sizes = (cuda_batch_size(manifest.positions, max_batch_size),)
        else:
            self.sizes = batch_sizes(max_batch_size)
        self._graph: Graph = (
            open_cuda_graph(bundle, config, self.sizes[0], device, gpu_bytes)
            if config.provider == "cuda"
            else _chain(bundle, config, threads)
        )

    @property
    def is_lost(self) -> bool:
        """Whether only a new process can make images again, as after a GPU has failed."""
        return self._graph.is_lost

    def close(self) -> None:
        """Free the graph. It must not be running, and cannot be run afterwards."""
        self._graph.close()

    def run(self, inputs: Sequence[Array]) -> Array:
        """Return the output `[N, …]` for N items of each input, in the manifest's order.

        Raises EngineError if the graph returns another shape or type.
        """
        rows = self._graph.run(self._feed(inputs))
        shape = self._expected_shape(inputs[0])
        if rows.shape != shape or rows.dtype != self._dtype:
            raise EngineError(
                f"the graph returned {rows.dtype} {rows.shape}, not {self._dtype} {shape}"
            )
        return rows

    def padding(self, size: int) -> int:
        """Return how many discarded images pad a batch of `size`."""
        return -size % self.sizes[0] if self._pads else 0

    def release_memory(self) -> None:
        """Release memory that only large batches need. The next large batch allocates it again."""
        smallest = None if self._pictures is None else self._pictures.multiple
        self._graph.release_memory(self._feed(self._zeros(1, smallest)))

    def warm_up(self, cost: CostModel) -> dict[int, float]:
        """Run zeros of several amounts of work and update `cost` with the warm runs.

        The amounts are all batch sizes, or pictures up to the largest tile. Returns the seconds of
        the fastest run of each.
        """
        samples = self._samples()
        for inputs in samples.values():
            self.run(inputs)
        found = dict.fromkeys(samples, math.inf)
        began = time.perf_counter()
        for turn in range(MAX_ROUNDS):
            # Each round runs all samples, so that other load on the CPUs affects all alike.
            for work, inputs in samples.items():
                started = time.perf_counter()
                self.run(inputs)
                took = time.perf_counter() - started
                cost.learn(work, took)
                found[work] = min(found[work], took)
            if turn + 1 >= MIN_ROUNDS and time.perf_counter() - began > MIN_WARM_UP_S:
                break
        return found

    def _samples(self) -> dict[int, list[Array]]:
        """Return inputs by their work."""
        if self._pictures is None:
            return {size: self._zeros(size) for size in self.sizes}
        multiple, largest = self._pictures.multiple, min(self._tile, MAX_WARM_SIDE)
        sides = {max(1, part * largest // (4 * multiple)) * multiple for part in (1, 2, 4)}
        return {side * side: self._zeros(1, side) for side in sorted(sides)}

    def _zeros(self, size: int, side: int | None = None) -> list[Array]:
        return [tensor.zeros(size, side) for tensor in self.manifest.inputs]

    def _expected_shape(self, first: Array) -> tuple[int, ...]:
        """Return the shape of the output of a batch, given its first input."""
        if self._row_shape is not None:
            return len(first), *self._row_shape
        assert self._pictures is not None
        count, height, width, channels = first.shape
        scale = self._pictures.scale
        return count, scale * height, scale * width, channels

    def _feed(self, inputs: Sequence[Array]) -> Feed:
        names = (tensor.name for tensor in self.manifest.inputs)
        return dict(zip(names, inputs, strict=True))


def optimized(bundle: Bundle, config: ProviderConfig) -> Bundle:
    """Return the bundle with its graph rewritten for a provider and precision.

    The images differ at most by rounding, which the golden check bounds.
    """
    model = with_float32_weights(bundle.model)
    if PROVIDERS[config.provider].decomposes:
        model = decompose(model)
    elif config.precision == "float16":
        model = in_float16(model)
    return bundle if model is bundle.model else replace(bundle, model=model)


def efficient_batch_size(seconds: Mapping[int, float]) -> int:
    """Return the best maximum batch size, given the seconds that a batch of each size takes.

    Returns the larger of (a) the smallest size whose time per image is within 5 % of the best and
    (b) the largest size whose batch takes at most 30 ms and is within 15 % of the best. Larger
    batches of large images do not fit into the CPU's caches and only increase latency.
    """
    per_image = {size: taken / size for size, taken in seconds.items()}
    best = min(per_image.values())
    efficient = min(size for size in seconds if per_image[size] <= LONG_TOLERANCE * best)
    short = [size for size in seconds if seconds[size] <= SHORT_BATCH_S]
    return max([efficient, *(size for size in short if per_image[size] <= SHORT_TOLERANCE * best)])


def batch_sizes(max_batch_size: int) -> tuple[int, ...]:
    """Return the powers of two below the maximum batch size, and the maximum."""
    powers = range((max_batch_size - 1).bit_length())
    return (*(2**power for power in powers), max_batch_size)


def cuda_batch_size(positions: int, max_batch_size: int) -> int:
    """Return the size of all batches on a GPU: a power of two, or the maximum batch size.

    positions: the pixels of an image, or the samples or tokens of another output. The bytes of an
    item depend on the size, so it follows from the model and the settings alone.
    """
    room = max(1, CUDA_BATCH_PIXELS // positions)
    return min(max_batch_size, 1 << (room.bit_length() - 1))


def _chain(bundle: Bundle, config: ProviderConfig, threads: int) -> Chain:
    has_free_sides = bundle.manifest.pictures is not None
    stages = [(bundle.model, config)] if has_free_sides else _stages(bundle.model, config)
    sessions = []
    for part, each in stages:
        options = provider_options(each, threads)
        sessions.append(open_session(part, each, threads, options, has_free_sides=has_free_sides))
    return Chain(sessions)


def _stages(model: bytes, config: ProviderConfig) -> list[tuple[bytes, ProviderConfig]]:
    """Split a model into the graphs to run in sequence, each with its configuration."""
    if config.precision == "bfloat16" and (parts := cut_before_convolutions(model)) is not None:
        return [(parts[0], ProviderConfig("cpu")), (parts[1], config)]
    return [(model, config)]


def open_cuda_graph(
    bundle: Bundle,
    config: ProviderConfig,
    size: int,
    device: int = 0,
    gpu_bytes: int = 0,
    *,
    capture: bool = True,
) -> CudaGraphRunner:
    """Open the graph of an optimized bundle on a GPU, for batches of `size`. Raises EngineError."""
    check_provider(config)
    load_cuda()
    stream = Stream(device)
    options = provider_options(config, 1, device, stream.address, gpu_bytes)
    session = open_session(bundle.model, config, 1, options)
    manifest = bundle.manifest
    inputs: dict[str, tuple[tuple[int, ...], DTypeLike]] = {
        each.name: (each.zeros(size).shape, each.dtype) for each in manifest.inputs
    }
    made = manifest.outputs[0]
    output = made.name, ((size, *row_shape(manifest)), made.dtype)
    return CudaGraphRunner(session, stream, device, inputs, output, capture=capture)


def row_shape(manifest: Manifest) -> tuple[int, ...]:
    """Return the shape of one item of the output of a model without free axes."""
    return tuple(size or 0 for size in manifest.outputs[0].sizes[1:])
