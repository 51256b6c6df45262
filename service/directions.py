"""Moves latents along the latent directions of a model."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mirage.bundle.format.manifest import Manifest
from mirage.service.errors import InvalidValue


def move_latents(
    latents: NDArray[np.float32], amounts: Mapping[str, float] | None, manifest: Manifest
) -> NDArray[np.float32]:
    """z' = z + Σ aₖ·vₖ of float32 `[n, latent_dim]`, one direction after the other by index.

    `amounts` are aₖ by k in standard deviations of a latent; zeros change no bit. Raises
    InvalidValue for a direction that the model does not have.
    """
    if not amounts:
        return latents
    for index, amount in sorted((_checked(key, manifest), a) for key, a in amounts.items()):
        if amount:
            vector = np.array(manifest.directions[index].vector, np.float32)
            latents = latents + np.float32(amount) * vector
    return latents


def _checked(key: str, manifest: Manifest) -> int:
    index, count = int(key), len(manifest.directions)
    if index < count:
        return index
    allowed = f"0 … {count - 1} are allowed" if count else "none is allowed"
    message = f"direction is {index}; {manifest.name}@{manifest.version} has {count}, so {allowed}"
    raise InvalidValue(message, errors=[{"loc": ["directions", key], "msg": message}])
