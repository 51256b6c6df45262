"""What each step sees, made ready while the step before it runs."""

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from mirage.training.config import TrainConfig
from mirage.training.dataset import Dataset
from mirage.training.distributed import rank, world_size
from mirage.training.errors import UsageError
from mirage.training.pixels import to_float
from mirage.training.sampler import Sampler, Stream, draw_step_latents
from mirage.training.step import Batch

Pair = tuple[Batch, Batch]


class Feed:
    """Batches as pure functions of the seed and of the images seen.

    Several processes take equal parts of what one would have taken. Raises UsageError when the
    batch cannot be divided among them.
    """

    def __init__(self, config: TrainConfig, dataset: Dataset, device: torch.device) -> None:
        if config.batch_size % world_size():
            raise UsageError(
                f"batch_size is {config.batch_size}; {world_size()} processes need a multiple"
            )
        self.config, self.dataset, self.device = config, dataset, device
        self._sampler = Sampler(len(dataset), config.seed)
        self._thread = ThreadPoolExecutor(1, "feed", initializer=self._choose_gpu)
        self._ahead: tuple[int, Future[Pair]] | None = None

    def batches(self, nimg: int) -> Pair:
        """The discriminator's and the generator's batch of the step after `nimg` images.

        Each has its own real images, labels and latents.
        """
        if self._ahead is None or self._ahead[0] != nimg:
            self._make(nimg)
        assert self._ahead is not None
        pair = self._ahead[1].result()
        self._make(nimg + self.config.batch_size)
        return pair

    def close(self) -> None:
        """Stop the thread."""
        self._thread.shutdown(cancel_futures=True)

    def _choose_gpu(self) -> None:
        """A thread has a GPU of its own choice, the first unless told."""
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)

    def _make(self, nimg: int) -> None:
        self._ahead = nimg, self._thread.submit(self._pair, nimg)

    def _pair(self, nimg: int) -> Pair:
        size = self.config.batch_size
        chosen = self._sampler.indices(2 * nimg, 2 * size)
        return (
            self._batch(chosen[:size], Stream.DISCRIMINATOR_LATENTS, nimg),
            self._batch(chosen[size:], Stream.GENERATOR_LATENTS, nimg),
        )

    def _batch(self, indices: np.ndarray, stream: Stream, nimg: int) -> Batch:
        own = slice(
            rank() * len(indices) // world_size(), (rank() + 1) * len(indices) // world_size()
        )
        shape = (len(indices), self.config.latent_dim)
        latents = draw_step_latents(self.config.seed, stream, nimg, shape)[own]
        labels = self.dataset.labels
        return Batch(
            images=self._to_device(to_float(self.dataset.images[indices[own]])),
            latents=self._to_device(torch.from_numpy(latents)),
            labels=None
            if labels is None
            else self._to_device(torch.from_numpy(labels[indices[own]])),
        )

    def _to_device(self, tensor: Tensor) -> Tensor:
        if self.device.type == "cpu":
            return tensor
        return tensor.pin_memory().to(self.device, non_blocking=True)
