"""Runs the optional encoder of a bundle, which estimates latents and class of a picture."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mirage.bundle.format.manifest import Manifest
from mirage.service.engines.providers import ProviderConfig, provider_options
from mirage.service.engines.session import EngineError, open_session

CPU = ProviderConfig("cpu")  # wherever the generator runs: one picture takes a millisecond


class Estimate(NamedTuple):
    """Latents float32 `[latent_dim]`, and logits float32 `[classes]` of conditional models."""

    latents: NDArray[np.float32]
    logits: NDArray[np.float32] | None


class Encoder:
    """An encoder on the CPU with one thread; any thread may call it.

    Raises EngineError if onnxruntime rejects the graph.
    """

    def __init__(self, graph: bytes, manifest: Manifest) -> None:
        self._session = open_session(graph, CPU, 1, provider_options(CPU, 1))
        self._sizes = [manifest.latent_dim]
        self._names = ["latents"]
        if manifest.num_classes:
            self._sizes.append(manifest.num_classes)
            self._names.append("logits")

    def run(self, picture: NDArray[np.uint8]) -> Estimate:
        """Return the estimate for a picture, uint8 `[H, W, C]`.

        Raises EngineError if it is not finite, or of another shape.
        """
        found = self._session.run(self._names, {"pictures": picture[None]})
        for name, values, size in zip(self._names, found, self._sizes, strict=True):
            if values.shape != (1, size) or not np.isfinite(values).all():
                raise EngineError(f"{name} of the encoder are not {size} finite numbers")
        return Estimate(found[0][0], found[1][0] if len(found) > 1 else None)
