"""The sample grid of task `generate`, and its diversity."""

from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import nn

from mirage.training.data.dataset import Dataset
from mirage.training.networks.base import Generator
from mirage.training.tasks.diversity import DiversityMonitor, shrink
from mirage.training.tasks.randomness import Stream, random_stream

if TYPE_CHECKING:
    from mirage.training.config import TrainConfig

GRID = 10
"""Sample grids are 10 x 10: one column per class when there are ten."""
REAL = 2_000
"""Real images, of the grid's classes, that the watchdog compares the grid with."""


class Samples:
    """Fixed latents and labels, and diversity of the images relative to real ones."""

    def __init__(self, config: "TrainConfig", dataset: Dataset) -> None:
        count, classes = GRID * GRID, len(dataset.classes)
        self.latents = random_stream(config.seed, Stream.SAMPLES, 0).standard_normal(
            (count, config.latent_dim), dtype=np.float32
        )
        self.labels = np.arange(count, dtype=np.int64) % min(classes, GRID) if classes else None
        own = np.arange(len(dataset))
        if dataset.labels is not None and self.labels is not None:
            own = np.flatnonzero(np.isin(dataset.labels, self.labels))
        places = np.linspace(0, len(own) - 1, min(REAL, len(own)))
        chosen = own[np.unique(places.astype(np.int64))]
        labels = None if dataset.labels is None else dataset.labels[chosen]
        medium = dataset.medium
        self.columns = medium.columns
        self._shape = medium.picture_size
        real = shrink(dataset.images, chosen, medium.pictures)
        self._yardstick = DiversityMonitor(real, labels, self.labels)

    def draw(self, network: nn.Module) -> np.ndarray:
        """Draw samples, enlarged to the size of the data while networks are smaller."""
        samples = generate(network, self.latents, self.labels)
        images = cast(Generator, network).medium.pictures(samples)
        rows, columns = (
            side // own for side, own in zip(self._shape, images.shape[1:3], strict=True)
        )
        return images.repeat(rows, axis=1).repeat(columns, axis=2)

    def measure(self, images: np.ndarray) -> dict[str, float]:
        return self._yardstick.measure(images)


@torch.inference_mode()
def generate(network: nn.Module, latents: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    """Generate stored samples [N, …] from float32 [N, latent_dim] and int64 [N] or None."""
    network.eval()
    device = next(network.parameters()).device
    chosen = None if labels is None else torch.from_numpy(labels).to(device)
    images = network(torch.from_numpy(latents).to(device), chosen)
    return cast(Generator, network).medium.to_stored(images).contiguous().cpu().numpy()
