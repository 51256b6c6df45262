"""Moves latents along the directions of a model, by index or by the name that its owner gave."""

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mirage.bundle.format.manifest import Manifest
from mirage.bundle.store.directions import NO_DIRECTIONS, NamedDirections
from mirage.service.errors import InvalidValue

_INDEX = re.compile(r"0|[1-9][0-9]{0,3}")
Vector = tuple[float, ...]
Loc = tuple[str | int, ...]


def move_latents(
    latents: NDArray[np.float32],
    amounts: Mapping[str, float] | None,
    manifest: Manifest,
    named: NamedDirections = NO_DIRECTIONS,
    loc: Loc = ("directions",),
) -> NDArray[np.float32]:
    """Return z' = z + Σ aₖ·vₖ for latents float32 `[n, latent_dim]`.

    `amounts` maps the index or the name of k to aₖ in standard deviations of a latent. They are
    added by increasing index, then by name; zeros change no bit. Raises InvalidValue for an unknown
    direction of the field at `loc`.
    """
    if not amounts:
        return latents
    found = [(*_find(key, manifest, named, loc), amount) for key, amount in amounts.items()]
    for _, _, vector, amount in sorted(found):
        if amount:
            latents = latents + np.float32(amount) * np.array(vector, np.float32)
    return latents


def _find(
    key: str, manifest: Manifest, named: NamedDirections, loc: Loc
) -> tuple[int, str, Vector]:
    """Return the place in the order of additions, the key, and the vector of a direction."""
    count = len(manifest.directions)
    index = int(key) if _INDEX.fullmatch(key) else None
    if (direction := named.get(key)) is not None:
        if direction.vector is not None:
            return count, key, direction.vector
        index = direction.index
    if index is None or index >= count:
        message = _tell_unknown(key, manifest, named)
        raise InvalidValue(message, errors=[{"loc": [*loc, key], "msg": message}])
    return index, key, manifest.directions[index].vector


def _tell_unknown(key: str, manifest: Manifest, named: NamedDirections) -> str:
    count = len(manifest.directions)
    model, names = f"{manifest.name}@{manifest.version}", ", ".join(named)
    if _INDEX.fullmatch(key):
        allowed = f"0 … {count - 1} are allowed" if count else "none is allowed"
        also = f", and by name: {names:.1000}" if names else ""
        return f"direction is {key}; {model} has {count}, so {allowed}{also}"
    numbers = f"0 … {count - 1}" if count else "none"
    return (
        f"direction is {key!r:.100}; the directions of {model} are {numbers} by index, and by name:"
        f" {names or 'none':.1000}"
    )
