"""Random numbers of training: order of images, latents, augmentation and noise.

Pure functions of the seed and of the images seen, so that a resumed run has the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mirage.training.config import TrainConfig
from mirage.training.optim.augment import augment, columns
from mirage.training.optim.background import over_background
from mirage.training.optim.distributed import own_part


@dataclass(frozen=True)
class StepRandomness:
    """Random numbers of a move, the same for both members of a pair; None if unused.

    augment: float32 [N, columns] in [0, 1). noise: float32 of the shape of the images, normal.
    wrong: int64 [N], labels of other classes. between: float32 [N] in [0, 1). background: float32
    [N, 3] in [0, 1).
    """

    augment: Tensor | None = None
    noise: Tensor | None = None
    wrong: Tensor | None = None
    between: Tensor | None = None
    background: Tensor | None = None

    def __getitem__(self, part: slice) -> "StepRandomness":
        drawn = {field.name: getattr(self, field.name) for field in fields(self)}
        return StepRandomness(**{k: None if v is None else v[part] for k, v in drawn.items()})

    def to(self, device: torch.device) -> "StepRandomness":
        drawn = {field.name: getattr(self, field.name) for field in fields(self)}
        return StepRandomness(**{k: None if v is None else v.to(device) for k, v in drawn.items()})

    def see(self, images: Tensor, config: TrainConfig, probability: float, sigma: float) -> Tensor:
        """The discriminator's input: [M * N, C, H, W], with the N random numbers used M times."""
        if self.augment is not None:
            random = self.augment.repeat(len(images) // len(self.augment), 1)
            images = augment(images, config.augment, probability, random)
        if self.background is not None:
            colours = self.background.repeat(len(images) // len(self.background), 1)
            images = over_background(images, colours)
        if self.noise is not None:
            noise = self.noise.repeat(len(images) // len(self.noise), *[1] * (images.ndim - 1))
            images = images + sigma * noise
        return images


def draw_for_all(draw: Callable[[int], Tensor], count: int) -> Tensor:
    """Draw for the `count` images of the whole batch and return the rows of this process."""
    return draw(count)[own_part(count)]


def draw_augment(config: TrainConfig, count: int) -> Tensor | None:
    """Draw the random numbers for the augmentation of a move on `count` images."""
    width = columns(config.augment)
    return draw_for_all(lambda n: torch.rand(n, width), count) if width else None


def draw_background(config: TrainConfig, channels: int, count: int) -> Tensor | None:
    """Draw a background colour for each image, if configured and if images have four channels."""
    if config.background == "white" or channels != 4:
        return None
    return draw_for_all(lambda n: torch.rand(n, 3), count)


def draw_noise(shape: Sequence[int], sigma: float) -> Tensor | None:
    """Draw noise for images of this shape [N, C, H, W], those of the whole batch, if configured."""
    count, *sides = shape
    return draw_for_all(lambda n: torch.randn(n, *sides), count) if sigma > 0 else None


def draw_wrong_labels(labels: Tensor, num_classes: int, count: int) -> Tensor:
    """Draw another class for each label int64 [N] of this process, of `count` in the whole batch.

    All other classes are equally likely.
    """
    shift = draw_for_all(lambda n: torch.randint(1, num_classes, (n,)), count)
    return (labels + shift.to(labels.device)) % num_classes


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
    """Draw latents float32 [N, latent_dim] of the step after `nimg` images."""
    return random_stream(seed, stream, nimg).standard_normal(shape, dtype=np.float32)


class Sampler:
    """Endless shuffled passes over `size` images; each pass has every image once."""

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.seed = seed
        self._epoch = lru_cache(maxsize=2)(self._shuffled)

    def _shuffled(self, epoch: int) -> np.ndarray:
        return random_stream(self.seed, Stream.ORDER, epoch).permutation(self.size)

    def indices(self, position: int, count: int) -> np.ndarray:
        """Indices int64 [count] at positions `position` … `position + count - 1`."""
        places = np.arange(position, position + count)
        epochs, offsets = np.divmod(places, self.size)
        chosen = np.empty(count, np.int64)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            chosen[here] = self._epoch(int(epoch))[offsets[here]]
        return chosen
