"""The warm start of task `generate`: reconstruction of training images from latent codes.

Before adversarial training, the generator learns to reconstruct each image from its own code, after
Bojanowski et al., "Optimizing the Latent Space of Generative Networks", ICML 2018, but with codes
that are computed once instead of learned.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from mirage.training.data.dataset import Dataset
from mirage.training.tasks.generate import Batch, architecture_of, shown
from mirage.training.tasks.randomness import Sampler, Stream, draw_step_latents

if TYPE_CHECKING:
    from mirage.training.config import TrainConfig

NOISE = 0.2
"""Standard deviation of noise added to codes, so that the space between codes is trained too."""


class WarmStartBatches:
    """Images with latents near their codes float32 [N, latent_dim], which stay normal."""

    def __init__(self, config: "TrainConfig", dataset: Dataset, codes: np.ndarray) -> None:
        self.config, self.dataset, self.codes = config, dataset, codes
        self._medium = architecture_of(config, dataset.sheet()).medium
        self._sampler = Sampler(len(dataset), config.seed)

    def draw(self, nimg: int, part: slice) -> tuple[Batch]:
        """The one batch of a step."""
        size, config, labels = self.config.batch_size, self.config, self.dataset.labels
        own = self._sampler.indices(nimg, size)[part]
        shape = (size, config.latent_dim)
        noise = draw_step_latents(config.seed, Stream.WARM_START, nimg, shape)[part]
        latents = (self.codes[own] + NOISE * noise) / math.hypot(1, NOISE)
        batch = Batch(
            images=shown(self.dataset.images[own], self._medium, config.stages_left(nimg)),
            latents=torch.from_numpy(latents.astype(np.float32)),
            labels=None if labels is None else torch.from_numpy(labels[own]),
        )
        return (batch,)
