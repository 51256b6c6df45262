"""Runs a bundle's graph on one onnxruntime session: arrays in, arrays out, no HTTP."""

import time
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from bundle.verify import Bundle
from service.cost import Cost
from service.partition import cut_before_convolutions
from service.polyphase import decompose
from service.provider import PROVIDERS, Kind, provider_options

Labels = NDArray[np.int64] | None

SLOWER = 1.15  # than an image is in the quickest batches


class EngineError(Exception):
    """The engine cannot do what it was asked for; the message is for operators."""


class Engine:
    """A bundle's graph on one provider, for one thread at a time.

    In bfloat16 only the convolutions and what follows them run so: the dense layers before them
    take little time, and rounded so they would add much to the error of the images.

    `largest` is the largest batch, `threads` are compute threads, `device` is the number of a GPU.
    Raises EngineError when onnxruntime refuses the graph or falls back to another provider.
    """

    def __init__(
        self, bundle: Bundle, kind: Kind, *, threads: int = 1, largest: int = 32, device: int = 0
    ) -> None:
        self.manifest = bundle.manifest
        self.kind = kind
        self.sizes = batch_sizes(largest)
        self._pads = PROVIDERS[kind.provider].pads
        self._sessions = [  # each takes what the one before it makes
            _session(model, each, threads, device) for model, each in _stages(bundle.model, kind)
        ]

    def close(self) -> None:
        """Free the sessions, which must not run then or later."""
        del self._sessions

    def generate(self, latents: NDArray[np.float32], labels: Labels) -> NDArray[np.uint8]:
        """Make images: float32 `[N, latent_dim]` and int64 `[N]` → uint8 `[N, H, W, C]`.

        `labels` are for conditional models, and only for them.
        Raises EngineError when the graph answers in another shape or type.
        """
        return self._run(latents, labels, None)

    def padding(self, size: int) -> int:
        """The images that a batch of `size` is filled up with, made and thrown away."""
        if not self._pads or size > self.sizes[-1]:
            return 0
        return self.sizes[bisect_left(self.sizes, size)] - size

    def rest(self) -> None:
        """Give memory back that only large batches need; the next of them takes it again."""
        options = onnxruntime.RunOptions()
        arena = "gpu:0" if self.kind.provider == "cuda" else "cpu:0"
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", arena)
        self._run(*self._zeros(1), options)

    def warm_up(self, cost: Cost) -> dict[int, float]:
        """Run zeros in every batch size, and learn the cost when it is warm.

        Returns the seconds of each size, of the quicker of two runs.
        """
        found = {}
        for size in self.sizes:
            latents, labels = self._zeros(size)
            self.generate(latents, labels)
            runs = []
            for _ in range(2):
                started = time.perf_counter()
                self.generate(latents, labels)
                runs.append(time.perf_counter() - started)
                cost.learn(size, runs[-1])
            found[size] = min(runs)
        return found

    def _zeros(self, size: int) -> tuple[NDArray[np.float32], Labels]:
        latents = np.zeros((size, self.manifest.latent_dim), np.float32)
        return latents, np.zeros(size, np.int64) if self.manifest.num_classes else None

    def _run(
        self, latents: NDArray[np.float32], labels: Labels, options: onnxruntime.RunOptions | None
    ) -> NDArray[np.uint8]:
        size = len(latents)
        if padding := self.padding(size):
            latents = np.pad(latents, ((0, padding), (0, 0)))
            labels = None if labels is None else np.pad(labels, (0, padding))
        feed: dict[str, Any] = {"latents": latents}
        if labels is not None:
            feed["labels"] = labels
        *before, last = self._sessions
        for session in before:
            feed = dict(zip(_outputs(session), session.run(None, feed, options), strict=True))
        (images,) = last.run(["images"], feed, options)
        image = self.manifest.image
        shape = (len(latents), image.height, image.width, image.channels)
        if images.shape != shape or images.dtype != np.uint8:
            raise EngineError(f"the graph made {images.dtype} {images.shape}, not uint8 {shape}")
        return np.asarray(images)[:size]


def fitted(bundle: Bundle, kind: Kind) -> Bundle:
    """The bundle with its graph as the kind's provider runs it quickest, for all of its engines.

    The images are the same but for rounding, which golden replay judges.
    """
    if not PROVIDERS[kind.provider].decomposes:
        return bundle
    return replace(bundle, model=decompose(bundle.model))


def useful_size(seconds: Mapping[int, float]) -> int:
    """The largest batch size, by the seconds that each takes, in which an image is not much slower.

    The maps of many large images do not fit into caches together: then they only wait for each
    other.
    """
    quickest = min(taken / size for size, taken in seconds.items())
    return max(size for size, taken in seconds.items() if taken / size <= SLOWER * quickest)


def batch_sizes(largest: int) -> tuple[int, ...]:
    """The powers of two below the largest batch, and the largest."""
    return (*(2**power for power in range((largest - 1).bit_length())), largest)


def _stages(model: bytes, kind: Kind) -> list[tuple[bytes, Kind]]:
    """The graphs that make the images one after the other, and how each of them runs."""
    if kind.precision == "bfloat16" and (parts := cut_before_convolutions(model)) is not None:
        return [(parts[0], Kind("cpu")), (parts[1], kind)]
    return [(model, kind)]


def _session(model: bytes, kind: Kind, threads: int, device: int) -> onnxruntime.InferenceSession:
    """Raises EngineError as `Engine`."""
    wanted = PROVIDERS[kind.provider].onnx_name
    available = onnxruntime.get_available_providers()
    if wanted not in available:
        raise EngineError(
            f"provider {wanted} was asked for, but this onnxruntime has {', '.join(available)}"
        )
    try:
        session = onnxruntime.InferenceSession(
            model,
            _options(threads),
            providers=[(wanted, provider_options(kind, threads, device))],
        )
    except Exception as error:  # onnxruntime raises bare Exceptions of its own making
        raise EngineError(f"onnxruntime refuses the graph: {error}") from error
    # onnxruntime goes on with the CPU when a provider cannot be loaded, and only logs it.
    used = session.get_providers()[0]
    if used != wanted:
        raise EngineError(f"provider {wanted} was asked for, but onnxruntime uses {used}")
    return session


def _outputs(session: onnxruntime.InferenceSession) -> list[str]:
    return [value.name for value in session.get_outputs()]


def _options(threads: int) -> onnxruntime.SessionOptions:
    """Session options: as many threads as told, which do not spin beside those that encode.

    onnxruntime's own choice of threads pins them to cores that a container may not have.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors
    return options
