"""Batches of each step, prepared on a thread during the previous step."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch

from mirage.training.config import TrainConfig
from mirage.training.errors import UsageError
from mirage.training.optim.distributed import own_part, world_size
from mirage.training.tasks.registry import TASKS
from mirage.training.tasks.task import Batches, Data


class BatchLoader:
    """Loads batches, which are pure functions of the seed and of the images seen.

    With several processes, each loads its part of the batch. warm_start: batches of the warm start.
    Raises UsageError if the batch has fewer images than there are processes.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: Data,
        device: torch.device,
        warm_start: Batches | None = None,
    ) -> None:
        if config.batch_size < world_size():
            raise UsageError(
                f"batch_size is {config.batch_size}; {world_size()} processes need at least one "
                "image each"
            )
        self.config, self.device = config, device
        self.drawer = TASKS[config.task].batches(config, data)
        self.warm_start = warm_start
        self._thread = ThreadPoolExecutor(1, "feed", initializer=self._choose_gpu)
        self._ahead: tuple[int, Future[tuple[Any, ...]]] | None = None

    def batches(self, nimg: int) -> tuple[Any, ...]:
        """The batches of the step after `nimg` images; their form depends on the task."""
        if self._ahead is None or self._ahead[0] != nimg:
            self._make(nimg)
        assert self._ahead is not None
        batches = self._ahead[1].result()
        self._make(nimg + self.config.batch_size)
        return batches

    def close(self) -> None:
        """Stop the thread."""
        self._thread.shutdown(cancel_futures=True)

    def _choose_gpu(self) -> None:
        """Select the GPU of this process: the current GPU is a property of each thread."""
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)

    def _make(self, nimg: int) -> None:
        self._ahead = nimg, self._thread.submit(self._made, nimg)

    def _made(self, nimg: int) -> tuple[Any, ...]:
        own = own_part(self.config.batch_size)
        warm = self.warm_start if nimg < self.config.warm_start_images else None
        return tuple(batch.to(self.device) for batch in (warm or self.drawer).draw(nimg, own))
