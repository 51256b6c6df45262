"""Latents, labels and ensemble members as functions of seed and index.

Image `index` of `seed` does not depend on the batch that it is computed in:

    rng = numpy.random.Generator(numpy.random.Philox(key=np.array([seed, index], np.uint64)))
    latent = rng.standard_normal(latent_dim, dtype=np.float32)
    label = rng.integers(num_classes)
"""

import hashlib
import threading
from typing import Any

import numpy as np

from mirage.bundle.format.manifest import Manifest, Member

SEED_END = 2**64


def draw_latents(
    seed: int, index: int, count: int, latent_dim: int, num_classes: int = 0
) -> tuple[np.ndarray, np.ndarray | None]:
    """Draw the latents and labels of images `index` … `index + count - 1` of a seed.

    Returns latents float32 `[count, latent_dim]` and labels int64 `[count]` in 0 … num_classes-1,
    or None if `num_classes` is 0. The latents do not depend on `num_classes`.
    Raises ValueError unless 0 ≤ seed < 2⁶⁴, index ≥ 0, count ≥ 1 and index + count ≤ 2⁶⁴.
    """
    _check_range(seed, index, count)
    latents = np.empty((count, latent_dim), np.float32)
    labels = np.empty(count, np.int64) if num_classes else None
    streams = _streams()
    for row in range(count):
        rng = streams.begin(seed, index + row)
        rng.standard_normal(dtype=np.float32, out=latents[row])
        if labels is not None:
            labels[row] = rng.integers(num_classes)
    return latents, labels


def _check_range(seed: int, index: int, count: int) -> None:
    if not 0 <= seed < SEED_END:
        raise ValueError(f"seed is {seed}; allowed are 0 … 2^64-1")
    if count < 1:
        raise ValueError(f"count is {count}; at least 1 is needed")
    if index < 0 or index + count > SEED_END:
        raise ValueError(f"index {index} and count {count} reach outside 0 … 2^64-1")


class _Streams:
    """A Philox generator that can be reset to the start of any stream.

    Faster than constructing a generator, which reads entropy from the system and discards it.
    """

    def __init__(self) -> None:
        self._philox = np.random.Philox(key=0)
        self._generator = np.random.Generator(self._philox)
        self._key = np.zeros(2, np.uint64)
        self._state: Any = {  # of a new generator
            "bit_generator": "Philox",
            "state": {"counter": np.zeros(4, np.uint64), "key": self._key},
            "buffer": np.zeros(4, np.uint64),
            "buffer_pos": 4,
            "has_uint32": 0,
            "uinteger": 0,
        }

    def begin(self, seed: int, index: int) -> np.random.Generator:
        """Return the equivalent of `Generator(Philox(key=[seed, index]))`, until the next call."""
        self._key[0], self._key[1] = seed, index
        self._philox.state = self._state
        return self._generator


_LOCAL = threading.local()


def _streams() -> _Streams:
    """The streams of the current thread."""
    try:
        found: _Streams = _LOCAL.streams
    except AttributeError:
        found = _LOCAL.streams = _Streams()
    return found


def takes_canary(name: str, seed: int, share: float) -> bool:
    """Whether the canary of a model serves a seed; share: of all seeds, 0 … 1."""
    return _fraction(f"{name}:{seed}") < share


def member_of(manifest: Manifest, seed: int, index: int) -> Member:
    """The member of an ensemble that generates an image; chosen by weight."""
    total = sum(member.weight for member in manifest.members)
    position = total * _fraction(f"{manifest.name}@{manifest.version}:{seed}:{index}")
    cumulative = 0.0
    for member in manifest.members:
        cumulative += member.weight
        if position < cumulative:
            return member
    return manifest.members[-1]


def _fraction(text: str) -> float:
    """Hash a text to a number in [0, 1)."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
