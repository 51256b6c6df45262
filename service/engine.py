"""Runs a bundle's graph on one onnxruntime session: arrays in, arrays out, no HTTP."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from bundle.verify import Bundle
from service.cost import Cost

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
PRECISION = "float32"


class EngineError(Exception):
    """The engine cannot do what it was asked for; the message is for operators."""


class Engine:
    """One session on one provider, for one thread at a time.

    Raises EngineError when onnxruntime refuses the graph or falls back to another provider.
    """

    def __init__(self, bundle: Bundle, provider: str, threads: int) -> None:
        self.manifest = bundle.manifest
        self.provider = provider
        wanted = PROVIDERS[provider]
        available = onnxruntime.get_available_providers()
        if wanted not in available:
            raise EngineError(
                f"provider {wanted} was asked for, but this onnxruntime has {', '.join(available)}"
            )
        try:
            self._session = onnxruntime.InferenceSession(
                bundle.model, _options(threads), providers=[wanted]
            )
        except Exception as error:  # onnxruntime raises bare Exceptions of its own making
            raise EngineError(f"onnxruntime refuses the graph: {error}") from error
        # onnxruntime goes on with the CPU when a provider cannot be loaded, and only logs it.
        used = self._session.get_providers()[0]
        if used != wanted:
            raise EngineError(f"provider {wanted} was asked for, but onnxruntime uses {used}")

    def close(self) -> None:
        """Free the session, which must not run then or later."""
        del self._session

    def generate(
        self, latents: NDArray[np.float32], labels: NDArray[np.int64] | None
    ) -> NDArray[np.uint8]:
        """Make images: float32 `[N, latent_dim]` and int64 `[N]` → uint8 `[N, H, W, C]`.

        `labels` are for conditional models, and only for them.
        Raises EngineError when the graph answers in another shape or type.
        """
        feed: dict[str, Any] = {"latents": latents}
        if labels is not None:
            feed["labels"] = labels
        (images,) = self._session.run(["images"], feed)
        image = self.manifest.image
        shape = (len(latents), image.height, image.width, image.channels)
        if images.shape != shape or images.dtype != np.uint8:
            raise EngineError(f"the graph made {images.dtype} {images.shape}, not uint8 {shape}")
        return np.asarray(images)

    def warm_up(self, sizes: Sequence[int], cost: Cost) -> None:
        """Run zeros in each batch size, twice, and learn the cost of the second time."""
        for size in sizes:
            latents = np.zeros((size, self.manifest.latent_dim), np.float32)
            labels = np.zeros(size, np.int64) if self.manifest.num_classes else None
            self.generate(latents, labels)
            started = time.perf_counter()
            self.generate(latents, labels)
            cost.learn(size, time.perf_counter() - started)


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
