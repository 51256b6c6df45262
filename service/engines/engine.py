"""Makes images with a bundle's graph: arrays in, arrays out, no HTTP."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mirage.bundle.format.interface import Image
from mirage.bundle.format.verify import Bundle
from mirage.service.batching.admission import CostModel
from mirage.service.engines.cuda_graph import CudaGraphRunner, Stream
from mirage.service.engines.graph_precision import cut_before_convolutions, in_float16
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

# Rounds of warm-up through all batch sizes: at least, at most, and the seconds that are enough.
LEAST_ROUNDS, MOST_ROUNDS, ENOUGH_S = 2, 8, 0.3
LONG_S = 0.03  # for a batch: whoever comes meanwhile waits for all of it
SLOWER, HARDLY_SLOWER = 1.15, 1.05  # than an image is in the quickest batches
RECORDED_PIXELS = 2**19  # of a batch on a GPU: enough to keep most of it at work


class Graph(Protocol):
    """A graph that is ready to run; `is_lost` when only a new process can run it again."""

    is_lost: bool

    def run(self, feed: Feed) -> NDArray[np.uint8]:
        """The images of the inputs."""

    def rest(self, feed: Feed) -> None:
        """Give memory back, for which a small run may be needed."""

    def close(self) -> None:
        """Free it; it must not run then or later."""


class Engine:
    """A bundle's graph on one provider, for one thread at a time.

    Work is counted in images, or for a model that takes pictures in pixels of these.

    In bfloat16 only the convolutions and what follows them run so: the dense layers before them
    take little time, and rounded so they would add much to the error of the images.

    `largest` is the largest batch, `side` that of the largest tile of a picture, `threads` are
    compute threads, `device` is the number of a GPU, and `gpu_bytes` is what it may take of the
    memory of that; 0 for all.
    Raises EngineError when onnxruntime refuses the graph or falls back to another provider.
    """

    def __init__(
        self,
        bundle: Bundle,
        kind: ProviderConfig,
        *,
        threads: int = 1,
        largest: int = 32,
        side: int = 256,
        device: int = 0,
        gpu_bytes: int = 0,
    ) -> None:
        self.manifest = manifest = bundle.manifest
        self._pictures = manifest.pictures
        # Each batch asks for it, and a manifest makes an Image of it each time.
        self._image_shape = None if self._pictures else _shape(manifest.image)
        self.kind = kind
        self._pads = PROVIDERS[kind.provider].pads
        self._side = side
        if self._pictures is not None:
            self.sizes: tuple[int, ...] = (1,)
        elif self._pads:
            self.sizes = (recorded_size(manifest.image, largest),)
        else:
            self.sizes = batch_sizes(largest)
        self._graph: Graph = (
            recording(bundle, kind, self.sizes[0], device, gpu_bytes)
            if kind.provider == "cuda"
            else _chain(bundle, kind, threads)
        )

    @property
    def is_lost(self) -> bool:
        """Whether only a new process can make images again, as when a GPU has failed."""
        return self._graph.is_lost

    def close(self) -> None:
        """Free what it holds; it must not run then or later."""
        self._graph.close()

    def run(self, inputs: Sequence[Array]) -> NDArray[np.uint8]:
        """Make images, uint8 `[N, H, W, C]`, of N items of each input of the manifest, in order.

        Raises EngineError when the graph answers in another shape or type.
        """
        images = self._graph.run(self._feed(inputs))
        shape = self._shape_of(inputs[0])
        if images.shape != shape or images.dtype != np.uint8:
            raise EngineError(f"the graph made {images.dtype} {images.shape}, not uint8 {shape}")
        return images

    def padding(self, size: int) -> int:
        """The images that a batch of `size` is filled up with, made and thrown away."""
        return -size % self.sizes[0] if self._pads else 0

    def rest(self) -> None:
        """Give memory back that only large batches need; the next of them takes it again."""
        self._graph.rest(self._feed(self._zeros(1, self._least_side)))

    def warm_up(self, cost: CostModel) -> dict[int, float]:
        """Run zeros of several amounts of work, and learn the cost when it is warm.

        Returns the seconds of each amount, of the quickest of several runs.
        """
        samples = self._samples()
        for inputs in samples.values():
            self.run(inputs)
        found = dict.fromkeys(samples, math.inf)
        began = time.perf_counter()
        for turn in range(MOST_ROUNDS):
            # All amounts in each round: so what else the CPUs do for a moment hinders all alike.
            for work, inputs in samples.items():
                started = time.perf_counter()
                self.run(inputs)
                took = time.perf_counter() - started
                cost.learn(work, took)
                found[work] = min(found[work], took)
            if turn + 1 >= LEAST_ROUNDS and time.perf_counter() - began > ENOUGH_S:
                break
        return found

    def _samples(self) -> dict[int, list[Array]]:
        """Inputs by their work: batches of each size, or pictures up to the largest tile."""
        if self._pictures is None:
            return {size: self._zeros(size) for size in self.sizes}
        multiple = self._pictures.multiple
        sides = {max(1, part * self._side // (4 * multiple)) * multiple for part in (1, 2, 4)}
        return {side * side: self._zeros(1, side) for side in sorted(sides)}

    @property
    def _least_side(self) -> int | None:
        return None if self._pictures is None else self._pictures.multiple

    def _zeros(self, size: int, side: int | None = None) -> list[Array]:
        return [tensor.zeros(size, side) for tensor in self.manifest.inputs]

    def _shape_of(self, first: Array) -> tuple[int, ...]:
        """The shape of the images of a batch, by its first input."""
        if self._image_shape is not None:
            return len(first), *self._image_shape
        assert self._pictures is not None
        count, height, width, channels = first.shape
        scale = self._pictures.scale
        return count, scale * height, scale * width, channels

    def _feed(self, inputs: Sequence[Array]) -> Feed:
        names = (tensor.name for tensor in self.manifest.inputs)
        return dict(zip(names, inputs, strict=True))


def fitted(bundle: Bundle, kind: ProviderConfig) -> Bundle:
    """The bundle with its graph as the kind's provider runs it quickest, for all of its engines.

    The images are the same but for rounding, which golden replay judges.
    """
    if PROVIDERS[kind.provider].decomposes:
        return replace(bundle, model=decompose(bundle.model))
    if kind.precision == "float16":
        return replace(bundle, model=in_float16(bundle.model))
    return bundle


def useful_size(seconds: Mapping[int, float]) -> int:
    """The largest batch size that is of use, by the seconds that each takes.

    That is the largest of those that are soon over. Those that take long have to make an image
    clearly sooner than smaller ones, which the maps of many large images seldom do: they do not fit
    into caches together, and only wait for each other.
    """
    each = {size: taken / size for size, taken in seconds.items()}
    quickest = min(each.values())
    enough = min(size for size in seconds if each[size] <= HARDLY_SLOWER * quickest)
    short = [size for size in seconds if seconds[size] <= LONG_S]
    return max([enough, *(size for size in short if each[size] <= SLOWER * quickest)])


def batch_sizes(largest: int) -> tuple[int, ...]:
    """The powers of two below the largest batch, and the largest."""
    return (*(2**power for power in range((largest - 1).bit_length())), largest)


def recorded_size(image: Image, largest: int) -> int:
    """The one size of all batches on a GPU: a power of two, or the largest.

    It depends on the model and the settings alone, as the bytes of images do on it.
    """
    room = max(1, RECORDED_PIXELS // (image.height * image.width))
    return min(largest, 1 << (room.bit_length() - 1))


def _chain(bundle: Bundle, kind: ProviderConfig, threads: int) -> Chain:
    has_free_sides = bundle.manifest.pictures is not None
    stages = [(bundle.model, kind)] if has_free_sides else _stages(bundle.model, kind)
    return Chain(
        [
            open_session(
                *(part, each, threads, provider_options(each, threads)),
                has_free_sides=has_free_sides,
            )
            for part, each in stages
        ]
    )


def _stages(model: bytes, kind: ProviderConfig) -> list[tuple[bytes, ProviderConfig]]:
    """The graphs that make the images one after the other, and how each of them runs."""
    if kind.precision == "bfloat16" and (parts := cut_before_convolutions(model)) is not None:
        return [(parts[0], ProviderConfig("cpu")), (parts[1], kind)]
    return [(model, kind)]


def recording(
    bundle: Bundle,
    kind: ProviderConfig,
    size: int,
    device: int = 0,
    gpu_bytes: int = 0,
    *,
    record: bool = True,
) -> CudaGraphRunner:
    """The graph of a fitted bundle on a GPU, in batches of `size`. Raises EngineError."""
    check_provider(kind)
    load_cuda()
    stream = Stream(device)
    options = provider_options(kind, 1, device, stream.address, gpu_bytes)
    session = open_session(bundle.model, kind, 1, options)
    manifest = bundle.manifest
    inputs: dict[str, tuple[tuple[int, ...], DTypeLike]] = {
        each.name: (each.zeros(size).shape, each.dtype) for each in manifest.inputs
    }
    images = (size, *_shape(manifest.image))
    return CudaGraphRunner(session, stream, device, inputs, images, record=record)


def _shape(image: Image) -> tuple[int, int, int]:
    return image.height, image.width, image.channels
