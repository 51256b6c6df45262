"""Which images and latents a step sees: pure functions of the seed and of the images seen.

Nothing here has a state, so a resumed run draws what an unbroken one would have drawn.
"""

from enum import IntEnum
from functools import lru_cache

import numpy as np


class Stream(IntEnum):
    """Independent random streams of one run."""

    ORDER = 0
    DISCRIMINATOR_LATENTS = 1
    GENERATOR_LATENTS = 2
    NETWORK = 3
    SAMPLES = 4
    CROPS = 5
    WARM_START = 6


def random_stream(seed: int, stream: Stream, position: int) -> np.random.Generator:
    """A counter-based generator for one stream of a run at one position."""
    sequence = np.random.SeedSequence((seed, int(stream), position))
    return np.random.Generator(np.random.Philox(sequence))


def draw_step_latents(seed: int, stream: Stream, nimg: int, shape: tuple[int, int]) -> np.ndarray:
    """float32 [N, latent_dim] of the step that begins after `nimg` images."""
    return random_stream(seed, stream, nimg).standard_normal(shape, dtype=np.float32)


class Sampler:
    """An endless shuffled walk over `size` images: every image once before any comes again."""

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.seed = seed
        self._epoch = lru_cache(maxsize=2)(self._shuffled)

    def _shuffled(self, epoch: int) -> np.ndarray:
        return random_stream(self.seed, Stream.ORDER, epoch).permutation(self.size)

    def indices(self, position: int, count: int) -> np.ndarray:
        """int64 [count]: the images at `position` … `position + count - 1` of the walk."""
        places = np.arange(position, position + count)
        epochs, offsets = np.divmod(places, self.size)
        chosen = np.empty(count, np.int64)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            chosen[here] = self._epoch(int(epoch))[offsets[here]]
        return chosen
